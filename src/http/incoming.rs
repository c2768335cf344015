//! `/events/slack`: what Slack tells us, proven by its signature.

use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::{Extension, Json};
use serde_json::{Value, json};

use super::current::CurrentRequest;
use super::extract::{Source, read_up_to};
use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use crate::link::{Incoming, NoticeError};

/// The largest body that is looked at, in bytes. It is signed with one of many secrets, and each is tried on all
/// of it.
const LARGEST: usize = 128 * 1024;

const FORGED: &str = "Nothing was looked at: the requests that came from this address before were signed by no app of this gateway.";

/// Takes an event. Whatever we don't act on is taken too, so that Slack doesn't send it again.
pub(super) async fn hear_slack(
    State(state): State<AppState>,
    Extension(request): Extension<CurrentRequest>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let source = Source::of(&headers, &state, &request);
    source.hold_up(&state.forgeries, FORGED)?;
    let body = {
        let _place = state.unproven_bodies.try_acquire().map_err(|_| overloaded())?;
        read_up_to(LARGEST.min(state.max_body_bytes), body, &state).await?
    };
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let incoming = Incoming {
        timestamp: header("x-slack-request-timestamp"),
        signature: header("x-slack-signature"),
        body: &body,
        request_id: request.id(),
    };
    let heard = state.links.hear_slack(&incoming).await;
    if matches!(heard, Err(NoticeError::Unsigned)) {
        source.has_failed(&state.forgeries);
    }
    let challenge = heard.map_err(refused)?;
    Ok(Json(challenge.map_or(json!({"ok": true}), |challenge| json!({"challenge": challenge}))))
}

/// The signature is over the body, so these bodies alone are read before the caller is proven: not many at a time.
fn overloaded() -> Problem {
    let detail = "More events are on their way than are taken at a time. Send this one again.";
    Problem::new(ProblemKind::Overloaded, detail).retry_after(Duration::from_secs(1))
}

fn refused(error: NoticeError) -> Problem {
    match error {
        NoticeError::Unsigned => Problem::new(
            ProblemKind::Unauthorized,
            "The request is not signed with the `signing_secret` of a provider app of this gateway, \
             or not within the last five minutes.",
        ),
        NoticeError::Unreadable(error) => {
            Problem::new(ProblemKind::InvalidBody, "The body is not an event of Slack's.")
                .at("", error.to_string())
        }
        NoticeError::Store(error) => error.into(),
    }
}
