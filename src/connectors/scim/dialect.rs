//! How a SCIM server's answers are to be read while sending: by their status (RFC 7644 §3.12).

use http::{HeaderMap, StatusCode, header};
use url::Url;

use crate::connectors::context::header_text;
use crate::upstream::{Dialect, Verdict};

/// Reads a SCIM server's answers.
#[derive(Debug, Clone, Copy)]
pub(super) struct ScimDialect;

impl Dialect for ScimDialect {
    fn verdict(&self, status: StatusCode, headers: &HeaderMap, _: Option<&[u8]>) -> Verdict {
        let is_page = header_text(headers, header::CONTENT_TYPE.as_str())
            .is_some_and(|kind| kind.starts_with("text/html"));
        match status {
            StatusCode::TOO_MANY_REQUESTS => Verdict::TooFast,
            StatusCode::UNAUTHORIZED => Verdict::DeadToken,
            // It will not do it the next time either.
            StatusCode::NOT_IMPLEMENTED => Verdict::Final,
            status if status.is_server_error() => Verdict::Trouble,
            _ if is_page => Verdict::Trouble,
            _ => Verdict::Final,
        }
    }

    fn trial_url(&self) -> Option<&Url> {
        None
    }
}
