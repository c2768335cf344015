//! Why the application of a plan stops before its end.

use std::future::Future;

use tokio::sync::OnceCell;

use crate::domain::reconciliation::ApplyControl;
use crate::domain::sync_run::SyncProblem;
use crate::jobs::JobInterrupted;

/// Why the application of a plan stops before its end.
#[derive(Debug)]
pub(super) enum ApplyStopped {
    /// Another attempt continues it.
    Interrupted(JobInterrupted),
    /// It was paused or cancelled.
    Controlled(ApplyControl),
    /// It can't go on.
    Failed(SyncProblem),
}

impl<E: Into<JobInterrupted>> From<E> for ApplyStopped {
    fn from(error: E) -> Self {
        Self::Interrupted(error.into())
    }
}

/// The first reason to stop, of work that runs at the same time.
#[derive(Debug, Default)]
pub(super) struct FirstStop(OnceCell<ApplyStopped>);

impl FirstStop {
    /// Runs work, unless there is a reason to stop before it begins. Work that has begun ends: a step that was sent has an
    /// outcome.
    pub(super) async fn unless_stopped(
        &self,
        work: impl Future<Output = Result<(), ApplyStopped>>,
    ) {
        if self.0.get().is_none()
            && let Err(why) = work.await
        {
            // Others may stop too: the first reason counts.
            let _ = self.0.set(why);
        }
    }

    /// Returns the first reason to stop.
    pub(super) fn into_result(self) -> Result<(), ApplyStopped> {
        self.0.into_inner().map_or(Ok(()), Err)
    }
}
