//! Speculative loads: browsers and mail scanners fetch an address before a person follows it. Nothing of a link is
//! done for them, and the refusal makes a browser load the page anew when it is followed.

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::redirect::careful;

/// The headers that declare such a load: `Sec-Purpose` of the Fetch standard, and those of its predecessors.
const DECLARING: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
/// How the declarations begin.
const WORDS: [&str; 3] = ["prefetch", "prerender", "preview"];

/// Answers such a load without its route.
pub(super) async fn refuse(request: Request, next: Next) -> Response {
    if is_speculative(request.headers()) {
        return (StatusCode::SERVICE_UNAVAILABLE, careful()).into_response();
    }
    next.run(request).await
}

fn is_speculative(headers: &HeaderMap) -> bool {
    let declared = DECLARING.iter().flat_map(|name| headers.get_all(*name));
    let declared = declared.filter_map(|value| value.to_str().ok()).map(str::to_ascii_lowercase);
    declared.into_iter().any(|value| {
        value.split([',', ';']).any(|word| WORDS.iter().any(|known| word.trim().starts_with(known)))
    })
}
