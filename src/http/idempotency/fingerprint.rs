//! Computes the fingerprint that identifies repetitions of a request.

use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use sha2::{Digest as _, Sha256};
use url::form_urlencoded;

use crate::domain::sealed::Digest;
use crate::http::extract::ACCOUNT_HEADER;

/// Returns the digest of method, path, query, account, content type and body. The order of parameters with different
/// names is ignored.
pub(super) fn of(parts: &Parts, body: &[u8]) -> Digest {
    let mut hash = Sha256::new();
    let mut add = |part: &[u8]| {
        // The length separates the parts: otherwise bytes could move between them.
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    };
    add(parts.method.as_str().as_bytes());
    add(parts.uri.path().as_bytes());
    let query = parts.uri.query().unwrap_or_default();
    let mut query: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    query.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut written = form_urlencoded::Serializer::new(String::new());
    add(written.extend_pairs(query).finish().as_bytes());
    for name in [ACCOUNT_HEADER, header::CONTENT_TYPE] {
        add(parts.headers.get(name).map(HeaderValue::as_bytes).unwrap_or_default());
    }
    add(body);
    Digest(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, Request};

    use super::*;

    fn digest(method: &str, uri: &str, header: (HeaderName, &str), body: &str) -> Digest {
        let request = Request::builder().method(method).uri(uri).header(header.0, header.1);
        of(&request.body(()).unwrap().into_parts().0, body.as_bytes())
    }

    #[test]
    fn depends_on_every_part_but_not_on_parameter_order() {
        let json = || (header::CONTENT_TYPE, "application/json");
        let first = digest("POST", "/users?a=1&b=2&b=3", json(), "{}");
        assert_eq!(first, digest("POST", "/users?b=2&a=1&b=%33", json(), "{}"));
        for other in [
            digest("PATCH", "/users?a=1&b=2&b=3", json(), "{}"),
            digest("POST", "/user?a=1&b=2&b=3", json(), "{}"),
            digest("POST", "/users?a=1&b=3&b=2", json(), "{}"),
            digest("POST", "/users?a=1&b=2&b=3", (header::CONTENT_TYPE, "text/plain"), "{}"),
            digest("POST", "/users?a=1&b=2&b=3", (ACCOUNT_HEADER, "application/json"), "{}"),
            digest("POST", "/users?a=1&b=2&b=3", json(), "{ }"),
        ] {
            assert_ne!(first, other);
        }
    }
}
