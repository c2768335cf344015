//! `/_sandbox/event-subscriptions`, `/_sandbox/event-deliveries`, `/_sandbox/event-faults`: event
//! settings of apps, the delivery log, and faults of deliveries.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::admin::{LenientJson, ready};
use crate::sandbox::{EventFaults, Sandbox, SubscriptionRequest};

/// `DELETE /_sandbox/event-subscriptions`
#[derive(Debug, Deserialize)]
pub(super) struct SubscriptionQuery {
    client_id: Option<String>,
}

/// Returns all subscriptions.
pub(super) fn list(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    ready(Json(json!({"subscriptions": sandbox.subscriptions()})))
}

/// Adds a subscription, or replaces that of the same app.
pub(super) async fn subscribe(
    State(sandbox): State<Sandbox>,
    LenientJson(request): LenientJson<SubscriptionRequest>,
) -> Response {
    match sandbox.subscribe(request).await {
        Ok(subscription) => (StatusCode::CREATED, Json(subscription)).into_response(),
        Err(error) => {
            (StatusCode::BAD_REQUEST, Json(json!({"error": error.to_string()}))).into_response()
        }
    }
}

/// Removes the subscription of the given app, or all.
pub(super) fn unsubscribe(
    State(sandbox): State<Sandbox>,
    Query(whose): Query<SubscriptionQuery>,
) -> std::future::Ready<Response> {
    sandbox.unsubscribe(whose.client_id.as_deref());
    ready(Json(json!({"subscriptions": sandbox.subscriptions()})))
}

/// Returns the delivery log.
pub(super) fn deliveries(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    ready(Json(sandbox.deliveries()))
}

/// Returns the faults of event deliveries.
pub(super) fn show_faults(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    ready(Json(sandbox.event_faults()))
}

/// Replaces the faults of event deliveries.
pub(super) fn set_faults(
    State(sandbox): State<Sandbox>,
    LenientJson(faults): LenientJson<EventFaults>,
) -> std::future::Ready<Response> {
    if !faults.is_valid() {
        let error = "lose and duplicate must be between 0 and 1";
        return ready((StatusCode::BAD_REQUEST, Json(json!({"error": error}))));
    }
    sandbox.set_event_faults(faults);
    ready(Json(sandbox.event_faults()))
}

/// Removes the faults of event deliveries.
pub(super) fn clear_faults(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    sandbox.set_event_faults(EventFaults::default());
    ready(Json(sandbox.event_faults()))
}
