//! Errors of refreshes and of obtaining an access token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cipher::CipherError;
use crate::store::StoreError;

/// Reason why a refresh brought no new pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshFailure {
    /// The provider rejected this refresh token: the grant is lost. Holds the provider's error code.
    #[error("the provider rejected the refresh token: {0}")]
    Rejected(String),
    /// The provider rejected our client id or secret; the grant may be valid. Holds the provider's error code.
    #[error("the provider rejected the client credentials: {0}")]
    ClientRejected(String),
    /// The provider rejected the request with an error code that does not name the grant, which may be valid. Holds the
    /// provider's error code.
    #[error("the provider rejected the request: {0}")]
    RequestRejected(String),
    /// No response in time: the refresh token may have been consumed.
    #[error("the provider did not respond in time")]
    TimedOut,
    /// Too many refreshes are queued: the provider was not called.
    #[error("too many refreshes are queued")]
    Busy,
    /// The provider is unreachable: the grant is valid.
    #[error("the provider is unreachable")]
    Unreachable,
    /// The provider had a server error and most likely did nothing: the grant should be valid.
    #[error("the provider failed: {0}")]
    ServerError(EndpointFailure),
    /// The response was lost or is unreadable: the refresh token may have been consumed.
    #[error("the provider's response was lost: {0}")]
    ResponseLost(String),
}

/// A server error of the token endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointFailure {
    /// The HTTP status or error code.
    pub status: String,
    /// The response's `Retry-After`.
    pub retry_after: Option<Duration>,
}

impl From<String> for EndpointFailure {
    fn from(status: String) -> Self {
        Self { status, retry_after: None }
    }
}

impl fmt::Display for EndpointFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.status)
    }
}

impl RefreshFailure {
    /// Returns the `Retry-After` of the token endpoint, if any.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::ServerError(outage) => outage.retry_after,
            Self::Rejected(_)
            | Self::ClientRejected(_)
            | Self::RequestRejected(_)
            | Self::TimedOut
            | Self::Busy
            | Self::Unreachable
            | Self::ResponseLost(_) => None,
        }
    }

    /// Returns whether a retry would get the same response.
    pub(super) fn is_permanent(&self) -> bool {
        matches!(self, Self::ClientRejected(_) | Self::RequestRejected(_))
    }

    /// Returns the error code for events: the provider's, or ours.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Rejected(code) | Self::ClientRejected(code) | Self::RequestRejected(code) => code,
            Self::TimedOut => "provider_timeout",
            Self::Busy => "refreshes_busy",
            Self::Unreachable => "provider_unreachable",
            Self::ServerError(_) => "provider_down",
            Self::ResponseLost(_) => "response_lost",
        }
    }
}

/// Reason why there is no usable access token.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TokenError {
    /// The grant is lost: the customer must reauthorize.
    #[error("the account needs reauthorization: {reason}")]
    NeedsReauth {
        /// The error code.
        reason: String,
    },
    /// The grant has neither a refresh token nor client credentials, so the access token can't be refreshed.
    #[error("the account has no refresh token")]
    NoRefreshToken,
    /// The refresh failed, now or in the last attempt before the current backoff.
    #[error("the access token could not be refreshed")]
    Refresh {
        /// The failure.
        #[source]
        failure: RefreshFailure,
        /// When the provider is called again.
        retry_after: Duration,
    },
    /// The refresh still runs, and the caller's wait is over.
    #[error("the access token is still being refreshed")]
    Pending {
        /// When to retry.
        retry_after: Duration,
    },
    /// The database failed.
    #[error("the tokens could not be read or stored")]
    Store(#[source] Arc<StoreError>),
    /// The stored tokens could not be decrypted.
    #[error("the stored tokens could not be decrypted")]
    Cipher(#[from] CipherError),
    /// The refresh's task ended early because the program is shutting down.
    #[error("the refresh was interrupted")]
    Interrupted,
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
