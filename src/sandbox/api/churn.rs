//! `/_sandbox/churn`: generated changes of the organization.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use super::admin::{LenientJson, ready};
use crate::sandbox::{ChurnError, ChurnRequest, Sandbox};

/// Returns the progress of the current or the latest run.
pub(super) fn show(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    ready(Json(sandbox.churn_status()))
}

/// Starts a run. Responds immediately, or after the run if the request says so.
pub(super) async fn start(
    State(sandbox): State<Sandbox>,
    LenientJson(request): LenientJson<ChurnRequest>,
) -> Response {
    let status = match sandbox.start_churn(&request) {
        Ok(status) => status,
        Err(error) => {
            let status = match error {
                ChurnError::Running => StatusCode::CONFLICT,
                ChurnError::InvalidRate | ChurnError::InvalidDuration | ChurnError::NoKinds => {
                    StatusCode::BAD_REQUEST
                }
            };
            return (status, Json(json!({"error": error.to_string()}))).into_response();
        }
    };
    if request.wait {
        sandbox.churn_ended(status.id.unwrap_or_default()).await;
        return Json(sandbox.churn_status()).into_response();
    }
    let body = json!({"ok": true, "id": status.id, "changes": status.planned});
    (StatusCode::ACCEPTED, Json(body)).into_response()
}

/// Stops the current run.
pub(super) fn stop(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    sandbox.stop_churn();
    ready(Json(sandbox.churn_status()))
}
