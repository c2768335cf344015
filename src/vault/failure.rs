//! Why a provider gave no new pair of tokens, and why there is none to call with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cipher::CipherError;
use crate::store::StoreError;

/// Why a provider gave no new pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshFailure {
    /// It said no to this refresh token: the grant is lost. Holds the provider's code.
    #[error("the provider refused the refresh token: {0}")]
    Refused(String),
    /// It said no to our client id or secret: the grant may well live. Holds the provider's code.
    #[error("the provider refused the client credentials: {0}")]
    ClientRefused(String),
    /// It refused the request with a code that does not name the grant, which may well be valid. Holds
    /// the provider's code.
    #[error("the provider refused the request: {0}")]
    Unclear(String),
    /// It did not answer in time: the refresh token may have been used up.
    #[error("the provider did not answer in time")]
    TimedOut,
    /// Too many refreshes were before this one: the provider was not asked.
    #[error("too many refreshes are waiting")]
    Busy,
    /// It could not be reached: the grant lives.
    #[error("the provider could not be reached")]
    Unreachable,
    /// It has trouble of its own, and most likely did nothing: the grant should live.
    #[error("the provider is in trouble: {0}")]
    Down(Outage),
    /// The answer was lost, or makes no sense: the refresh token may have been used up.
    #[error("the provider's answer was lost: {0}")]
    AnswerLost(String),
}

/// A failure of the token endpoint's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// Its status or its code.
    pub status: String,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
}

impl From<String> for Outage {
    fn from(status: String) -> Self {
        Self { status, retry_after: None }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.status)
    }
}

impl RefreshFailure {
    /// Returns how long the token endpoint asks to be left alone.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Down(outage) => outage.retry_after,
            Self::Refused(_)
            | Self::ClientRefused(_)
            | Self::Unclear(_)
            | Self::TimedOut
            | Self::Busy
            | Self::Unreachable
            | Self::AnswerLost(_) => None,
        }
    }

    /// Whether the same request a moment later would get the same response.
    pub(super) fn is_asked_once(&self) -> bool {
        matches!(self, Self::ClientRefused(_) | Self::Unclear(_))
    }

    /// It in a word, for whoever is told: the provider's code, or ours.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(code) | Self::ClientRefused(code) | Self::Unclear(code) => code,
            Self::TimedOut => "provider_timeout",
            Self::Busy => "refreshes_busy",
            Self::Unreachable => "provider_unreachable",
            Self::Down(_) => "provider_down",
            Self::AnswerLost(_) => "answer_lost",
        }
    }
}

/// Why there is no token to call with.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// The grant is lost: the customer must link again.
    #[error("the account needs to be linked again: {reason}")]
    NeedsReauth {
        /// The provider's code, or ours.
        reason: String,
    },
    /// The grant has no refresh token, so there is nothing to renew the access token with.
    #[error("the account has no refresh token")]
    NoRefreshToken,
    /// The provider gave no new token: now, or a moment ago.
    #[error("the access token could not be renewed")]
    Refresh {
        /// What it did instead.
        #[source]
        failure: RefreshFailure,
        /// When it is asked again.
        retry_after: Duration,
    },
    /// The refresh goes on, and the caller's wait for it is over.
    #[error("the access token is still being refreshed")]
    Pending {
        /// When to come back.
        retry_after: Duration,
    },
    /// The database failed.
    #[error("the tokens could not be read or stored")]
    Store(#[source] Arc<StoreError>),
    /// The stored tokens don't open.
    #[error("the stored tokens could not be decrypted")]
    Cipher(#[from] CipherError),
    /// The refresh's task ended early: the program is stopping.
    #[error("the refresh was interrupted")]
    Interrupted,
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
