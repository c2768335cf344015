//! Errors of calls to providers and of the HTTP client.

use std::error::Error;
use std::time::Duration;

use crate::limit::OverBudget;
use crate::vault::TokenError;

/// The source of an error; its text holds no path and no query.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The HTTP client can't be built: no TLS roots, or no TLS.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client can't be built")]
pub struct ClientError(#[source] pub(super) std::io::Error);

/// A request without a response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The address policy forbids the address.
    #[error("the address is not a public one")]
    NotAllowed,
    /// No connection. Nothing was sent.
    #[error("no connection")]
    Connect(#[source] BoxError),
    /// No response in time, or not all of it.
    #[error("the request timed out")]
    Timeout,
    /// The caller of a streamed request stopped sending its body.
    #[error("the caller stopped sending the body")]
    CallerStalled,
    /// The exchange was interrupted.
    #[error("the response was interrupted")]
    Interrupted(#[source] BoxError),
}

/// A call without a response.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The permit would come too late. Nothing was sent.
    #[error("rate limit reached")]
    RateLimited {
        /// The time until a permit is expected.
        retry_after: Duration,
    },
    /// The environment is at its limit of waiting calls. Nothing was sent.
    #[error("the environment has too many waiting calls")]
    TooManyWaiting,
    /// The circuit of the provider's host is open. Nothing was sent.
    #[error("circuit open: the provider was unreachable")]
    CircuitOpen {
        /// The time until the next probe.
        retry_after: Duration,
    },
    /// There is no valid token. Nothing was sent.
    #[error("no valid token")]
    Token(#[from] TokenError),
    /// The provider is unreachable. The call had no effect.
    #[error("the provider is unreachable")]
    Connect(#[source] BoxError),
    /// The provider did not respond in time. The call may have had an effect.
    #[error("the provider did not respond in time")]
    Timeout,
    /// The caller of a streamed request stopped sending its body. The call may have had an effect.
    #[error("the caller stopped sending the body")]
    CallerStalled,
    /// The response was interrupted. The call may have had an effect.
    #[error("the provider's response was interrupted")]
    Interrupted(#[source] BoxError),
    /// The address policy forbids the account's address. Nothing was sent.
    #[error("the account's address is not a public one")]
    NotAllowed,
    /// The limit of bytes in flight is reached. The call may have had an effect.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The response exceeds the maximum size of a buffered one.
    #[error("the provider's response is too large")]
    TooLarge,
}

impl From<SendError> for UpstreamError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotAllowed => Self::NotAllowed,
            SendError::Connect(error) => Self::Connect(error),
            SendError::Timeout => Self::Timeout,
            SendError::CallerStalled => Self::CallerStalled,
            SendError::Interrupted(error) => Self::Interrupted(error),
        }
    }
}
