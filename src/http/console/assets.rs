//! The style sheet and the script of the console and of the hosted directory view.

use std::sync::LazyLock;

use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use bytes::Bytes;

use crate::http::served_text::ServedText;

const CACHED: HeaderValue = HeaderValue::from_static("public, max-age=300");

static STYLE: LazyLock<ServedText> =
    LazyLock::new(|| served(include_bytes!("../../../web/console.css")));
static SCRIPT: LazyLock<ServedText> =
    LazyLock::new(|| served(include_bytes!("../../../web/console.js")));

fn served(text: &'static [u8]) -> ServedText {
    ServedText::keeping(&Bytes::from_static(text))
}

/// Serves the style sheet.
pub(super) async fn style(headers: HeaderMap) -> Response {
    STYLE.respond(&headers, "text/css; charset=utf-8", CACHED)
}

/// Serves the script.
pub(super) async fn script(headers: HeaderMap) -> Response {
    SCRIPT.respond(&headers, "text/javascript; charset=utf-8", CACHED)
}
