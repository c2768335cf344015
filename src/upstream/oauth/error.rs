//! Why a token endpoint gave no tokens.

use crate::vault::Outage;

/// Why there are no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// The provider said no, with this code.
    #[error("the provider answered {0:?}")]
    Refused(String),
    /// It could not be reached: nothing was done.
    #[error("it could not be reached")]
    Unreachable,
    /// It did not answer in time: what was asked may have been done.
    #[error("it did not answer in time")]
    TimedOut,
    /// It has a failure of its own.
    #[error("it answered {0}")]
    Down(Outage),
    /// The answer was lost, or can't be read: what was asked may have been done.
    #[error("{0}")]
    NoAnswer(String),
}
