//! How the audit logs API refuses: a status that says what kind of trouble it is, and a code.

use http::StatusCode;
use serde_json::{Map, Value};

use crate::sandbox::api::exchange::{Outcome, Voice};

/// How this API tells of trouble that has nothing to do with the question.
pub(super) const VOICE: Voice = Voice {
    rate_limited: || Trouble::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited").outcome(),
    server_error: || Trouble::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error").outcome(),
    content_type: "application/json; charset=utf-8",
};

/// A question that is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trouble {
    status: StatusCode,
    code: &'static str,
    scopes: Option<(&'static str, String)>,
}

impl Trouble {
    /// A refusal with a code.
    pub(super) fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, scopes: None }
    }

    /// A parameter that makes no sense.
    pub(super) fn bad(code: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code)
    }

    /// Names the scope that is missing, and those that are there.
    pub(super) fn scopes(mut self, needed: &'static str, provided: String) -> Self {
        self.scopes = Some((needed, provided));
        self
    }

    /// The answer.
    pub(super) fn outcome(self) -> Outcome {
        let mut body = Map::new();
        body.insert("ok".to_owned(), Value::Bool(false));
        body.insert("error".to_owned(), Value::from(self.code));
        if let Some((needed, provided)) = self.scopes {
            body.insert("needed".to_owned(), Value::from(needed));
            body.insert("provided".to_owned(), Value::from(provided));
        }
        let bytes = Value::Object(body).to_string().into_bytes();
        Outcome::new(self.status, bytes, Some(self.code.to_owned()))
    }
}
