//! The way back to the web page that a customer came from.

use axum::http::{HeaderValue, header};
use url::Url;

/// The address of the web page that the customer came from, told that nothing was connected.
pub(super) fn closed(redirect_uri: &str) -> Option<Url> {
    with_result(redirect_uri, &[("result", "closed")])
}

/// An address with the outcome in its query.
pub(super) fn with_result(redirect_uri: &str, told: &[(&str, &str)]) -> Option<Url> {
    let mut back = Url::parse(redirect_uri).ok()?;
    back.query_pairs_mut().extend_pairs(told);
    Some(back)
}

/// Headers of an answer whose address must not be kept or told.
pub(super) fn careful() -> [(header::HeaderName, HeaderValue); 2] {
    [
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ]
}
