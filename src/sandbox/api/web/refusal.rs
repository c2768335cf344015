//! `"ok": false`: the error code, and what comes with it.

use std::borrow::Cow;

use http::StatusCode;
use serde_json::{Map, Value, json};

use super::super::exchange::Outcome;
use crate::sandbox::grants::{OAuthError, TokenError};
use crate::sandbox::org::Rule;

/// A call that was understood and refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Slack's code.
    pub(super) error: Cow<'static, str>,
    /// Lines for the developer.
    pub(super) messages: Vec<String>,
    /// Further fields of the answer.
    fields: Map<String, Value>,
}

impl Refusal {
    /// A refusal with a code.
    pub(super) fn new(error: &'static str) -> Self {
        Self { error: Cow::Borrowed(error), messages: Vec::new(), fields: Map::new() }
    }

    /// A refusal with a code made up by the caller.
    pub(super) fn spoken(error: String) -> Self {
        Self { error: Cow::Owned(error), messages: Vec::new(), fields: Map::new() }
    }

    /// Arguments that are wrong or missing.
    pub(super) fn arguments(messages: Vec<String>) -> Self {
        Self { messages, ..Self::new("invalid_arguments") }
    }

    /// A scope that the token lacks.
    pub(super) fn missing_scope(needed: &str, provided: &[String]) -> Self {
        Self::new("missing_scope")
            .with("needed", needed.into())
            .with("provided", provided.join(",").into())
    }

    /// The code that a method has for a rule, or its code for all the others.
    pub(super) fn of(rule: Rule, codes: &[(Rule, &'static str)], other: &'static str) -> Self {
        let own = codes.iter().find(|(known, _)| *known == rule);
        Self::new(own.map_or(other, |(_, code)| code))
    }

    /// Adds a field.
    pub(super) fn with(mut self, name: &str, value: Value) -> Self {
        self.fields.insert(name.to_owned(), value);
        self
    }

    /// The answer, with HTTP 200 as ever.
    pub(super) fn outcome(self) -> Outcome {
        let mut body = Map::new();
        body.insert("ok".to_owned(), Value::Bool(false));
        body.insert("error".to_owned(), Value::String(self.error.to_string()));
        body.extend(self.fields);
        if !self.messages.is_empty() {
            body.insert("response_metadata".to_owned(), json!({"messages": self.messages}));
        }
        let bytes = Value::Object(body).to_string().into_bytes();
        Outcome::new(StatusCode::OK, bytes, Some(self.error.into_owned()))
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        Self::spoken(error.to_string())
    }
}

impl From<OAuthError> for Refusal {
    fn from(error: OAuthError) -> Self {
        Self::spoken(error.to_string())
    }
}
