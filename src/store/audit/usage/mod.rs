//! Usage log: every call to a provider with an account's credentials. Calls are buffered in memory and inserted in
//! batches within a second; during an outage of the database they stay in the buffer (`buffer`).
//!
//! A call that may change something at the provider is recorded in the database before it is sent, like every other
//! change; only its outcome goes through the buffer.

mod buffer;
mod count_entries;
mod counted;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

pub use self::buffer::UsageSource;
use self::buffer::{Buffered, UsageBuffer, UsageRecord, UsageRow};
pub use self::counted::CountedEntry;
use self::counted::{COUNT_PERIOD, EntryCounts};
use super::truncated;
use crate::domain::audit::AuditOutcome;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{AuditId, EnvironmentId, IntegratedAccountId};
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

/// Number of rows that triggers a flush immediately.
const FLUSH_ROWS: usize = 500;
/// Maximum number of rows inserted by one statement.
const MAX_INSERT_ROWS: usize = 2_000;
/// Delay of a flush after its first row.
const FLUSH_DELAY: Duration = Duration::from_secs(1);
/// Delay after a failed flush.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Maximum duration of the last flush at shutdown.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(10);

/// Log of calls to providers, with those not yet stored. Clones share it.
#[derive(Clone)]
pub struct UsageLog(Arc<UsageLogInner>);

struct UsageLogInner {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    pending: Mutex<PendingUsage>,
    first_row: Notify,
    flush_now: Notify,
    /// Held by the one running flush, so that another waits for its rows.
    flush_lock: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct PendingUsage {
    rows: UsageBuffer,
    /// Counted entries.
    counts: EntryCounts,
    /// Number of rows dropped since the last successful insertion.
    dropped: u64,
}

/// Caller and purpose of an account's credentials in one request, and the log that records their use.
#[derive(Debug, Clone, Copy)]
pub struct UsageContext<'a> {
    /// The log that records the calls.
    pub log: &'a UsageLog,
    /// Caller and purpose.
    pub source: UsageSource<'a>,
}

impl<'a> UsageContext<'a> {
    /// Begins a call that only reads, or whose change is recorded elsewhere.
    pub fn begin(self, method: Cow<'static, str>) -> UsageGuard<'a> {
        UsageGuard::new(self, method, false)
    }

    /// Begins a call that may change something; it is recorded in the database before it is sent.
    ///
    /// # Errors
    ///
    /// When the database fails; then the call must not be sent.
    pub async fn begin_change(
        self,
        method: Cow<'static, str>,
    ) -> Result<UsageGuard<'a>, StoreError> {
        let UsageLogInner { store, clock, entropy, .. } = &*self.log.0;
        let at = clock.now();
        sqlx::query!(
            "INSERT INTO audit_log (environment_id, audit_id, at, actor, action, integrated_account_id,
                 request_id, outcome, provider_method)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            self.source.environment_id as EnvironmentId,
            AuditId::of(at, &**entropy) as AuditId,
            at,
            truncated(self.source.actor),
            self.source.action,
            self.source.account_id as IntegratedAccountId,
            self.source.request_id.map(truncated),
            AuditOutcome::Started.name(),
            truncated(&method),
        )
        .execute(&store.pool)
        .await?;
        Ok(UsageGuard::new(self, method, true))
    }
}

/// A call in progress; recorded as abandoned if dropped before [`UsageGuard::finish`].
#[must_use]
pub struct UsageGuard<'a> {
    context: UsageContext<'a>,
    method: Cow<'static, str>,
    is_change: bool,
    outcome: AuditOutcome,
    status: Option<u16>,
    started_at: Instant,
}

impl<'a> UsageGuard<'a> {
    fn new(by: UsageContext<'a>, method: Cow<'static, str>, is_change: bool) -> Self {
        let (outcome, status) = (AuditOutcome::Abandoned, None);
        Self { context: by, method, is_change, outcome, status, started_at: Instant::now() }
    }

