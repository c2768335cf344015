//! The hosted link pages: provider selection, consent, callback or form, and the status endpoint for the web page that
//! opened them.

mod authorize;
mod callback;
mod consent;
mod cookie;
mod error_page;
mod form;
mod form_fields;
mod layout;
mod messages;
mod params;
mod prefetch;
mod preview;
mod provider_picker;
mod redirect;
mod status;

use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use axum::{Router, middleware};

pub(super) use self::layout::frame_ancestors;
pub(super) use self::preview::page as preview;
use super::state::AppState;

/// The script of the hosted pages. It reports what the server has rendered.
const HOSTED_SCRIPT: &str = include_str!("../../../web/hosted.js");
/// The browser SDK.
const SDK_SCRIPT: &str = include_str!("../../../web/sdk/link.js");

/// Returns the routes of the pages and their scripts.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/link/{token}", get(authorize::link_page).post(authorize::authorize))
        .route("/link/{token}/status", get(status::get_status))
        // HEAD is a safe method: it does not consume the session.
        .route(
            "/oauth/callback",
            get(callback::callback).head(|| async { redirect::no_store_headers() }),
        )
        .route("/connect-account", get(authorize::truto_link_page))
        .route_layer(middleware::from_fn(prefetch::reject_speculative))
        .route("/sdk/link.js", get(|| async { script(SDK_SCRIPT, "*") }))
        .route("/sdk/hosted.js", get(|| async { script(HOSTED_SCRIPT, "null") }))
}

/// Returns a script; with `*`, any page may import it.
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
