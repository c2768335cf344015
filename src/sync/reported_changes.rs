//! What happens to an account between two full runs: its provider's change log is read, and the objects that were
//! reported as changed are read again and compared.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream;
use time::OffsetDateTime;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::object_read::{ObjectReadError, ObjectReader, ObjectScope, UserRead};
use super::problem::{self, Consequence};
use super::services::SyncServices;
use crate::connectors::{
    CallContext, ChangeLog, Connector, ConnectorError, ReadChangeLog, UnreadableRows,
};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::event::EventOrigin;
use crate::domain::sync::SyncSettings;
use crate::store::{
    ChangeSourceState, LogCauses, LogRead, NewLogEntry, ObjectChanges, Recheck, SourceLease,
    StoreError, TenantDb,
};

/// Number of objects that are read in one round.
const ROUND: i64 = 16;
/// Number of objects of one account that are read at the same time.
const CONCURRENT_READS: usize = 4;
/// Maximum time that a read waits for permits and retries.
const MAX_WAIT: Duration = Duration::from_secs(15);
/// Maximum time that the reading of a change log waits for permits and retries.
const MAX_LOG_WAIT: Duration = Duration::from_mins(5);
/// How far back a change log is read after a pause; a full run reads what is older. Entries of a time further ahead than
/// that are ignored.
const MAX_LOG_AGE: time::Duration = time::Duration::days(1);
/// How long an account is followed until other accounts are.
const TIME_SLICE: Duration = Duration::from_secs(10);
/// The first pause after a failed read; it doubles with each failure.
const FIRST_PAUSE: time::Duration = time::Duration::seconds(5);
/// The maximum pause after a failed read.
const MAX_PAUSE: time::Duration = time::Duration::minutes(10);
/// The pause after the token was not allowed to read the change log, or the log can't be read at all.
const NOT_ALLOWED_PAUSE: time::Duration = time::Duration::hours(1);

/// An account whose changes are followed by this worker.
struct FollowedAccount<'a> {
    services: &'a SyncServices,
    db: TenantDb,
    account: IntegratedAccount,
    settings: SyncSettings,
    source: ChangeSourceState,
    connector: &'a dyn Connector,
    lease: &'a SourceLease,
    unreadable_rows: UnreadableRows,
}

impl SyncServices {
    /// Reads the change log of a claimed account, if it is due and there is a permit, and the objects that are due.
    ///
    /// # Errors
    ///
    /// When the database fails: another worker continues when the lease has expired.
    pub(super) async fn follow_changes(
        &self,
        lease: &SourceLease,
        log_permit: Option<SemaphorePermit<'_>>,
    ) -> Result<(), StoreError> {
        let db = self.store.tenant(lease.environment_id);
        let account = self.account(&db, lease.account_id).await?;
        let settings = db.sync_settings(lease.account_id).await?;
        let (Some(account), Some(settings)) = (account, settings) else { return Ok(()) };
        let source = db.change_source(lease.account_id).await?;
        let connector = self.registry.connector(account.provider);
        let followed = FollowedAccount {
            services: self,
            db,
            account,
            settings,
            source,
            connector,
            lease,
            unreadable_rows: UnreadableRows::default(),
        };
        followed.work(log_permit).await
    }
}

