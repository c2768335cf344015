//! Redirects to the application that a customer came from.

use axum::http::{HeaderValue, header};
use url::Url;

/// Returns the `redirect_uri` with the result `closed`: nothing was connected.
pub(super) fn cancel_url(redirect_uri: &str) -> Option<Url> {
    with_result(redirect_uri, &[("result", "closed")])
}

/// Returns the `redirect_uri` with the result in its query.
pub(super) fn with_result(redirect_uri: &str, result: &[(&str, &str)]) -> Option<Url> {
    let mut back = Url::parse(redirect_uri).ok()?;
    back.query_pairs_mut().extend_pairs(result);
    Some(back)
}

/// Returns the headers of a response whose URL must be neither stored nor sent as referrer.
pub(super) fn no_store_headers() -> [(header::HeaderName, HeaderValue); 2] {
    [
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}
