//! `/_sandbox`: look behind the scenes and move them. Slack has nothing like it.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{FromRequest, Query, Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use time::Duration;

use super::web::list_methods;
use crate::sandbox::{Fault, Sandbox};

/// The furthest that the clock is moved in one go, in seconds: a century.
const FURTHEST: f64 = 3_155_760_000.0;

/// `POST /_sandbox/advance-clock`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Advance {
    seconds: f64,
}

/// `POST /_sandbox/limits`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitSwitch {
    enabled: bool,
}

/// `GET /_sandbox/requests`
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    method: Option<String>,
}

/// The figures.
pub(super) fn show_state(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    answer(Json(sandbox.state()))
}

/// The methods of the Web API that are served, with what each asks for.
pub(super) fn show_methods() -> std::future::Ready<Response> {
    answer(Json(list_methods()))
}

/// The files that were uploaded, with a digest of what they hold.
pub(super) fn list_files(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    answer(Json(json!({"files": sandbox.files()})))
}

/// Everything as at the start, but for grants.
pub(super) fn reset(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    sandbox.reset();
    answer(Json(sandbox.state()))
}

/// Moves the provider's clock.
pub(super) fn advance_clock(
    State(sandbox): State<Sandbox>,
    Told(advance): Told<Advance>,
) -> std::future::Ready<Response> {
    if !advance.seconds.is_finite() || advance.seconds.abs() > FURTHEST {
        return answer((
            StatusCode::BAD_REQUEST,
            Json(json!({"error": "seconds is out of range"})),
        ));
    }
    sandbox.advance_clock(Duration::seconds_f64(advance.seconds));
    answer(Json(sandbox.state()))
}

/// The journal.
pub(super) fn list_requests(
    State(sandbox): State<Sandbox>,
    Query(wanted): Query<Wanted>,
) -> std::future::Ready<Response> {
    answer(Json(sandbox.requests(wanted.method.as_deref())))
}

/// The faults that wait.
pub(super) fn list_faults(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    answer(Json(json!({"faults": sandbox.faults()})))
}

/// One more fault.
pub(super) fn add_fault(
    State(sandbox): State<Sandbox>,
    Told(fault): Told<Fault>,
) -> std::future::Ready<Response> {
    let id = sandbox.add_fault(fault);
    answer((StatusCode::CREATED, Json(json!({"id": id}))))
}

/// No more faults.
pub(super) fn clear_faults(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    sandbox.clear_faults();
    answer(Json(json!({"faults": []})))
}

/// Limits on or off.
pub(super) fn set_limits(
    State(sandbox): State<Sandbox>,
    Told(switch): Told<LimitSwitch>,
) -> std::future::Ready<Response> {
    sandbox.set_limits(switch.enabled);
    answer(Json(json!({"enabled": sandbox.limits_enabled()})))
}

/// A body in JSON whatever it calls itself, so that a bare `curl -d` works.
pub(super) struct Told<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Told<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let body =
            Bytes::from_request(request, state).await.map_err(IntoResponse::into_response)?;
        serde_json::from_slice(&body).map(Self).map_err(|error| {
            let body = Json(json!({"error": error.to_string()}));
            (StatusCode::BAD_REQUEST, body).into_response()
        })
    }
}

/// An answer that needs no waiting.
pub(super) fn answer(response: impl IntoResponse) -> std::future::Ready<Response> {
    std::future::ready(response.into_response())
}
