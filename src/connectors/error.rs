//! What went wrong at a provider, sorted by what the caller can do about it.

use std::borrow::Cow;
use std::time::Duration;

use crate::domain::provider::Provider;
use crate::upstream::UpstreamError;
use crate::vault::TokenError;

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The thing is not there.
    NotFound,
    /// The provider does not like an argument.
    InvalidArgument,
    /// An argument for the provider's own call is one that we set ourselves, or there is no such call; the
    /// code names it.
    Reserved,
    /// A change of a role that is refused here, before anything is sent; `fix` says why.
    Refused,
    /// A step that was not tried, because an earlier one left nothing to do it with; `fix` says why.
    Skipped,
    /// The page's position is no longer good: begin again.
    InvalidCursor,
    /// The grant lacks a scope.
    MissingScope,
    /// The person who installed may not do this, or the plan does not have it.
    Forbidden,
    /// It can't be done in the present state of things.
    Conflict,
    /// The turn would come too late.
    RateLimited,
    /// Too much is held in memory to read the response.
    Overloaded,
    /// Too many calls of the environment wait.
    TooManyWaiting,
    /// The grant is lost: link again.
    NeedsReauth,
    /// The provider failed, or answered what nobody can read.
    Trouble,
    /// The provider did not answer in time.
    Timeout,
    /// The caller stopped sending the body that passes through.
    CallerStalled,
    /// We failed: the database, a key, a stop.
    Internal,
}

/// How long callers wait before they send again what there was no memory or no place for.
const PAUSE: Duration = Duration::from_secs(1);

/// A failed call to a provider.
#[derive(Debug, thiserror::Error)]
#[error("{provider} {method}: {}", .code.as_deref().unwrap_or("no usable answer"))]
pub struct ConnectorError {
    /// The provider.
    pub provider: Provider,
    /// Its method.
    pub method: Cow<'static, str>,
    /// What kind of failure it is.
    pub kind: Kind,
    /// The provider's own code.
    pub code: Option<String>,
    /// What is odd about the provider's response, when it can't be used.
    pub odd: Option<String>,
    /// How to fix it, when that is known.
    pub fix: Option<&'static str>,
    /// The field of the request that it is about: a JSON pointer.
    pub field: Option<&'static str>,
    /// The scope that was needed.
    pub needed_scope: Option<String>,
    /// The scopes that were there.
    pub provided_scope: Option<String>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
    /// When to come back.
    pub retry_after: Option<Duration>,
    /// What was seen afterwards, when the answer left open whether a change was done.
    pub read_back: Option<ReadBack>,
    #[source]
    pub(super) source: Option<UpstreamError>,
}

/// What is known of a change whose response was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadBack {
    /// It was not sent at all.
    NotSent,
    /// It was not done when it was read back; a provider that is slow may still do it.
    NotThere,
    /// It could not be read back.
    Unreadable,
    /// The provider does not show enough to decide whether it was done.
    Undecided,
}

impl ConnectorError {
    /// An error of which only the kind is known.
    pub fn new(provider: Provider, method: impl Into<Cow<'static, str>>, kind: Kind) -> Self {
        Self {
            provider,
            method: method.into(),
            kind,
            code: None,
            odd: None,
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

    /// The same with the provider's code.
    #[must_use]
    pub fn with_code(self, code: impl Into<String>) -> Self {
        Self { code: Some(code.into()), ..self }
    }

    /// The same with what is odd about the provider's response.
    #[must_use]
    pub fn with_odd(self, odd: impl Into<String>) -> Self {
        Self { odd: Some(odd.into()), ..self }
    }

    /// The same with how to fix it.
    #[must_use]
    pub fn with_fix(self, fix: &'static str) -> Self {
        Self { fix: Some(fix), ..self }
    }

    /// The same with the field of the request that it is about: a JSON pointer.
    #[must_use]
    pub fn about(self, field: &'static str) -> Self {
        Self { field: Some(field), ..self }
    }

    /// The same with what was seen afterwards.
    #[must_use]
    pub fn read_back(self, seen: ReadBack) -> Self {
        Self { read_back: Some(seen), ..self }
    }

    /// Whether the change that failed like this may have been done all the same.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        let is_unsent = match &self.source {
            Some(
                UpstreamError::Limited { .. }
                | UpstreamError::TooManyWaiting
                | UpstreamError::Resting { .. }
                | UpstreamError::Connect(_)
                | UpstreamError::NotAllowed
                | UpstreamError::Token(_),
            ) => true,
            Some(
                UpstreamError::Timeout
                | UpstreamError::CallerStalled
                | UpstreamError::Broken(_)
                | UpstreamError::OverBudget(_)
                | UpstreamError::TooLarge,
            )
            | None => self.read_back == Some(ReadBack::NotSent),
        };
        matches!(self.kind, Kind::Timeout | Kind::Trouble | Kind::Overloaded) && !is_unsent
    }

