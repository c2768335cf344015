//! Rejects speculative loads by browsers and mail scanners; a browser then loads the page again when the link is
//! followed.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::redirect::no_store_headers;

/// The headers that declare a speculative load: `Sec-Purpose` of the Fetch standard, and its predecessors.
const PURPOSE_HEADERS: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
/// The prefixes of their values.
const SPECULATIVE_PURPOSES: [&str; 3] = ["prefetch", "prerender", "preview"];

/// Returns 503 for a speculative load.
pub(super) async fn reject_speculative(request: Request, next: Next) -> Response {
    if is_speculative(request.headers()) {
        return (StatusCode::SERVICE_UNAVAILABLE, no_store_headers()).into_response();
    }
    next.run(request).await
}

fn is_speculative(headers: &HeaderMap) -> bool {
    let declared = PURPOSE_HEADERS.iter().flat_map(|name| headers.get_all(*name));
    let declared = declared.filter_map(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
    declared.into_iter().any(|value| {
        value
            .split([',', ';'])
            .any(|word| SPECULATIVE_PURPOSES.iter().any(|known| word.trim().starts_with(known)))
    })
}
