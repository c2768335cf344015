//! The style sheet and the script of the console and of the hosted directory view.

use axum::http::{HeaderName, header};
use axum::response::IntoResponse;

const STYLE: &str = include_str!("../../../web/console.css");
const SCRIPT: &str = include_str!("../../../web/console.js");

/// Serves the style sheet.
pub(super) async fn style() -> impl IntoResponse {
    (headers("text/css; charset=utf-8"), STYLE)
}

/// Serves the script.
pub(super) async fn script() -> impl IntoResponse {
    (headers("text/javascript; charset=utf-8"), SCRIPT)
}

fn headers(media_type: &'static str) -> [(HeaderName, &'static str); 2] {
    [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, "public, max-age=300")]
}
