//! Error responses of the Web API: `"ok": false`, an error code and further fields.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::fault_injection::PendingResponse;
use crate::sandbox::grants::{OAuthErrorCode, TokenRejection};
use crate::sandbox::org::EditError;

/// An error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebApiError {
    /// Slack's error code.
    pub(super) error: Cow<'static, str>,
    /// Messages for the developer.
    pub(super) messages: Vec<String>,
    /// Further fields of the response.
    fields: Map<String, Value>,
}

impl WebApiError {
    /// Returns an error with this code.
    pub(super) fn new(error: &'static str) -> Self {
        Self { error: Cow::Borrowed(error), messages: Vec::new(), fields: Map::new() }
    }

    /// Returns an error with a code that the caller sent (`api.test`).
    pub(super) fn from_code(error: String) -> Self {
        Self { error: Cow::Owned(error), messages: Vec::new(), fields: Map::new() }
    }

    /// Returns `invalid_arguments` with its messages.
    pub(super) fn invalid_arguments(messages: Vec<String>) -> Self {
        Self { messages, ..Self::new("invalid_arguments") }
    }

    /// Returns `missing_scope` with the required and the granted scopes.
    pub(super) fn missing_scope(needed: &str, provided: &[String]) -> Self {
        Self::new("missing_scope")
            .with("needed", needed.into())
            .with("provided", provided.join(",").into())
    }

    /// Returns the method's error code for an [`EditError`], or `other` if `codes` has none.
    pub(super) fn from_edit_error(
        rule: EditError,
        codes: &[(EditError, &'static str)],
        other: &'static str,
    ) -> Self {
        let own = codes.iter().find(|(known, _)| *known == rule);
        Self::new(own.map_or(other, |(_, code)| code))
    }

    /// Adds a field.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// Builds the response, with HTTP 200.
    pub(super) fn into_pending_response(self) -> PendingResponse {
        let mut body = Map::new();
        body.insert("ok".to_owned(), Value::Bool(false));
        body.insert("error".to_owned(), Value::String(self.error.to_string()));
        body.extend(self.fields);
        if !self.messages.is_empty() {
            body.insert("response_metadata".to_owned(), json!({"messages": self.messages}));
        }
        let bytes = Value::Object(body).to_string().into_bytes();
        PendingResponse::new(StatusCode::OK, bytes, Some(self.error.into_owned()))
    }
}

impl From<TokenRejection> for WebApiError {
    fn from(error: TokenRejection) -> Self {
        Self::from_code(error.to_string())
    }
}

impl From<OAuthErrorCode> for WebApiError {
    fn from(error: OAuthErrorCode) -> Self {
        Self::from_code(error.to_string())
    }
}