    /// Records the end of the call, with the status of the response or `None` without a response.
    pub fn finish(mut self, status: Option<u16>) {
        self.status = status;
        self.outcome = if status.is_some() { AuditOutcome::Answered } else { AuditOutcome::Failed };
    }
}

impl Drop for UsageGuard<'_> {
    fn drop(&mut self) {
        let Self { context: by, ref method, is_change, outcome, status, started_at: began } = *self;
        let (at, took) = (by.log.0.clock.now(), began.elapsed());
        by.log.buffer(&UsageRecord {
            source: by.source,
            method,
            is_change,
            at,
            outcome,
            status,
            duration: took,
        });
    }
}

impl UsageLog {
    /// Creates an empty log. Rows are inserted while [`UsageLog::run`] runs.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: Metrics,
    ) -> Self {
        Self(Arc::new(UsageLogInner {
            store,
            clock,
            entropy,
            metrics,
            pending: Mutex::default(),
            first_row: Notify::new(),
            flush_now: Notify::new(),
            flush_lock: tokio::sync::Mutex::new(()),
        }))
    }

    /// Inserts buffered rows and last-used times until `shutdown` is cancelled.
    pub async fn run(self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.run_flushes() => {}
        }
    }

    /// Inserts the remaining rows at shutdown, after every call has ended.
    pub async fn finish(&self) {
        self.flush_counts();
        let writing = async {
            while let Err(error) = self.flush().await {
                tracing::warn!(%error, "the last audit log rows could not be written yet");
                sleep(RETRY_DELAY).await;
            }
        };
        if timeout(SHUTDOWN_TIMEOUT, writing).await.is_err() {
            let lost = self.pending_rows();
            tracing::error!(lost, "audit log rows were lost at shutdown");
        }
    }

    /// Returns the number of buffered rows.
    #[must_use]
    pub fn pending_rows(&self) -> usize {
        self.pending().rows.len()
    }

    async fn run_flushes(&self) {
        loop {
            if self.pending().rows.is_empty() {
                tokio::select! {
                    () = self.0.first_row.notified() => {}
                    () = self.0.store.last_used.wait_for_entry() => {}
                    () = sleep(COUNT_PERIOD) => {}
                }
            }
            self.flush_due_counts();
            let _ = timeout(FLUSH_DELAY, self.0.flush_now.notified()).await;
            if let Err(error) = self.flush().await {
                tracing::debug!(%error, "audit log rows could not be written yet");
                sleep(RETRY_DELAY).await;
            }
        }
    }

    fn pending(&self) -> MutexGuard<'_, PendingUsage> {
        self.0.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn buffer(&self, record: &UsageRecord<'_>) {
        let buffered = self.pending().rows.add(record, || AuditId::of(record.at, &*self.0.entropy));
        self.wake(buffered);
    }

    fn buffer_row(&self, row: UsageRow) {
        let buffered = self.pending().rows.push(row);
        self.wake(buffered);
    }

    fn wake(&self, buffered: Buffered) {
        match buffered {
            Buffered::Added(1) => self.0.first_row.notify_one(),
            Buffered::Added(FLUSH_ROWS) => self.0.flush_now.notify_one(),
            Buffered::Merged | Buffered::Added(_) => {}
            Buffered::Dropped => self.count_dropped(),
        }
    }

    fn count_dropped(&self) {
        let mut waiting = self.pending();
        waiting.dropped += 1;
        if waiting.dropped == 1 {
            tracing::error!("the audit log buffer is full; calls are not recorded");
        }
        self.0.metrics.record_lost_audit_row();
    }

    /// Inserts what is buffered. Rows that can't be inserted stay in the buffer.
    async fn flush(&self) -> Result<(), StoreError> {
        let _alone = self.0.flush_lock.lock().await;
        let rows = self.flush_rows().await;
        // A failure of one must not delay the other.
        let uses = self.0.store.flush_last_used().await;
        rows.and(uses)
    }

    async fn flush_rows(&self) -> Result<(), StoreError> {
        loop {
            let rows = self.pending().rows.drain(MAX_INSERT_ROWS);
            if rows.is_empty() {
                return Ok(());
            }
            let mut batch = InsertBatch { log: self, rows };
            match insert(&self.0.store, &batch.rows).await {
                Ok(()) => {}
                Err(error) if is_row_error(&error) => {
                    self.insert_one_by_one(&batch.rows, &error).await?;
                }
                Err(error) => return Err(error),
            }
            batch.rows.clear();
            let lost = std::mem::take(&mut self.pending().dropped);
            if lost > 0 {
                tracing::error!(lost, "calls are missing in the audit log");
            }
        }
    }

    /// Inserts rows one by one after a batch was rejected, so that one invalid row doesn't block the others.
    async fn insert_one_by_one(
        &self,
        rows: &[UsageRow],
        error: &StoreError,
    ) -> Result<(), StoreError> {
        tracing::error!(%error, "the database rejected a batch of audit log rows");
        for row in rows {
            match insert(&self.0.store, std::slice::from_ref(row)).await {
                Ok(()) => {}
                Err(error) if is_row_error(&error) => {
                    self.pending().dropped += 1;
                    self.0.metrics.record_lost_audit_row();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Rows being inserted: those left when it is dropped return to the buffer, in their order.
struct InsertBatch<'a> {
    log: &'a UsageLog,
    rows: Vec<UsageRow>,
}

impl Drop for InsertBatch<'_> {
    fn drop(&mut self) {
        self.log.pending().rows.put_back(self.rows.drain(..));
    }
}

/// Returns whether a retry would fail too, because of a value or a constraint.
fn is_row_error(error: &StoreError) -> bool {
    match error {
        StoreError::Conflict(_) => true,
        StoreError::Rejected(sqlx::Error::Database(error)) => {
            error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
        }
        StoreError::Rejected(_)
        | StoreError::Unavailable(_)
        | StoreError::Busy(_)
        | StoreError::QuotaExceeded { .. }
        | StoreError::Inconsistent { .. } => false,
    }
}

/// Inserts rows; existing ones stay as they are, so an attempt without a response may be repeated.
async fn insert(store: &Store, rows: &[UsageRow]) -> Result<(), StoreError> {
    fn each<'r, T>(rows: &'r [UsageRow], of: impl FnMut(&'r UsageRow) -> T) -> Vec<T> {
        rows.iter().map(of).collect()
    }
    sqlx::query!(
        "INSERT INTO audit_log (environment_id, audit_id, at, actor, action, integrated_account_id,
             provider_method, request_id, is_use, outcome, status, duration_ms, calls, reason)
         SELECT * FROM unnest($1::text[], $2::text[], $3::timestamptz[], $4::text[], $5::text[],
             $6::text[], $7::text[], $8::text[], $9::boolean[], $10::text[], $11::smallint[],
             $12::integer[], $13::integer[], $14::text[])
         ON CONFLICT DO NOTHING",
        &each(rows, |row| row.environment_id.to_string()),
        &each(rows, |row| row.id.to_string()),
        &each(rows, |row| row.at),
        &each(rows, |row| row.actor.to_string()),
        &each(rows, |row| row.action.to_owned()),
        &each(rows, |row| row.account_id.map(|id| id.to_string())) as &[Option<String>],
        &each(rows, |row| row.method.as_ref().map(ToString::to_string)) as &[Option<String>],
        &each(rows, |row| row.request_id.as_deref().map(str::to_owned)) as &[Option<String>],
        &each(rows, |row| !row.is_change),
        &each(rows, |row| row.outcome.name().to_owned()),
        &each(rows, |row| row.status.and_then(|status| i16::try_from(status).ok()))
            as &[Option<i16>],
        &each(rows, |row| {
            row.duration.map(|took| i32::try_from(took.as_millis()).unwrap_or(i32::MAX))
        }) as &[Option<i32>],
        &each(rows, |row| row.calls),
        &each(rows, |row| row.reason.map(str::to_owned)) as &[Option<String>],
    )
    .execute(&store.pool)
    .await?;
    Ok(())
}

impl std::fmt::Debug for UsageLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UsageLog")
    }
}
