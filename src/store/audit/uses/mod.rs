//! The uses of accounts' credentials: every call to a provider. A call tells of itself in memory, and goes on;
//! the rows are written down together, within a second. While the database is away they wait (`gathering`).
//!
//! A call that may change something at the provider is written down before it is sent, in the database, like
//! every other change: only its end comes this way.

mod gathering;
mod notes;

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::gathering::{Gathering, Row, Taken, Told};
pub use self::notes::Noted;
use self::notes::{Notes, PERIOD};
use super::bounded;
use crate::domain::audit::Outcome;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{AuditId, EnvironmentId, IntegratedAccountId};
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

/// So many rows don't wait for more.
const MANY: usize = 500;
/// So many are written at once.
const AT_ONCE: usize = 2_000;
/// How long the first row waits for others.
const GATHER: Duration = Duration::from_secs(1);
/// The pause after a failed try.
const PAUSE: Duration = Duration::from_secs(1);
/// How long the last rows may take at a stop.
const LAST: Duration = Duration::from_secs(10);

/// The uses that are not written down yet. Clones share them.
#[derive(Clone)]
pub struct UseLog(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    waiting: Mutex<Waiting>,
    first: Notify,
    many: Notify,
    /// One writer at a time, so that a row which is on its way is waited for.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    rows: Gathering,
    /// What is counted.
    notes: Notes,
    /// How many found no room since the last row was written.
    lost: u64,
}

/// Whoever uses an account's credentials, for one request.
#[derive(Debug, Clone, Copy)]
pub struct UsedBy<'a> {
    /// Where it is written down.
    pub log: &'a UseLog,
    /// The environment of the account.
    pub environment_id: EnvironmentId,
    /// The key that is used.
    pub actor: &'a str,
    /// What for: `proxy.called` or `directory.called`.
    pub action: &'static str,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// The request.
    pub request_id: Option<&'a str>,
}

impl<'a> UsedBy<'a> {
    /// A call of that method begins: it only reads, or is written down as a change elsewhere.
    pub fn begin(self, method: Cow<'static, str>) -> Using<'a> {
        Using::new(self, method, false)
    }

    /// A call of that method begins that may change something: this is in the database before it is sent.
    ///
    /// # Errors
    ///
    /// When the database fails: then it must not be sent.
    pub async fn begin_change(self, method: Cow<'static, str>) -> Result<Using<'a>, StoreError> {
        let Inner { store, clock, entropy, .. } = &*self.log.0;
        let at = clock.now();
        sqlx::query!(
            "INSERT INTO audit_log (environment_id, audit_id, at, actor, action, integrated_account_id,
                 request_id, outcome, provider_method)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            self.environment_id as EnvironmentId,
            AuditId::of(at, &**entropy) as AuditId,
            at,
            bounded(self.actor),
            self.action,
            self.account_id as IntegratedAccountId,
            self.request_id.map(bounded),
            Outcome::Started.name(),
            bounded(&method),
        )
        .execute(&store.pool)
        .await?;
        Ok(Using::new(self, method, true))
    }
}

/// A call that runs. Whoever drops it without an end has given it up.
#[must_use]
pub struct Using<'a> {
    by: UsedBy<'a>,
    method: Cow<'static, str>,
    is_change: bool,
    outcome: Outcome,
    status: Option<u16>,
    began: Instant,
}

impl<'a> Using<'a> {
    fn new(by: UsedBy<'a>, method: Cow<'static, str>, is_change: bool) -> Self {
        let (outcome, status) = (Outcome::Abandoned, None);
        Self { by, method, is_change, outcome, status, began: Instant::now() }
    }

    /// The call has ended, with an answer of that status or with none.
    pub fn end(mut self, status: Option<u16>) {
        self.status = status;
        self.outcome = if status.is_some() { Outcome::Answered } else { Outcome::Failed };
    }
}

impl Drop for Using<'_> {
    fn drop(&mut self) {
        let Self { by, ref method, is_change, outcome, status, began } = *self;
        let (at, took) = (by.log.0.clock.now(), began.elapsed());
        by.log.add(&Told { by, method, is_change, at, outcome, status, took });
    }
}

