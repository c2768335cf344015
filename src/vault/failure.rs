//! Why a provider gave no new pair of tokens.

use super::tokens::Grant;
use crate::telemetry::Renewed;

/// Why a provider gave no new pair.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefreshFailure {
    /// It said no to this refresh token: the grant is lost. Holds the provider's code.
    #[error("the provider refused the refresh token: {0}")]
    Refused(String),
    /// It said no to our client id or secret: the grant may well live. Holds the provider's code.
    #[error("the provider refused the client credentials: {0}")]
    ClientRefused(String),
    /// It could not be reached: the grant lives.
    #[error("the provider could not be reached")]
    Unreachable,
    /// It has trouble of its own, and most likely did nothing: the grant should live.
    #[error("the provider is in trouble: {0}")]
    Down(String),
    /// The answer was lost, or makes no sense: the refresh token may have been used up.
    #[error("the provider's answer was lost: {0}")]
    AnswerLost(String),
}

impl RefreshFailure {
    /// It in a word, for whoever is told: the provider's code, or ours.
    #[must_use]
    pub fn code(&self) -> &str {
        match self {
            Self::Refused(code) | Self::ClientRefused(code) => code,
            Self::Unreachable => "provider_unreachable",
            Self::Down(_) => "provider_down",
            Self::AnswerLost(_) => "answer_lost",
        }
    }
}

/// How an attempt is counted.
pub(super) fn counted(answer: &Result<Grant, RefreshFailure>) -> Renewed {
    match answer {
        Ok(_) => Renewed::Refreshed,
        Err(RefreshFailure::Refused(_)) => Renewed::Refused,
        Err(RefreshFailure::ClientRefused(_)) => Renewed::ClientRefused,
        Err(RefreshFailure::Unreachable) => Renewed::Unreachable,
        Err(RefreshFailure::Down(_)) => Renewed::Down,
        Err(RefreshFailure::AnswerLost(_)) => Renewed::AnswerLost,
    }
}
