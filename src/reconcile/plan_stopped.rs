//! Why a plan is not made.

use crate::domain::reconciliation::RowError;
use crate::domain::sync_run::SyncProblem;
use crate::jobs::JobInterrupted;

/// Why a plan is not made.
pub(super) enum PlanStopped {
    /// It can't be made.
    Failed(SyncProblem, Vec<RowError>),
    /// Another attempt makes it.
    Interrupted(JobInterrupted),
}

impl<E: Into<JobInterrupted>> From<E> for PlanStopped {
    fn from(error: E) -> Self {
        Self::Interrupted(error.into())
    }
}

/// Returns the problem that a plan fails with.
pub(super) fn failed(code: &str, detail: String) -> PlanStopped {
    PlanStopped::Failed(problem(code, detail), Vec::new())
}

pub(super) fn problem(code: &str, detail: String) -> SyncProblem {
    SyncProblem { code: code.to_owned(), detail, resource: None, method: None }
}
