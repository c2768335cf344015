//! What was read of providers' change logs: the new entries, with the changes that they report, and the position.

use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::change_sources::{SourceLease, holds_lease};
use super::connections::Transaction;
use super::{StoreError, TenantDb, rechecks};
use crate::domain::event::EventOrigin;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::reported_change::ReportedChange;
use crate::domain::sync_run::SyncProblem;

/// How long entries are remembered, by the provider's time. Logs are read again from less far back.
const ENTRY_RETENTION: time::Duration = time::Duration::days(1);

/// An entry of a change log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLogEntry {
    /// The provider's id of the entry.
    pub id: String,
    /// The provider's time of the entry.
    pub at: OffsetDateTime,
    /// The changes that it reports.
    pub changes: Vec<ReportedChange>,
    /// Whether a full run is needed.
    pub needs_run: bool,
}

/// What was read of a change log.
#[derive(Debug)]
pub struct LogRead<'a> {
    /// The entries; those that were recorded before are ignored.
    pub entries: &'a [NewLogEntry],
    /// The position after them.
    pub position: Option<&'a Value>,
    /// When the provider was asked; `None` when the log was not read.
    pub read_at: Option<OffsetDateTime>,
    /// How the gateway learns of changes by this log.
    pub origin: EventOrigin,
    /// Why the log could not be read.
    pub problem: Option<&'a SyncProblem>,
    /// Whether a full run is needed, whatever the entries.
    pub needs_run: bool,
    /// When it is read next; `None` for never.
    pub next: Option<OffsetDateTime>,
}

impl TenantDb {
    /// Stores what was read of a change log: the changes of new entries, and the position after them. Returns the number
    /// of new entries; `None` when another worker has claimed the account.
    ///
    /// # Errors
    ///
    /// When the database fails; then nothing is stored.
    pub async fn record_log(
        &self,
        lease: &SourceLease,
        read: &LogRead<'_>,
        now: OffsetDateTime,
    ) -> Result<Option<usize>, StoreError> {
        let account = (self.environment_id, lease.account_id);
        let mut tx = self.pool.begin().await?;
        if !holds_lease(&mut tx, lease).await? {
            return Ok(None);
        }
        let (ids, times): (Vec<String>, Vec<OffsetDateTime>) =
            read.entries.iter().map(|entry| (entry.id.clone(), entry.at)).unzip();
        let new = sqlx::query_scalar!(
            "INSERT INTO change_log_entries (environment_id, integrated_account_id, entry_id, at)
             SELECT DISTINCT ON (n.entry_id) $1, $2, n.entry_id, n.at
             FROM UNNEST($3::text[], $4::timestamptz[]) AS n (entry_id, at) ORDER BY n.entry_id
             ON CONFLICT DO NOTHING RETURNING entry_id",
            account.0 as EnvironmentId,
            account.1 as IntegratedAccountId,
            &ids,
            &times,
        )
        .fetch_all(&mut *tx)
        .await?;
        let new: std::collections::HashSet<&str> = new.iter().map(String::as_str).collect();
        let is_new = |entry: &&NewLogEntry| new.contains(entry.id.as_str());
        let changes: Vec<ReportedChange> =
            read.entries.iter().filter(is_new).flat_map(|entry| entry.changes.clone()).collect();
        let needs_run =
            read.needs_run || read.entries.iter().filter(is_new).any(|entry| entry.needs_run);
        rechecks::record(&mut tx, account, read.origin, &changes, now).await?;
        let done = sqlx::query!(
            "UPDATE change_sources SET log_position = COALESCE($3, log_position), log_due_at = $4,
                 log_read_at = COALESCE($5, log_read_at), log_problem = $6, run_needed = run_needed OR $7
             WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $8 AND claims = $9",
            account.0 as EnvironmentId,
            account.1 as IntegratedAccountId,
            read.position,
            read.next,
            read.read_at,
            read.problem.map(Json) as Option<Json<&SyncProblem>>,
            needs_run,
            lease.worker,
            lease.claims,
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(None);
        }
        tx.commit().await?;
        Ok(Some(new.len()))
    }
}

/// Deletes a batch of old entries of change logs.
pub(super) async fn purge_entries(
    tx: &mut Transaction,
    now: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM change_log_entries WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM change_log_entries WHERE at < $1
                   ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        now - ENTRY_RETENTION,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}
