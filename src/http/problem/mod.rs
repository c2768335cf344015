//! Problems: RFC 9457, one stable type for each way a request can fail. This folder alone knows which
//! failure is which problem; the inside of a failure goes to the log, never to the caller.

mod database;
mod from;
mod kind;
mod page;
mod quota;
mod token;

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

pub(super) use from::account_disconnected;
pub use kind::ProblemKind;
pub(super) use page::{list_problems, show_problem};
pub(super) use token::needs_reauth;

use crate::domain::quota::Quota;

/// A failed request, before it has an id.
#[derive(Debug, Clone)]
pub struct Problem {
    kind: ProblemKind,
    detail: String,
    errors: Vec<FieldError>,
    provider: Option<ProviderFailure>,
    retry_after: Option<Duration>,
    in_doubt: Option<InDoubt>,
    /// The quota that is used up.
    quota: Option<Quota>,
    /// Whether the request had no credentials at all.
    no_credentials: bool,
    /// For the log only: the whole chain of causes.
    cause: Option<String>,
}

/// One mistake in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    /// Where it is: a JSON pointer into the body, or the name of a query parameter.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
}

/// What the provider said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ProviderFailure {
    /// The provider.
    pub name: String,
    /// Its method.
    pub method: String,
    /// Its own error code.
    pub error: Option<String>,
    /// How to fix it, when that is known.
    pub fix: Option<String>,
    /// Its id of the request.
    pub request_id: Option<String>,
    /// The scope that was needed.
    pub needed_scope: Option<String>,
    /// The scopes that were there.
    pub provided_scope: Option<String>,
}

/// What is known about a request whose end nobody saw.
#[derive(Debug, Clone)]
pub(super) struct InDoubt {
    /// The id of that request.
    pub(super) request_id: String,
    /// What the audit log tells about it.
    pub(super) known: Vec<KnownDeed>,
}

/// A deed that the audit log tells about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct KnownDeed {
    /// What was done, such as `account_token.created`.
    pub action: String,
    /// To what, by id.
    pub subject: Option<String>,
    /// How it ended: `done`, `failed`, or `started` when it was about to be sent.
    pub outcome: &'static str,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// A problem as it is sent: `application/problem+json`, RFC 9457.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// What kind of problem it is: a path of this server that explains it.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in a few words.
    pub title: &'a str,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time, and what to do.
    pub detail: &'a str,
    /// The request's id: quote it when you ask for help.
    pub request_id: &'a str,
    /// The single mistakes, where there are some.
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    pub errors: &'a [FieldError],
    /// What the provider said, where it was asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<&'a ProviderFailure>,
    /// When to come back, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_s: Option<u64>,
    /// The quota that is used up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<&'static str>,
    /// The request whose end nobody saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_request_id: Option<&'a str>,
    /// What the audit log tells about that request, in order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known: Option<&'a [KnownDeed]>,
}

impl Problem {
    /// A problem of a kind, with what happened this time.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
            provider: None,
            retry_after: None,
            in_doubt: None,
            quota: None,
            no_credentials: false,
            cause: None,
        }
    }

    /// Our own failure, without words about its inside.
    #[must_use]
    pub fn internal() -> Self {
        Self::new(
            ProblemKind::Internal,
            "Something failed on our side. The log has it under this request's id.",
        )
    }

    /// The same with one mistake named.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, message: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), message: message.into() });
        self
    }

    /// The same with a time to come back after.
    #[must_use]
    pub(super) fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after = Some(pause);
        self
    }

    /// The same with what is known about a request whose end nobody saw.
    #[must_use]
    pub(super) fn in_doubt(mut self, doubt: InDoubt) -> Self {
        self.in_doubt = Some(doubt);
        self
    }

    /// The same of a request that had no credentials at all.
    #[must_use]
    pub(super) fn without_credentials(mut self) -> Self {
        self.no_credentials = true;
        self
    }

    /// Whether the request had no credentials at all.
    pub(super) fn has_no_credentials(&self) -> bool {
        self.no_credentials
    }

    /// What the provider said, where it was asked.
    pub(super) fn provider(&self) -> Option<&ProviderFailure> {
        self.provider.as_ref()
    }

    /// What happened and what to do, then each error with its place.
    pub(super) fn sentences(&self) -> impl Iterator<Item = String> {
        let errors =
            self.errors.iter().map(|error| format!("{}: {}", error.pointer, error.message));
        std::iter::once(self.detail.clone()).chain(errors)
    }

    /// The quota that is used up.
    pub(super) fn quota(&self) -> Option<&'static str> {
        self.quota.map(Quota::name)
    }

    /// What kind of problem it is.
    pub(super) fn kind(&self) -> ProblemKind {
        self.kind
    }

    /// What happened this time.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    fn because(mut self, cause: &dyn Error) -> Self {
        let mut text = cause.to_string();
        let mut next = cause.source();
        while let Some(source) = next {
            // Writing into a text can't fail.
            let _ = write!(text, ": {source}");
            next = source.source();
        }
        self.cause = Some(text);
        self
    }

    /// Writes the failure down, once: loud when it is ours.
    pub(super) fn log(&self, request_id: &str) {
        let (kind, cause) = (self.kind.name(), self.cause.as_deref().unwrap_or("none"));
        if self.kind.status().is_server_error() {
            tracing::error!(request_id, kind, cause, "request failed");
        } else {
            tracing::debug!(request_id, kind, cause, "request refused");
        }
    }

    /// The problem inside of another answer.
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
            first_request_id: self.in_doubt.as_ref().map(|doubt| doubt.request_id.as_str()),
            known: self.in_doubt.as_ref().map(|doubt| doubt.known.as_slice()),
        }
    }

    /// Makes `response` the answer that tells of this problem.
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

/// A problem that was written into a response already, for what is noted about the request.
#[derive(Debug, Clone)]
pub(super) struct Written(pub(super) Problem);

/// The edge writes the body, because it knows the request's id.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        response.extensions_mut().insert(self);
        response
    }
}
