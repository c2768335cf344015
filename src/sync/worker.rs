//! Workers of background jobs: each claims a job, keeps its lease, and works on it until it ends.

use std::convert::Infallible;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::run::RunInterrupted;
use super::services::SyncServices;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, JobId, SyncRunId};
use crate::domain::job::JobKind;
use crate::store::{JobLease, NewSyncRun, StoreError};

/// The first pause after a failed attempt of a job; it doubles with each attempt.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// The maximum pause between two attempts of a job.
const MAX_PAUSE: Duration = Duration::from_mins(5);
/// The maximum number of accounts whose run is requested in one search.
const MAX_SCHEDULED: i64 = 100;
/// Who requested the runs that are due by the settings.
const SCHEDULE: &str = "schedule";

/// Works on background jobs.
#[derive(Debug, Clone)]
pub struct Worker {
    services: SyncServices,
    /// The name that its leases have.
    name: String,
    lease: Duration,
}

impl Worker {
    /// Returns a worker whose leases last `lease`.
    #[must_use]
    pub fn new(services: SyncServices, name: String, lease: Duration) -> Self {
        Self { services, name, lease }
    }

    /// Works on jobs until `stop`; searches for due jobs and accounts every `poll_every` while there are none. A job
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

    /// Requests the runs that are due, every `interval`.
    pub async fn schedule(&self, interval: Duration) -> Infallible {
        loop {
            if let Err(error) = self.schedule_once().await {
                tracing::warn!(%error, "accounts due for a sync could not be read");
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// Requests the runs that are due and returns their number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn schedule_once(&self) -> Result<usize, StoreError> {
        let now = self.services.clock.now();
        let due = self.services.store.accounts_due_for_sync(now, MAX_SCHEDULED).await?;
        for (environment_id, account_id) in &due {
            if let Err(error) = self.request(*environment_id, *account_id).await {
                tracing::warn!(account = %account_id, %error, "a run that is due was not requested");
            }
        }
        Ok(due.len())
    }

    async fn request(
        &self,
        environment_id: EnvironmentId,
        account_id: IntegratedAccountId,
    ) -> Result<(), StoreError> {
        let SyncServices { store, clock, entropy, .. } = &self.services;
        let db = store.tenant(environment_id);
        let Some(settings) = db.sync_settings(account_id).await? else { return Ok(()) };
        let resources: Vec<_> = settings.resources.into_iter().collect();
        let run = NewSyncRun {
            id: SyncRunId::generate(&**clock, &**entropy),
            job_id: JobId::generate(&**clock, &**entropy),
            account_id,
            resources: &resources,
            started_by: SCHEDULE,
        };
        // Another process may have requested it already.
        db.request_sync(&run, clock.now(), None).await.map(|_| ())
    }

    /// Works on one job, if one is due. Returns `false` if none is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn work_once(&self, stop: &CancellationToken) -> Result<bool, StoreError> {
        let store = &self.services.store;
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
            None | Some(Err(RunInterrupted::LeaseLost)) => {
                tracing::warn!(job = %lease.job_id, "another process continues the job");
            }
            Some(Err(RunInterrupted::Retry(problem))) => {
                let pause = pause_after(lease.attempt);
                tracing::warn!(
                    job = %lease.job_id, problem = problem.code, detail = problem.detail,
                    "the job is continued later"
                );
                let problem = serde_json::to_value(problem).ok();
                store.release_job(&lease, pause, problem.as_ref()).await?;
            }
            Some(Err(RunInterrupted::Store(error))) => {
                tracing::warn!(job = %lease.job_id, %error, "the job is continued later");
                let problem = serde_json::json!({"code": "internal", "detail": error.to_string()});
                store.release_job(&lease, pause_after(lease.attempt), Some(&problem)).await?;
            }
        }
        Ok(true)
    }

    async fn work_on(&self, lease: &JobLease) -> Result<(), RunInterrupted> {
        match lease.kind {
            // Boxed: it is large, and seldom created.
            JobKind::Sync => Box::pin(self.services.continue_run(lease)).await,
        }
    }

    /// Extends a lease until another worker has claimed the job.
    async fn keep_lease(&self, lease: &JobLease) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match self.services.store.extend_lease(lease, self.lease).await {
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
