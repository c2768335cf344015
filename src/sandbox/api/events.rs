//! `/_sandbox/event-subscriptions` and `/_sandbox/event-deliveries`: what an app's settings page
//! does at Slack, and a look at what was sent.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::admin::{Told, answer};
use crate::sandbox::{Sandbox, SubscriptionRequest};

/// `DELETE /_sandbox/event-subscriptions`
#[derive(Debug, Deserialize)]
pub(super) struct Whose {
    client_id: Option<String>,
}

/// The subscriptions.
pub(super) fn list(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    answer(Json(json!({"subscriptions": sandbox.subscriptions()})))
}

/// One more subscription, or another one for the same app.
pub(super) async fn subscribe(
    State(sandbox): State<Sandbox>,
    Told(request): Told<SubscriptionRequest>,
) -> Response {
    match sandbox.subscribe(request).await {
        Ok(subscription) => (StatusCode::CREATED, Json(subscription)).into_response(),
        Err(error) => {
            (StatusCode::BAD_REQUEST, Json(json!({"error": error.to_string()}))).into_response()
        }
    }
}

/// No subscription any more: of the app that is named, or of all.
pub(super) fn unsubscribe(
    State(sandbox): State<Sandbox>,
    Query(whose): Query<Whose>,
) -> std::future::Ready<Response> {
    sandbox.unsubscribe(whose.client_id.as_deref());
    answer(Json(json!({"subscriptions": sandbox.subscriptions()})))
}

/// What was sent.
pub(super) fn deliveries(State(sandbox): State<Sandbox>) -> std::future::Ready<Response> {
    answer(Json(sandbox.deliveries()))
}
