//! Error responses of the audit logs API: HTTP status and error code.

use http::StatusCode;
use serde_json::{Map, Value};

use crate::sandbox::api::fault_injection::{ApiErrorFormat, PendingResponse};

/// Format of errors that do not depend on the request.
pub(super) const ERROR_FORMAT: ApiErrorFormat = ApiErrorFormat {
    rate_limited: || {
        AuditApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited").into_pending_response()
    },
    server_error: || {
        AuditApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error")
            .into_pending_response()
    },
    content_type: "application/json; charset=utf-8",
};

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AuditApiError {
    status: StatusCode,
    code: &'static str,
    scopes: Option<(&'static str, String)>,
}

impl AuditApiError {
    /// Returns an error with this status and code.
    pub(super) fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, scopes: None }
    }

    /// Returns a 400 error for an invalid parameter.
    pub(super) fn bad_request(code: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code)
    }

    /// Adds the required and the granted scopes.
    pub(super) fn with_scopes(mut self, needed: &'static str, provided: String) -> Self {
        self.scopes = Some((needed, provided));
        self
    }

    /// Builds the response.
    pub(super) fn into_pending_response(self) -> PendingResponse {
        let mut body = Map::new();
        body.insert("ok".to_owned(), Value::Bool(false));
        body.insert("error".to_owned(), Value::from(self.code));
        if let Some((needed, provided)) = self.scopes {
            body.insert("needed".to_owned(), Value::from(needed));
            body.insert("provided".to_owned(), Value::from(provided));
        }
        let bytes = Value::Object(body).to_string().into_bytes();
        PendingResponse::new(self.status, bytes, Some(self.code.to_owned()))
    }
}
