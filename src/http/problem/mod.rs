//! Problem details (RFC 9457): one stable type for each way a request can fail. Only this folder maps errors
//! to problems; causes go to the log, never to the caller.

mod connector;
mod database;
mod from;
mod kind;
mod openapi;
mod page;
mod quota;
mod token;

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

pub(super) use from::account_disconnected;
pub use kind::ProblemKind;
pub(super) use openapi::{ProblemResponses, Problems};
pub(super) use page::{list_problems, show_problem};
pub(super) use token::needs_reauth;

use crate::domain::quota::QuotaKind;

/// Describes a failed request; the request id is added when it is written.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<FieldError>,
    provider: Option<ProviderFailure>,
    retry_after: Option<Duration>,
    unknown_outcome: Option<UnknownOutcome>,
    /// The exceeded quota.
    quota: Option<QuotaKind>,
    /// Whether the request had no credentials.
    no_credentials: bool,
    /// The error chain, for the log only.
    cause: Option<String>,
}

/// A validation error of one value in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// JSON pointer into the body, or name of a query parameter or of a column of an upload.
    pub pointer: String,
    /// The violated rule.
    pub message: String,
    /// Row of a desired state: the number of its line in an upload, or of the person in the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
}

/// Error of the provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProviderFailure {
    /// Name of the provider.
    #[schema(example = "slack_enterprise")]
    pub name: String,
    /// Provider's method.
    #[schema(example = "admin.users.list")]
    pub method: String,
    /// Provider's own error code.
    pub error: Option<String>,
    /// Known fix for the error code.
    pub fix: Option<String>,
    /// Provider's id of the request.
    pub request_id: Option<String>,
    /// Required scope.
    pub needed_scope: Option<String>,
    /// Granted scopes.
    pub provided_scope: Option<String>,
}

/// Recorded facts about a request whose outcome is unknown.
#[derive(Debug, Clone)]
pub(super) struct UnknownOutcome {
    /// Id of that request.
    pub(super) request_id: String,
    /// Its audit entries, in order.
    pub(super) recorded_actions: Vec<RecordedAction>,
}

/// An action of the request that the audit log recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordedAction {
    /// The action, such as `account_token.created`.
    #[schema(example = "account_token.created")]
    pub action: String,
    /// Id of the affected resource.
    pub subject: Option<String>,
    /// Outcome: `done`, `failed`, or `started` when the outcome is unknown.
    #[schema(value_type = crate::domain::audit::AuditOutcome)]
    pub outcome: &'static str,
    /// Time of the entry.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// Problem details (`application/problem+json`, RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Type of the problem: a path on this server that explains it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Title of the type: the condition.
    pub title: &'a str,
    /// HTTP status.
    pub status: u16,
    /// This occurrence and the next action.
    pub detail: &'a str,
    /// Id of the request, for support and for the log.
    pub request_id: &'a str,
    /// Validation errors, if any.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    pub errors: &'a [FieldError],
    /// Error of the provider, if it was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'a ProviderFailure>,
    /// Seconds until the next attempt; the same as `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// Name of the exceeded quota.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<&'static str>,
    /// Id of the original request, whose outcome is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_request_id: Option<&'a str>,
    /// Audit entries of the original request, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_actions: Option<&'a [RecordedAction]>,
}