    /// Whether it stays unknown if the change that failed like this was done.
    #[must_use]
    pub fn is_outcome_unknown(&self) -> bool {
        matches!(self.read_back, Some(ReadBack::Unreadable | ReadBack::Undecided))
    }

    /// Whether the provider refused because of the present state, in which it may be so already.
    #[must_use]
    pub fn is_refused_by_state(&self) -> bool {
        matches!(self.kind, Kind::Conflict | Kind::NotFound)
    }

    /// The same error for another part of the same call, without what caused it.
    #[must_use]
    pub fn copy(&self) -> Self {
        Self {
            provider: self.provider,
            method: self.method.clone(),
            kind: self.kind,
            code: self.code.clone(),
            odd: self.odd.clone(),
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

    /// An error of a call that got no answer.
    pub fn unanswered(
        provider: Provider,
        method: impl Into<Cow<'static, str>>,
        source: UpstreamError,
    ) -> Self {
        let (kind, retry_after, code) = match &source {
            UpstreamError::Limited { retry_after } => (Kind::RateLimited, Some(*retry_after), None),
            UpstreamError::TooManyWaiting => (Kind::TooManyWaiting, Some(PAUSE), None),
            UpstreamError::Resting { retry_after } => (Kind::Trouble, Some(*retry_after), None),
            UpstreamError::Token(TokenError::NeedsReauth { reason }) => {
                (Kind::NeedsReauth, None, Some(reason.clone()))
            }
            UpstreamError::Token(TokenError::Pending { retry_after }) => {
                (Kind::RateLimited, Some(*retry_after), Some("token_refresh_pending".to_owned()))
            }
            UpstreamError::Token(TokenError::Refresh { failure, retry_after }) => {
                (Kind::Trouble, Some(*retry_after), Some(failure.code().to_owned()))
            }
            UpstreamError::Connect(_) | UpstreamError::Broken(_) | UpstreamError::TooLarge => {
                (Kind::Trouble, None, None)
            }
            UpstreamError::NotAllowed => {
                (Kind::Trouble, None, Some("address_not_allowed".to_owned()))
            }
            UpstreamError::Token(
                TokenError::NoRefreshToken
                | TokenError::Store(_)
                | TokenError::Cipher(_)
                | TokenError::Interrupted,
            ) => (Kind::Internal, None, None),
            UpstreamError::Timeout => (Kind::Timeout, None, None),
            UpstreamError::OverBudget(_) => (Kind::Overloaded, Some(PAUSE), None),
            UpstreamError::CallerStalled => (Kind::CallerStalled, None, None),
        };
        let odd = match &source {
            UpstreamError::Broken(_) => Some("it broke off before its end".to_owned()),
            UpstreamError::TooLarge => {
                Some("it is larger than `upstream.max_named_response_bytes` permits".to_owned())
            }
            UpstreamError::Limited { .. }
            | UpstreamError::TooManyWaiting
            | UpstreamError::Resting { .. }
            | UpstreamError::Token(_)
            | UpstreamError::Connect(_)
            | UpstreamError::NotAllowed
            | UpstreamError::Timeout
            | UpstreamError::OverBudget(_)
            | UpstreamError::CallerStalled => None,
        };
        let error = Self::new(provider, method, kind);
        Self { retry_after, code, odd, source: Some(source), ..error }
    }

    /// Why there was no token to call with, when that is what failed.
    #[must_use]
    pub fn token_error(&self) -> Option<&TokenError> {
        match &self.source {
            Some(UpstreamError::Token(error)) => Some(error),
            Some(
                UpstreamError::Limited { .. }
                | UpstreamError::TooManyWaiting
                | UpstreamError::Resting { .. }
                | UpstreamError::Connect(_)
                | UpstreamError::Timeout
                | UpstreamError::CallerStalled
                | UpstreamError::Broken(_)
                | UpstreamError::NotAllowed
                | UpstreamError::OverBudget(_)
                | UpstreamError::TooLarge,
            )
            | None => None,
        }
    }
}
