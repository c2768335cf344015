//! The hosted link page, the leave for the provider's consent and the way back, or the provider's form; for the web page that
//! opened it, how far the customer has come.

mod asked;
mod choice;
mod consent;
mod cookie;
mod failures;
mod form;
mod outcome;
mod redirect;
mod shown;
mod speculative;
mod start;
mod status;
mod words;

use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::{Router, middleware};

use super::state::AppState;

/// What the hosted pages run. It only tells of what the server has said.
const HOSTED: &str = include_str!("../../../web/hosted.js");
/// The browser SDK.
const SDK: &str = include_str!("../../../web/sdk/link.js");

/// The pages, and the scripts that go with them.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/link/{token}", get(start::show).post(start::leave))
        .route("/link/{token}/status", get(status::tell))
        // A safe method changes nothing: HEAD leaves the session as it is.
        .route("/oauth/callback", get(outcome::come_back).head(|| async { redirect::careful() }))
        .route("/connect-account", get(start::show_theirs))
        .route_layer(middleware::from_fn(speculative::refuse))
        .route("/sdk/link.js", get(|| async { script(SDK, "*") }))
        .route("/sdk/hosted.js", get(|| async { script(HOSTED, "null") }))
}

/// A script; `*` lets any page import it.
fn script(
    text: &'static str,
    origins: &'static str,
) -> ([(axum::http::HeaderName, &'static str); 4], &'static str) {
    use axum::http::header;
    let headers = [
        (CONTENT_TYPE, "text/javascript; charset=utf-8"),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, origins),
    ];
    (headers, text)
}
