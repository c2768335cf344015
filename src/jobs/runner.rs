//! What runs jobs of some kinds.

use async_trait::async_trait;

use super::interrupted::JobInterrupted;
use crate::domain::job::JobKind;
use crate::store::JobLease;

/// Runs jobs of some kinds.
#[async_trait]
pub trait JobRunner: Send + Sync {
    /// Returns the kinds of jobs that it runs.
    fn kinds(&self) -> &'static [JobKind];

    /// Runs a claimed job to its end. Another attempt continues where this one stopped.
    ///
    /// # Errors
    ///
    /// Why it stopped before its end.
    async fn run(&self, lease: &JobLease) -> Result<(), JobInterrupted>;
}
