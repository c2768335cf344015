//! How a run ends, and why one of its steps failed.

use crate::connectors::ConnectorError;
use crate::domain::sync::SyncStatus;
use crate::domain::sync_run::SyncProblem;
use crate::jobs::JobInterrupted;
use crate::store::StoreError;

/// How a run ends.
pub(super) struct End {
    pub(super) status: SyncStatus,
    pub(super) problem: Option<SyncProblem>,
}

/// A step of a run failed.
pub(super) enum StepError {
    Connector(ConnectorError),
    Interrupted(JobInterrupted),
    End(End),
}

impl From<ConnectorError> for StepError {
    fn from(error: ConnectorError) -> Self {
        Self::Connector(error)
    }
}

impl From<StoreError> for StepError {
    fn from(error: StoreError) -> Self {
        Self::Interrupted(error.into())
    }
}
