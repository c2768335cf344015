//! Serves Truto's API paths, so that its public clients work with our base URL. Requests are converted, sent to our own
//! router, and the responses converted back. <https://truto.one/docs/api-reference>

mod accounts;
mod collect_pages;
mod convert;
mod directory;
mod loopback;
mod params;
mod request_body;
mod response;
mod webhooks;

use axum::extract::FromRef;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use axum::{Json, Router};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;

use super::middleware;
use super::state::AppState;

/// Shared state of these handlers.
#[derive(Clone)]
struct TrutoState {
    router: Router,
    services: AppState,
}

impl FromRef<TrutoState> for Router {
    fn from_ref(compat: &TrutoState) -> Self {
        compat.router.clone()
    }
}

/// Returns our router with Truto's routes added.
pub(super) fn with_truto_routes(own: Router, services: AppState) -> Router {
    Router::new()
        .route("/unified/user-directory/{*rest}", any(directory::serve))
        .route("/integrated-account", get(accounts::accounts))
        .route(
            "/integrated-account/{id}",
            get(accounts::account).patch(accounts::account).delete(accounts::account),
        )
        .route("/integrated-account/token", post(accounts::account_token))
        .route("/integrated-account/refresh-credentials", post(accounts::refresh_credentials))
        .route("/link-token", post(accounts::link_token))
        .route("/api-token", get(accounts::keys))
        .route("/api-token/{id}", get(accounts::key))
        .route("/environment", get(accounts::environments))
        .route("/environment/{id}", get(accounts::environment))
        .route("/webhook", get(webhooks::webhooks).post(webhooks::create_webhook))
        .route(
            "/webhook/{id}",
            get(webhooks::webhook).patch(webhooks::webhook).delete(webhooks::webhook),
        )
        .route("/webhook/test", post(webhooks::test_webhook))
        .route("/ping", get(|| async { Json(json!({ "status": "ok" })) }))
        .layer(CatchPanicLayer::custom(middleware::panic_response))
        .layer(from_fn_with_state(services.clone(), middleware::log_unforwarded))
        .with_state(TrutoState { router: own.clone(), services })
        .merge(own)
}
