//! `/events/slack`: receives Slack's events, authenticated by their signature.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::extract::{ClientSource, read_up_to};
use super::problem::{Problem, ProblemKind};
use super::request_context::RequestContext;
use super::state::AppState;
use crate::link::{SlackEventError, SlackEventRequest};

/// Maximum body size in bytes. Each of many signing secrets is tried on the whole body.
const MAX_BODY_BYTES: usize = 128 * 1024;

const TOO_MANY_INVALID_SIGNATURES: &str =
    "The request was not checked: earlier requests from this address had invalid signatures.";

/// Serves `POST /events/slack`. Events without an effect also return 200, so that Slack does not resend them.
pub(super) async fn receive_slack_event(
    State(state): State<AppState>,
    Extension(request): Extension<RequestContext>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let source = ClientSource::of(&headers, &state, &request);
    source.throttle(&state.invalid_signature_throttle, TOO_MANY_INVALID_SIGNATURES)?;
    let body = {
        let _place = state.unauthenticated_bodies.try_acquire().map_err(|_| overloaded())?;
        read_up_to(MAX_BODY_BYTES.min(state.max_body_bytes), body, &state).await?
    };
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let incoming = SlackEventRequest {
        timestamp: header("x-slack-request-timestamp"),
        signature: header("x-slack-signature"),
        body: &body,
        request_id: request.id(),
    };
    let outcome = state.links.receive_slack_event(&incoming).await;
    if matches!(outcome, Err(SlackEventError::InvalidSignature)) {
        source.record_failure(&state.invalid_signature_throttle);
    }
    let challenge = outcome.map_err(event_problem)?;
    Ok(Json(challenge.map_or(json!({"ok": true}), |challenge| json!({"challenge": challenge}))))
}

/// Bodies are read before the signature is verified, so few at a time are accepted.
fn overloaded() -> Problem {
    let detail = "Too many events are being received. Send this event again.";
    Problem::new(ProblemKind::Overloaded, detail).with_retry_after(Duration::from_secs(1))
}

fn event_problem(error: SlackEventError) -> Problem {
    match error {
        SlackEventError::InvalidSignature => Problem::new(
            ProblemKind::Unauthorized,
            "The request is not signed with the `signing_secret` of a provider app of this gateway, \
             or was signed more than five minutes ago.",
        ),
        SlackEventError::InvalidBody(error) => {
            Problem::new(ProblemKind::InvalidBody, "The body is not a Slack event.")
                .with_error("", error.to_string())
        }
        SlackEventError::Store(error) => error.into(),
    }
}
