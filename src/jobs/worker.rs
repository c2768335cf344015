//! Workers of background jobs: each claims a job, extends its lease, and runs it until it ends.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::interrupted::JobInterrupted;
use super::runner::JobRunner;
use crate::store::{JobLease, Store, StoreError};

/// The first pause after a failed attempt of a job; it doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The maximum pause between two attempts of a job.
const MAX_PAUSE: Duration = Duration::from_mins(5);

/// Works on background jobs.
#[derive(Clone)]
pub struct JobWorker {
    store: Store,
    runners: Arc<[Arc<dyn JobRunner>]>,
    /// The name that its leases have.
    name: String,
    lease: Duration,
}

impl std::fmt::Debug for JobWorker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobWorker").field("name", &self.name).finish_non_exhaustive()
    }
}

impl JobWorker {
    /// Returns a worker whose leases last `lease`.
    #[must_use]
    pub fn new(
        store: Store,
        runners: impl Into<Arc<[Arc<dyn JobRunner>]>>,
        name: String,
        lease: Duration,
    ) -> Self {
        Self { store, runners: runners.into(), name, lease }
    }

    /// Works on jobs until `stop`; searches for due jobs every `poll_every` while there are none. A job
    /// that is interrupted by `stop` is returned to the queue.
    pub async fn run(&self, poll_every: Duration, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            match self.work_once(stop).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the queue of jobs could not be read"),
            }
            tokio::select! {
                () = tokio::time::sleep(poll_every) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Works on one job, if one is due. Returns `false` if none is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn work_once(&self, stop: &CancellationToken) -> Result<bool, StoreError> {
        let store = &self.store;
        let Some(lease) = store.claim_job(&self.name, self.lease).await? else {
            return Ok(false);
        };
        let worked = tokio::select! {
            worked = self.work_on(&lease) => Some(worked),
            () = self.keep_lease(&lease) => None,
            () = stop.cancelled() => {
                store.release_job(&lease, Duration::ZERO, None).await?;
                return Ok(true);
            }
        };
        match worked {
            Some(Ok(())) => {}
            None | Some(Err(JobInterrupted::LeaseLost)) => {
                tracing::warn!(job = %lease.job_id, "another process continues the job");
            }
            Some(Err(JobInterrupted::Retry(problem))) => {
                let pause = pause_after(lease.attempt);
                tracing::warn!(
                    job = %lease.job_id, problem = problem.code, detail = problem.detail,
                    "the job is continued later"
                );
                let problem = serde_json::to_value(problem).ok();
                store.release_job(&lease, pause, problem.as_ref()).await?;
            }
            Some(Err(JobInterrupted::Store(error))) => {
                tracing::warn!(job = %lease.job_id, %error, "the job is continued later");
                let problem = serde_json::json!({"code": "internal", "detail": error.to_string()});
                store.release_job(&lease, pause_after(lease.attempt), Some(&problem)).await?;
            }
        }
        Ok(true)
    }

    /// Runs a job. One of a kind that this process does not run stays claimed until its lease ends.
    async fn work_on(&self, lease: &JobLease) -> Result<(), JobInterrupted> {
        match self.runners.iter().find(|runner| runner.kinds().contains(&lease.kind)) {
            Some(runner) => runner.run(lease).await,
            None => Err(JobInterrupted::LeaseLost),
        }
    }

    /// Extends a lease until another worker has claimed the job.
    async fn keep_lease(&self, lease: &JobLease) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match self.store.extend_lease(lease, self.lease).await {
                Ok(true) => {}
                Ok(false) => return,
                // Writes check the lease: nothing goes wrong if it can't be extended for a while.
                Err(error) => {
                    tracing::warn!(job = %lease.job_id, %error, "a lease was not extended");
                }
            }
        }
    }
}

/// Returns the pause after a failed attempt.
fn pause_after(attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or_default().min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(MAX_PAUSE)
}
