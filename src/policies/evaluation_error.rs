//! Why an account, or a policy in it, was not evaluated.

use crate::domain::policy::EvaluationProblemCode;
use crate::domain::sync::SyncResource;
use crate::store::StoreError;

/// Maximum number of findings of one policy in one account.
pub(super) const MAX_FINDINGS: usize = 10_000;

/// Why the policies of an account were not evaluated.
#[derive(Debug, thiserror::Error)]
pub enum EvaluationError {
    /// There is no complete copy of the users.
    #[error("the account has no synced copy of users")]
    NotSynced,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a policy was not, or not completely, evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotEvaluated {
    /// There is no complete copy of a resource that it looks at.
    NoCopyOf(SyncResource),
    /// Its kind or its parameters are unknown to this version of the gateway.
    Unknown(String),
    /// Its expression failed for some people: their number, and the first error.
    ExpressionFailed(usize, String),
    /// It has more findings than are stored: their number.
    TooManyFindings(usize),
}

impl NotEvaluated {
    /// Returns the code of the problem.
    #[must_use]
    pub fn code(&self) -> EvaluationProblemCode {
        match self {
            Self::NoCopyOf(_) => EvaluationProblemCode::ResourceNotSynced,
            Self::Unknown(_) => EvaluationProblemCode::InvalidPolicy,
            Self::ExpressionFailed(..) => EvaluationProblemCode::ExpressionFailed,
            Self::TooManyFindings(_) => EvaluationProblemCode::TooManyViolations,
        }
    }
}

impl std::fmt::Display for NotEvaluated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoCopyOf(resource) => {
                write!(f, "the account has no complete synced copy of {resource}")
            }
            Self::Unknown(problem) => write!(f, "its parameters are invalid: {problem}"),
            Self::ExpressionFailed(people, error) => {
                write!(f, "its expression failed for {people} people, first with: {error}")
            }
            Self::TooManyFindings(count) => {
                write!(f, "of its {count} violations {MAX_FINDINGS} are stored")
            }
        }
    }
}