impl FollowedAccount<'_> {
    async fn work(mut self, log_permit: Option<SemaphorePermit<'_>>) -> Result<(), StoreError> {
        let now = self.services.clock.now();
        if !self.settings.enabled || self.account.status != AccountStatus::Active {
            self.db.drop_rechecks(self.account.id).await?;
            return self.record(&ChangeLog::default(), None, Some(now + NOT_ALLOWED_PAUSE)).await;
        }
        if log_permit.is_some() && self.source.log_due_at.is_some_and(|due| due <= now) {
            self.read_log().await?;
            self.source = self.db.change_source(self.account.id).await?;
        }
        drop(log_permit);
        let ends_at = Instant::now() + TIME_SLICE;
        loop {
            let now = self.services.clock.now();
            let due = self.db.due_rechecks(self.account.id, now, ROUND).await?;
            if due.is_empty() || Instant::now() >= ends_at {
                return Ok(());
            }
            let mut reads: Vec<BoxFuture<'_, Result<bool, StoreError>>> = Vec::new();
            for recheck in &due {
                reads.push(Box::pin(self.recheck(recheck)));
            }
            let mut reads = stream::iter(reads).buffer_unordered(CONCURRENT_READS);
            while let Some(done) = reads.next().await {
                if !done? {
                    return Ok(());
                }
            }
        }
    }

    /// Reads the change log and records its changes.
    async fn read_log(&self) -> Result<(), StoreError> {
        let Some(reader) = self.connector.change_log() else {
            return self.record(&ChangeLog::default(), None, None).await;
        };
        let started = self.services.clock.now();
        let last = self.source.log_read_at.unwrap_or(started);
        let oldest = started - MAX_LOG_AGE;
        let since = last.max(oldest) - reader.max_delay();
        let cx = self.call_context(MAX_LOG_WAIT);
        let read = reader.read(&cx, self.source.log_position.as_ref(), since).await;
        // They may have changed in the meantime.
        let settings = self.db.sync_settings(self.account.id).await?;
        let poll_every_s = settings.as_ref().unwrap_or(&self.settings).poll_every_s;
        let next = started + time::Duration::seconds(poll_every_s.into());
        match read {
            Ok(mut log) => {
                log.is_cut |= last < oldest;
                let latest = started + MAX_LOG_AGE;
                let entries = log.entries.len();
                log.entries.retain(|entry| entry.at <= latest);
                log.ignored += u64::try_from(entries - log.entries.len()).unwrap_or_default();
                if log.ignored > 0 {
                    tracing::warn!(
                        account = %self.account.id, entries = log.ignored,
                        "entries of the change log were not understood"
                    );
                }
                self.record(&log, Some((reader, started)), Some(next)).await
            }
            Err(error) => {
                let is_refused = problem::consequence(&error) == Consequence::SkipResource;
                let next = if is_refused { started + NOT_ALLOWED_PAUSE } else { next };
                self.record_failure(reader, &error, next).await
            }
        }
    }

    async fn record(
        &self,
        log: &ChangeLog,
        read: Option<(&dyn ReadChangeLog, OffsetDateTime)>,
        next: Option<OffsetDateTime>,
    ) -> Result<(), StoreError> {
        let now = self.services.clock.now();
        let entries: Vec<NewLogEntry> = log
            .entries
            .iter()
            .map(|entry| NewLogEntry {
                id: entry.id.clone(),
                at: entry.at,
                changes: entry.changes.clone(),
                needs_run: entry.needs_run,
            })
            .collect();
        let written = LogRead {
            entries: &entries,
            position: log.position.as_ref(),
            read_at: read.map(|(_, started)| started),
            origin: read.map_or(EventOrigin::Sync, |(reader, _)| reader.origin()),
            problem: None,
            // The first run has just read everything when the log is read for the first time.
            needs_run: log.is_cut && self.source.log_read_at.is_some(),
            next,
        };
        self.db.record_log(self.lease, &written, now).await?;
        Ok(())
    }

    async fn record_failure(
        &self,
        reader: &dyn ReadChangeLog,
        error: &ConnectorError,
        next: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let problem = problem::describe(error, None);
        tracing::debug!(account = %self.account.id, problem = problem.code, "no change log");
        let read = LogRead {
            entries: &[],
            position: None,
            read_at: None,
            origin: reader.origin(),
            problem: Some(&problem),
            needs_run: false,
            next: Some(next),
        };
        self.db.record_log(self.lease, &read, self.services.clock.now()).await?;
        Ok(())
    }

    /// Reads an object again and writes what has changed. Returns `false` when another worker has claimed the account.
    async fn recheck(&self, recheck: &Recheck) -> Result<bool, StoreError> {
        let SyncServices { clock, entropy, .. } = self.services;
        let read_at = clock.now();
        // An audit log tells each change of a role, and who made it.
        let ChangeSourceState { log_due_at, log_read_at, log_problem, .. } = &self.source;
        let has_log = log_due_at.is_some() && log_read_at.is_some() && log_problem.is_none();
        let with_roles = recheck.with_roles || !has_log;
        let reader = ObjectReader {
            db: &self.db,
            connector: self.connector,
            cx: self.call_context(MAX_WAIT),
            settings: &self.settings,
            now: read_at,
        };
        let user = if with_roles { UserRead::WithRoles } else { UserRead::Whole };
        let scope = ObjectScope { user, removes: false, workspace_ids: &[] };
        let read = match reader.read(&recheck.subject, scope).await {
            Ok(read) => read,
            Err(ObjectReadError::Store(error)) => return Err(error),
            Err(ObjectReadError::Connector(error)) => {
                return self.postpone(recheck, &error).await.map(|()| true);
            }
        };
        let changes = read.as_ref().map(|read| ObjectChanges {
            objects: &read.objects,
            removals: &read.removals,
            max_removed: read.max_removed(&self.settings),
            read_at,
            origin: recheck.origin,
            log: LogCauses { subject_id: recheck.subject.id(), causes: &recheck.causes },
            emits_initial: self.settings.emit_initial,
        });
        let now = clock.now();
        let written =
            self.db.write_recheck(self.lease, recheck, changes.as_ref(), now, &**entropy).await;
        match written {
            // The database rejects what the provider sent. Other objects go on.
            Err(error @ (StoreError::Rejected(_) | StoreError::Conflict(_))) => {
                tracing::warn!(account = %self.account.id, %error, "an object could not be written");
                let due_at = now + pause_after(recheck.failures());
                self.db.postpone_recheck(self.lease, recheck, due_at, now).await.map(|()| true)
            }
            written => {
                self.services.copy_changed.notify_one();
                written
            }
        }
    }

    async fn postpone(&self, recheck: &Recheck, error: &ConnectorError) -> Result<(), StoreError> {
        tracing::debug!(account = %self.account.id, %error, "an object was not read again");
        let now = self.services.clock.now();
        let due_at = now + pause_after(recheck.failures());
        self.db.postpone_recheck(self.lease, recheck, due_at, now).await
    }

    fn call_context(&self, max_wait: Duration) -> CallContext<'_> {
        let subject = (self.lease.environment_id, &self.account);
        self.services.call_context(subject, &self.unreadable_rows, max_wait)
    }
}

/// Returns the pause after so many failures of a read.
fn pause_after(failures: i32) -> time::Duration {
    let pause: time::Duration = FIRST_PAUSE * (1_i32 << failures.clamp(0, 16));
    pause.min(MAX_PAUSE)
}
