//! Errors of provider calls, classified by what the caller can do.

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::provider::Provider;
use crate::upstream::UpstreamError;
use crate::vault::TokenError;

/// The kind of a provider error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The object does not exist.
    NotFound,
    /// The provider rejected an argument.
    InvalidArgument,
    /// An argument of `remote_query` is set by the gateway, or there is no provider call that takes it; `code` names
    /// it.
    ReservedArgument,
    /// A change of a role that is rejected before anything is sent; `fix` says why.
    NotAssignable,
    /// An operation that the provider lacks, or lacks for this account. It is rejected before anything is sent; `fix`
    /// names the alternative.
    Unsupported,
    /// A step that was skipped because an earlier one did not provide its object; `fix` says why.
    Skipped,
    /// The page token has expired: start the list again.
    InvalidCursor,
    /// The grant lacks a scope.
    MissingScope,
    /// The user who granted access lacks the permission, or the provider's plan lacks the feature.
    Forbidden,
    /// The change conflicts with the present state.
    Conflict,
    /// No permit of the rate limiter within the wait limit.
    RateLimited,
    /// The memory budget for response bodies is exhausted.
    Overloaded,
    /// Too many calls of the environment are waiting.
    TooManyWaiting,
    /// The grant is invalid: link again.
    NeedsReauth,
    /// The provider failed, or its response is invalid.
    ProviderError,
    /// The provider did not respond in time.
    Timeout,
    /// The caller stopped sending the request body.
    CallerStalled,
    /// The gateway failed: the database, a key, a shutdown.
    Internal,
}

/// When to retry a call for which there was no memory or no room in the queue.
const OVERLOAD_RETRY_AFTER: Duration = Duration::from_secs(1);

/// A failed call to a provider.
#[derive(Debug, thiserror::Error)]
#[error("{provider} {method}: {}", .code.as_deref().unwrap_or("no usable response"))]
pub struct ConnectorError {
    /// The provider.
    pub provider: Provider,
    /// The provider's method.
    pub method: Cow<'static, str>,
    /// The kind of a provider error.
    pub kind: ErrorKind,
    /// The provider's error code.
    pub code: Option<String>,
    /// The defect of an invalid response.
    pub defect: Option<String>,
    /// The fix, when it is known.
    pub fix: Option<&'static str>,
    /// The field of the request that caused the error: a JSON pointer.
    pub field: Option<&'static str>,
    /// The required scope.
    pub needed_scope: Option<String>,
    /// The granted scopes.
    pub provided_scope: Option<String>,
    /// The provider's request id.
    pub request_id: Option<String>,
    /// When to retry.
    pub retry_after: Option<Duration>,
    /// The result of the read-back, when the response left open whether a change was applied.
    pub read_back: Option<ReadBack>,
    #[source]
    pub(super) source: Option<UpstreamError>,
}

/// What is known about a change whose response was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// It was not sent.
    NotSent,
    /// It was not applied when it was read back; a slow provider may still apply it.
    NotApplied,
    /// It could not be read back.
    Unreadable,
    /// The provider does not return enough to decide whether it was applied.
    Inconclusive,
}

impl ConnectorError {
    /// Returns an error with a kind and no details.
    pub fn new(provider: Provider, method: impl Into<Cow<'static, str>>, kind: ErrorKind) -> Self {
        Self {
            provider,
            method: method.into(),
            kind,
            code: None,
            defect: None,
            fix: None,
            field: None,
            needed_scope: None,
            provided_scope: None,
            request_id: None,
            retry_after: None,
            read_back: None,
            source: None,
        }
    }

    /// Sets the provider's error code.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// Sets the defect of the provider's response.
    #[must_use]
    pub fn with_defect(self, odd: impl Into<String>) -> Self {
        Self { defect: Some(odd.into()), ..self }
    }

    /// Sets the fix.
    #[must_use]
    pub fn with_fix(self, fix: &'static str) -> Self {
        Self { fix: Some(fix), ..self }
    }

    /// Sets the field of the request that caused the error: a JSON pointer.
    #[must_use]
    pub fn with_field(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    /// Sets the result of the read-back.
    #[must_use]
    pub fn with_read_back(self, seen: ReadBack) -> Self {
        Self { read_back: Some(seen), ..self }
    }

    /// Whether a change that failed with this error may have been applied, so that it must be read back.
    #[must_use]
    pub fn needs_read_back(&self) -> bool {
        let is_unsent = match &self.source {
            Some(
                UpstreamError::RateLimited { .. }
                | UpstreamError::TooManyWaiting
                | UpstreamError::CircuitOpen { .. }
                | UpstreamError::Connect(_)
                | UpstreamError::NotAllowed
                | UpstreamError::Token(_),
            ) => true,
            Some(
                UpstreamError::Timeout
                | UpstreamError::CallerStalled
                | UpstreamError::Interrupted(_)
                | UpstreamError::OverBudget(_)
                | UpstreamError::TooLarge,
            )
            | None => self.read_back == Some(ReadBack::NotSent),
        };
        matches!(self.kind, ErrorKind::Timeout | ErrorKind::ProviderError | ErrorKind::Overloaded)
            && !is_unsent
    }

    /// Whether it remains unknown if a change that failed with this error was applied.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self.read_back, Some(ReadBack::Unreadable | ReadBack::Inconclusive))
    }

