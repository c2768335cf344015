//! The paths of another unified API, so that its public clients work when their base URL is changed.
//! Nothing is decided here: a request is put into our words, asked of our own router, and the answer
//! put into theirs. <https://truto.one/docs/api-reference>

mod accounts;
mod answer;
mod ask;
mod collected;
mod directory;
mod sent;
mod theirs;
mod wishes;

use axum::extract::FromRef;
use axum::routing::{any, get, post};
use axum::{Json, Router, middleware};
use serde_json::json;
use tower_http::catch_panic::CatchPanicLayer;

use super::edge;
use super::state::AppState;

/// What the handlers of their paths can reach.
#[derive(Clone)]
struct Compat {
    router: Router,
    services: AppState,
}

impl FromRef<Compat> for Router {
    fn from_ref(compat: &Compat) -> Self {
        compat.router.clone()
    }
}

/// Our router with their paths beside it.
pub(super) fn beside(own: Router, services: AppState) -> Router {
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
        .route("/ping", get(|| async { Json(json!({ "status": "ok" })) }))
        .layer(CatchPanicLayer::custom(edge::after_panic))
        .layer(middleware::from_fn_with_state(services.clone(), edge::log_unasked))
        .with_state(Compat { router: own.clone(), services })
        .merge(own)
}