impl Problem {
    /// Returns a problem of the given type with the detail of this occurrence.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            provider: None,
            retry_after: None,
            unknown_outcome: None,
            quota: None,
            no_credentials: false,
            cause: None,
        }
    }

    /// Returns an internal error; its cause is not disclosed.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            ProblemKind::Internal,
            "An internal error occurred. The log has its cause under this request id.",
        )
    }

    /// Adds a validation error at a JSON pointer or query parameter.
    #[must_use]
    pub fn with_error(mut self, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        let (pointer, message) = (pointer.into(), message.into());
        self.errors.push(FieldError { pointer, message, row: None });
        self
    }

    /// Adds a validation error of a row, at a JSON pointer or column.
    #[must_use]
    pub(super) fn with_row_error(
        mut self,
        row: u64,
        pointer: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        let (pointer, message) = (pointer.into(), message.into());
        self.errors.push(FieldError { pointer, message, row: Some(row) });
        self
    }

    /// Prefixes the pointers of errors, for an object within the body.
    #[must_use]
    pub(super) fn within(mut self, pointer: &str) -> Self {
        for error in &mut self.errors {
            error.pointer.insert_str(0, pointer);
        }
        self
    }

    /// Sets `Retry-After`.
    #[must_use]
    pub(super) fn with_retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// Adds the recorded facts about a request whose outcome is unknown.
    #[must_use]
    pub(super) fn with_unknown_outcome(mut self, doubt: UnknownOutcome) -> Self {
        self.unknown_outcome = Some(doubt);
        self
    }

    /// Marks the request as one without credentials.
    #[must_use]
    pub(super) fn without_credentials(mut self) -> Self {
        self.no_credentials = true;
        self
    }

    /// Whether the request had no credentials.
    pub(super) fn has_no_credentials(&self) -> bool {
        self.no_credentials
    }

    /// Returns the provider's error, if it was called.
    pub(super) fn provider(&self) -> Option<&ProviderFailure> {
        self.provider.as_ref()
    }

    /// Returns the detail, then each validation error with its pointer.
    pub(super) fn messages(&self) -> impl Iterator<Item = String> {
        let errors =
            self.errors.iter().map(|error| format!("{}: {}", error.pointer, error.message));
        std::iter::once(self.detail.clone()).chain(errors)
    }

    /// Returns the name of the exceeded quota.
    pub(super) fn quota(&self) -> Option<&'static str> {
        self.quota.map(QuotaKind::name)
    }

    /// Returns the type.
    pub(super) fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// Returns the detail of this occurrence.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Records the error chain of `cause` for the log.
    fn with_source(mut self, cause: &dyn Error) -> Self {
        let mut text = cause.to_string();
        let mut next = cause.source();
        while let Some(source) = next {
            // Writing into a `String` can't fail.
            let _ = write!(text, ": {source}");
            next = source.source();
        }
        self.cause = Some(text);
        self
    }

    /// Logs the failure: 5xx at `error`; at `debug` 4xx, and 501, which is the caller's error too.
    pub(super) fn log(&self, request_id: &str) {
        let (kind, cause) = (self.kind.name(), self.cause.as_deref().unwrap_or("none"));
        let status = self.kind.status();
        if status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED {
            tracing::error!(request_id, kind, cause, "request failed");
        } else {
            tracing::debug!(request_id, kind, cause, "request rejected");
        }
    }

    /// Returns the problem as JSON, for use inside another response.
    pub(super) fn to_json(&self, request_id: &str) -> serde_json::Value {
        serde_json::to_value(self.body(request_id)).unwrap_or_default()
    }

    fn body<'a>(&'a self, request_id: &'a str) -> ProblemBody<'a> {
        let retry_after_s = self.retry_after.map(|pause| pause.as_secs_f64().ceil().max(1.0));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1")]
        let retry_after_s = retry_after_s.map(|seconds| seconds as u64);
        ProblemBody {
            kind: format!("/problems/{}", self.kind.name()),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            request_id,
            errors: &self.errors,
            provider: self.provider.as_ref(),
            retry_after_s,
            quota: self.quota(),
            first_request_id: self.unknown_outcome.as_ref().map(|doubt| doubt.request_id.as_str()),
            recorded_actions: self
                .unknown_outcome
                .as_ref()
                .map(|doubt| doubt.recorded_actions.as_slice()),
        }
    }

    /// Writes status, headers and body of the problem into `response`.
    pub(super) fn write(&self, response: &mut Response, request_id: &str) {
        let body = self.body(request_id);
        *response.status_mut() = self.kind.status();
        *response.body_mut() = Body::from(serde_json::to_vec(&body).unwrap_or_default());
        let headers = response.headers_mut();
        headers.remove(header::CONTENT_LENGTH);
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = body.retry_after_s {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        if self.kind == ProblemKind::Unauthorized {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
    }
}

/// A problem already written into a response, for the audit log.
#[derive(Debug, Clone)]
pub(super) struct WrittenProblem(pub(super) Problem);

/// The outermost middleware writes the body, because it knows the request id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
