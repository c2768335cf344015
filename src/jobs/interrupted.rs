//! Why the work on a job stops before its end.

use crate::domain::sync_run::SyncProblem;
use crate::store::StoreError;

/// Why the work on a job stopped before its end. Another attempt continues it.
#[derive(Debug)]
pub enum JobInterrupted {
    /// Another worker has claimed it.
    LeaseLost,
    /// The provider failed: continue after a pause.
    Retry(SyncProblem),
    /// The database failed: continue after a pause.
    Store(StoreError),
}

impl From<StoreError> for JobInterrupted {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