impl UseLog {
    /// Nothing yet. Rows are written while [`UseLog::run`] runs.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: Metrics,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            clock,
            entropy,
            metrics,
            waiting: Mutex::default(),
            first: Notify::new(),
            many: Notify::new(),
            writing: tokio::sync::Mutex::new(()),
        }))
    }

    /// Writes down what is told, and when keys were last used, until `enough`.
    pub async fn run(self, enough: CancellationToken) {
        tokio::select! {
            () = enough.cancelled() => {}
            () = self.work() => {}
        }
    }

    /// Writes down what waits still: for whoever stops, when nothing runs any more.
    pub async fn finish(&self) {
        self.gather_all_notes();
        let writing = async {
            while let Err(error) = self.write().await {
                tracing::warn!(%error, "the last uses of credentials wait for the database");
                sleep(PAUSE).await;
            }
        };
        if timeout(LAST, writing).await.is_err() {
            let lost = self.waiting_rows();
            tracing::error!(lost, "the audit log did not take the last uses of credentials");
        }
    }

    /// How many rows wait.
    #[must_use]
    pub fn waiting_rows(&self) -> usize {
        self.waiting().rows.len()
    }

    async fn work(&self) {
        loop {
            if self.waiting().rows.is_empty() {
                tokio::select! {
                    () = self.0.first.notified() => {}
                    () = self.0.store.key_uses.told() => {}
                    () = sleep(PERIOD) => {}
                }
            }
            self.gather_notes();
            let _ = timeout(GATHER, self.0.many.notified()).await;
            if let Err(error) = self.write().await {
                tracing::debug!(%error, "uses of credentials wait for the database");
                sleep(PAUSE).await;
            }
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, told: &Told<'_>) {
        let taken = self.waiting().rows.add(told, || AuditId::of(told.at, &*self.0.entropy));
        self.wake(taken);
    }

    fn add_row(&self, row: Row) {
        let taken = self.waiting().rows.push(row);
        self.wake(taken);
    }

    fn wake(&self, taken: Taken) {
        match taken {
            Taken::Waits(1) => self.0.first.notify_one(),
            Taken::Waits(MANY) => self.0.many.notify_one(),
            Taken::Counted | Taken::Waits(_) => {}
            Taken::Lost => self.lose(),
        }
    }

    fn lose(&self) {
        let mut waiting = self.waiting();
        waiting.lost += 1;
        if waiting.lost == 1 {
            tracing::error!("the audit log has no room for uses of credentials: they are lost");
        }
        self.0.metrics.audit_lost();
    }

    /// Writes down what waits. What the database can't take now waits on.
    async fn write(&self) -> Result<(), StoreError> {
        let _alone = self.0.writing.lock().await;
        let rows = self.write_rows().await;
        // One of both that fails does not hold up the other.
        let uses = self.0.store.write_key_uses().await;
        rows.and(uses)
    }

    async fn write_rows(&self) -> Result<(), StoreError> {
        loop {
            let rows = self.waiting().rows.take(AT_ONCE);
            if rows.is_empty() {
                return Ok(());
            }
            let mut batch = Batch { log: self, rows };
            match insert(&self.0.store, &batch.rows).await {
                Ok(()) => {}
                Err(error) if is_about_a_row(&error) => {
                    self.write_singly(&batch.rows, &error).await?;
                }
                Err(error) => return Err(error),
            }
            batch.rows.clear();
            let lost = std::mem::take(&mut self.waiting().lost);
            if lost > 0 {
                tracing::error!(lost, "uses of credentials are not in the audit log");
            }
        }
    }

    /// One row that the database refuses must not take others with it.
    async fn write_singly(&self, rows: &[Row], error: &StoreError) -> Result<(), StoreError> {
        tracing::error!(%error, "a batch for the audit log was refused");
        for row in rows {
            match insert(&self.0.store, std::slice::from_ref(row)).await {
                Ok(()) => {}
                Err(error) if is_about_a_row(&error) => {
                    self.waiting().lost += 1;
                    self.0.metrics.audit_lost();
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Rows that are being written: those that are still in it when it is dropped wait again, in their place.
struct Batch<'a> {
    log: &'a UseLog,
    rows: Vec<Row>,
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.log.waiting().rows.put_back(self.rows.drain(..));
    }
}

/// Whether another try would be refused as well: a value or a constraint is at fault.
fn is_about_a_row(error: &StoreError) -> bool {
    match error {
        StoreError::Conflict(_) => true,
        StoreError::Refused(sqlx::Error::Database(error)) => {
            error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
        }
        StoreError::Refused(_)
        | StoreError::Unavailable(_)
        | StoreError::Busy(_)
        | StoreError::QuotaExceeded { .. }
        | StoreError::Inconsistent { .. } => false,
    }
}

/// Adds rows; those that are there already stay as they are, so a try whose answer was lost may be repeated.
async fn insert(store: &Store, rows: &[Row]) -> Result<(), StoreError> {
    fn each<'r, T>(rows: &'r [Row], of: impl FnMut(&'r Row) -> T) -> Vec<T> {
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
            row.took.map(|took| i32::try_from(took.as_millis()).unwrap_or(i32::MAX))
        }) as &[Option<i32>],
        &each(rows, |row| row.calls),
        &each(rows, |row| row.reason.map(str::to_owned)) as &[Option<String>],
    )
    .execute(&store.pool)
    .await?;
    Ok(())
}

impl std::fmt::Debug for UseLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UseLog")
    }
}
