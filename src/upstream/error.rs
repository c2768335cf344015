//! Why there is no answer of a provider, or no client to ask with.

use std::error::Error;
use std::time::Duration;

use crate::limit::OverBudget;
use crate::vault::TokenError;

/// An error of whatever made it; its text holds no path and no query.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// The client can't be built: no TLS roots, or no TLS at all.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client can't be built")]
pub struct ClientError(#[source] pub(super) std::io::Error);

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The address leads where customers' addresses may not.
    #[error("the address is not one of the internet")]
    NotAllowed,
    /// There is no connection. Nothing was sent.
    #[error("no connection")]
    Connect(#[source] BoxError),
    /// Nothing came in time, or not all of it.
    #[error("nothing came in time")]
    Timeout,
    /// The caller whose body passes through sent no more of it.
    #[error("the caller stopped sending the body")]
    CallerStalled,
    /// It broke off.
    #[error("it broke off")]
    Broken(#[source] BoxError),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The call's turn would come too late. Nothing was sent.
    #[error("no turn within the wait allowed")]
    Limited {
        /// When a turn can be expected.
        retry_after: Duration,
    },
    /// Too many calls of the environment wait. Nothing was sent.
    #[error("too many calls of the environment wait")]
    TooManyWaiting,
    /// The provider could not be reached for a while and is left alone. Nothing was sent.
    #[error("the provider could not be reached for a while")]
    Resting {
        /// When it is tried next.
        retry_after: Duration,
    },
    /// There is no living token. Nothing was sent.
    #[error("no token to call with")]
    Token(#[from] TokenError),
    /// The provider could not be reached. Nothing was done.
    #[error("the provider could not be reached")]
    Connect(#[source] BoxError),
    /// The provider did not answer in time. Something may have been done.
    #[error("the provider did not answer in time")]
    Timeout,
    /// The caller stopped sending the body that passes through. Something may have been done.
    #[error("the caller stopped sending the body")]
    CallerStalled,
    /// The answer broke off. Something may have been done.
    #[error("the provider's answer broke off")]
    Broken(#[source] BoxError),
    /// The account's own address leads where customers' addresses may not. Nothing was sent.
    #[error("the account's address may not be called")]
    NotAllowed,
    /// Too much is held in memory to read the response. Something may have been done.
    #[error(transparent)]
    OverBudget(#[from] OverBudget),
    /// The answer is larger than we read as a whole.
    #[error("the provider's answer is too large")]
    TooLarge,
}

impl From<SendError> for UpstreamError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotAllowed => Self::NotAllowed,
            SendError::Connect(error) => Self::Connect(error),
            SendError::Timeout => Self::Timeout,
            SendError::CallerStalled => Self::CallerStalled,
            SendError::Broken(error) => Self::Broken(error),
        }
    }
}
