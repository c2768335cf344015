//! Workers of the directory sync: request the runs that are due, and follow the changes of accounts between runs.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::services::SyncServices;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, JobId, SyncRunId};
use crate::store::{NewSyncRun, SourceLease, StoreError};

/// The maximum number of accounts whose run is requested in one search.
const MAX_SCHEDULED: i64 = 100;
/// The pause of an account whose changes could not be written.
const FAILED_PAUSE: time::Duration = time::Duration::seconds(30);
/// Who requested the runs that are due by the settings.
const SCHEDULE: &str = "schedule";

/// Requests runs and follows changes.
#[derive(Debug, Clone)]
pub struct Worker {
    services: SyncServices,
    /// The name that its leases have.
    name: String,
    lease: Duration,
    /// Permits to read a change log, which may take minutes. So objects are read meanwhile, of other accounts.
    log_permits: Arc<Semaphore>,
}

impl Worker {
    /// Returns a worker whose leases last `lease`, and which reads up to `logs` change logs at the same time.
    #[must_use]
    pub fn new(services: SyncServices, name: String, lease: Duration, logs: usize) -> Self {
        Self { services, name, lease, log_permits: Arc::new(Semaphore::new(logs)) }
    }

    /// Follows the changes of accounts until `stop`: searches for accounts that are due every `poll_every`, and when
    /// changes were reported to this process.
    pub async fn follow(&self, poll_every: Duration, stop: &CancellationToken) {
        while !stop.is_cancelled() {
            let reported = self.services.changes_reported.notified();
            match self.follow_once(stop).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "changes of accounts could not be read"),
            }
            tokio::select! {
                () = tokio::time::sleep(poll_every) => {}
                () = reported => {}
                () = stop.cancelled() => {}
            }
        }
    }

    /// Follows the changes of one account, if one is due. Returns `false` if none is.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn follow_once(&self, stop: &CancellationToken) -> Result<bool, StoreError> {
        let SyncServices { store, clock, .. } = &self.services;
        let permit = self.log_permits.try_acquire().ok();
        let claimed =
            store.claim_source(&self.name, self.lease, permit.is_some(), clock.now()).await?;
        let Some(lease) = claimed else { return Ok(false) };
        let followed = tokio::select! {
            // Boxed: it is large, and seldom created.
            followed = Box::pin(self.services.follow_changes(&lease, permit)) => followed,
            () = self.keep_source(&lease) => Ok(()),
            () = stop.cancelled() => Ok(()),
        };
        let pause = if followed.is_ok() { time::Duration::ZERO } else { FAILED_PAUSE };
        store.release_source(&lease, clock.now() + pause).await?;
        followed?;
        let db = store.tenant(lease.environment_id);
        if db.needs_run(lease.account_id).await? {
            // One that is in progress may have read the changed objects already: another one follows it.
            if self.request(lease.environment_id, lease.account_id).await? {
                db.clear_needed_run(lease.account_id).await?;
            }
        }
        Ok(true)
    }

    /// Extends a lease while it is held; returns when another worker has claimed the account.
    async fn keep_source(&self, lease: &SourceLease) {
        loop {
            tokio::time::sleep(self.lease / 3).await;
            match self.services.store.extend_source_lease(lease, self.lease).await {
                Ok(true) => {}
                Ok(false) => return,
                // Writes check the lease: nothing goes wrong if it can't be extended for a while.
                Err(error) => {
                    tracing::warn!(account = %lease.account_id, %error, "a lease was not extended");
                }
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

    /// Requests a run. Returns `false` if one is in progress.
    async fn request(
        &self,
        environment_id: EnvironmentId,
        account_id: IntegratedAccountId,
    ) -> Result<bool, StoreError> {
        let SyncServices { store, clock, entropy, .. } = &self.services;
        let db = store.tenant(environment_id);
        let Some(settings) = db.sync_settings(account_id).await? else { return Ok(true) };
        let resources: Vec<_> = settings.resources.into_iter().collect();
        let run = NewSyncRun {
            id: SyncRunId::generate(&**clock, &**entropy),
            job_id: JobId::generate(&**clock, &**entropy),
            account_id,
            resources: &resources,
            started_by: SCHEDULE,
        };
        Ok(db.request_sync(&run, clock.now(), None).await?.is_ok())
    }
}
