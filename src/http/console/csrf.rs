//! Protects forms against requests that other sites make browsers send: the origin, and a token that is bound to the
//! session.

use std::fmt::Write as _;

use axum::http::{HeaderMap, header};
use subtle::ConstantTimeEq as _;
use url::Url;

use crate::domain::sealed::Digest;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::Services;

/// Returns the CSRF token of a session: only who has the session's secret can compute it.
pub(in crate::http) fn csrf_token(secret: &str) -> String {
    let digest = Digest::of(&format!("csrf token of the session {secret}"));
    digest.0.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing into a text can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Fails unless the form has the CSRF token of its session.
pub(in crate::http) fn check_csrf(expected: &str, sent: Option<&str>) -> Result<(), Problem> {
    let sent = sent.unwrap_or_default();
    if bool::from(sent.as_bytes().ct_eq(expected.as_bytes())) {
        return Ok(());
    }
    let detail =
        "The form does not belong to this session. Go back, reload the page, and send it again.";
    Err(Problem::new(ProblemKind::CrossSiteRequest, detail))
}

/// Fails unless a page of this server sent the request. Browsers send `Origin` with every form.
pub(in crate::http) fn check_origin(
    services: &Services,
    headers: &HeaderMap,
) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| Url::parse(origin).ok());
    let is_own = origin.is_some_and(|origin| {
        let own = services.links.public_url.origin();
        let authority = origin.port().map_or_else(
            || origin.host_str().unwrap_or_default().to_owned(),
            |port| format!("{}:{port}", origin.host_str().unwrap_or_default()),
        );
        origin.origin() == own || text(header::HOST) == Some(authority.as_str())
    });
    if is_own {
        return Ok(());
    }
    let detail = "The request was not sent by a page of this server.";
    Err(Problem::new(ProblemKind::CrossSiteRequest, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_one_session() {
        let token = csrf_token("one");
        assert!(check_csrf(&token, Some(&token)).is_ok());
        for other in [None, Some(""), Some("x"), Some(csrf_token("two").as_str())] {
            assert!(check_csrf(&token, other).is_err(), "{other:?}");
        }
    }
}