    /// Whether the response was larger than the gateway reads.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        matches!(self.source, Some(UpstreamError::TooLarge))
    }

    /// Whether the provider rejected a change because of the present state, which may be the requested one.
    #[must_use]
    pub fn is_state_conflict(&self) -> bool {
        matches!(self.kind, ErrorKind::Conflict | ErrorKind::NotFound)
    }

    /// Copies the error for another step of the same call, without its source.
    #[must_use]
    pub fn without_source(&self) -> Self {
        Self {
            provider: self.provider,
            method: self.method.clone(),
            kind: self.kind,
            code: self.code.clone(),
            defect: self.defect.clone(),
            fix: self.fix,
            field: self.field,
            needed_scope: self.needed_scope.clone(),
            provided_scope: self.provided_scope.clone(),
            request_id: self.request_id.clone(),
            retry_after: self.retry_after,
            read_back: self.read_back,
            source: None,
        }
    }

    /// Returns the error of a call without a response.
    pub fn from_upstream(
        provider: Provider,
        method: impl Into<Cow<'static, str>>,
        source: UpstreamError,
    ) -> Self {
        let (kind, retry_after, code) = match &source {
            UpstreamError::RateLimited { retry_after } => {
                (ErrorKind::RateLimited, Some(*retry_after), None)
            }
            UpstreamError::TooManyWaiting => {
                (ErrorKind::TooManyWaiting, Some(OVERLOAD_RETRY_AFTER), None)
            }
            UpstreamError::CircuitOpen { retry_after } => {
                (ErrorKind::ProviderError, Some(*retry_after), None)
            }
            UpstreamError::Token(TokenError::NeedsReauth { reason }) => {
                (ErrorKind::NeedsReauth, None, Some(reason.clone()))
            }
            UpstreamError::Token(TokenError::Pending { retry_after }) => (
                ErrorKind::RateLimited,
                Some(*retry_after),
                Some("token_refresh_pending".to_owned()),
            ),
            UpstreamError::Token(TokenError::Refresh { failure, retry_after }) => {
                (ErrorKind::ProviderError, Some(*retry_after), Some(failure.code().to_owned()))
            }
            UpstreamError::Connect(_) | UpstreamError::Interrupted(_) | UpstreamError::TooLarge => {
                (ErrorKind::ProviderError, None, None)
            }
            UpstreamError::NotAllowed => {
                (ErrorKind::ProviderError, None, Some("address_not_allowed".to_owned()))
            }
            UpstreamError::Token(
                TokenError::NoRefreshToken
                | TokenError::Store(_)
                | TokenError::Cipher(_)
                | TokenError::Interrupted,
            ) => (ErrorKind::Internal, None, None),
            UpstreamError::Timeout => (ErrorKind::Timeout, None, None),
            UpstreamError::OverBudget(_) => {
                (ErrorKind::Overloaded, Some(OVERLOAD_RETRY_AFTER), None)
            }
            UpstreamError::CallerStalled => (ErrorKind::CallerStalled, None, None),
        };
        let odd = match &source {
            UpstreamError::Interrupted(_) => Some("it ended before it was complete".to_owned()),
            UpstreamError::TooLarge => {
                Some("it is larger than `upstream.max_named_response_bytes` permits".to_owned())
            }
            UpstreamError::RateLimited { .. }
            | UpstreamError::TooManyWaiting
            | UpstreamError::CircuitOpen { .. }
            | UpstreamError::Token(_)
            | UpstreamError::Connect(_)
            | UpstreamError::NotAllowed
            | UpstreamError::Timeout
            | UpstreamError::OverBudget(_)
            | UpstreamError::CallerStalled => None,
        };
        let error = Self::new(provider, method, kind);
        Self { retry_after, code, defect: odd, source: Some(source), ..error }
    }

    /// Returns the token error, if the call failed for want of a token.
    #[must_use]
    pub fn token_error(&self) -> Option<&TokenError> {
        match &self.source {
            Some(UpstreamError::Token(error)) => Some(error),
            Some(
                UpstreamError::RateLimited { .. }
                | UpstreamError::TooManyWaiting
                | UpstreamError::CircuitOpen { .. }
                | UpstreamError::Connect(_)
                | UpstreamError::Timeout
                | UpstreamError::CallerStalled
                | UpstreamError::Interrupted(_)
                | UpstreamError::NotAllowed
                | UpstreamError::OverBudget(_)
                | UpstreamError::TooLarge,
            )
            | None => None,
        }
    }
}
