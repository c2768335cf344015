//! What reconciliation works with.

use std::time::Duration;

use async_trait::async_trait;

use crate::domain::job::JobKind;
use crate::jobs::{JobInterrupted, JobRunner};
use crate::policies::PolicyServices;
use crate::store::JobLease;

/// Maximum time that one provider call waits for permits and retries.
pub(super) const MAX_WAIT: Duration = Duration::from_mins(10);

/// What reconciliation works with.
#[derive(Clone, Debug)]
pub struct ReconcileServices {
    /// The services of policies: the copies, the connectors, the guards.
    pub policies: PolicyServices,
}

#[async_trait]
impl JobRunner for ReconcileServices {
    fn kinds(&self) -> &'static [JobKind] {
        &[JobKind::Plan, JobKind::Apply]
    }

    async fn run(&self, lease: &JobLease) -> Result<(), JobInterrupted> {
        // Boxed: they are large, and seldom created.
        match lease.kind {
            JobKind::Plan => Box::pin(self.make_plan(lease)).await,
            JobKind::Apply => Box::pin(self.apply_plan(lease)).await,
            JobKind::Sync => Err(JobInterrupted::LeaseLost),
        }
    }
}
