//! How changes of each account become known between two runs: when its objects and its provider's change log are read
//! next, by which process, and the position in the log.

use std::time::Duration;

use serde_json::Value;
use sqlx::types::Json;
use time::OffsetDateTime;

use super::change_events::lock_feed;
use super::connections::TimedConnection;
use super::{Store, StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, ProviderAppId};
use crate::domain::sync_run::SyncProblem;

/// A claimed account: proof for each write that no other worker has claimed it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLease {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// The worker's name.
    pub(super) worker: String,
    /// The number of this claim.
    pub(super) claims: i64,
}

/// How changes of an account become known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChangeSourceState {
    /// When the change log is read next; `None` for never.
    pub log_due_at: Option<OffsetDateTime>,
    /// The connector's position in the change log.
    pub log_position: Option<Value>,
    /// When the change log was last read.
    pub log_read_at: Option<OffsetDateTime>,
    /// Why the change log can't be read.
    pub log_problem: Option<SyncProblem>,
    /// When the provider last sent an event.
    pub last_event_at: Option<OffsetDateTime>,
}

impl Store {
    /// Claims an account with due objects or, if this worker `reads_logs`, a due change log, for `lease`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_source(
        &self,
        worker: &str,
        lease: Duration,
        reads_logs: bool,
        now: OffsetDateTime,
    ) -> Result<Option<SourceLease>, StoreError> {
        let row = sqlx::query!(
            r#"UPDATE change_sources SET worker = $1, claims = claims + 1,
                   lease_until = clock_timestamp() + make_interval(secs => $2)
               WHERE (integrated_account_id, environment_id) = (
                   SELECT integrated_account_id, environment_id FROM change_sources
                   WHERE (rechecks_due_at <= $3 OR ($4 AND log_due_at <= $3))
                     AND (lease_until IS NULL OR lease_until < clock_timestamp())
                   ORDER BY LEAST(rechecks_due_at, CASE WHEN $4 THEN log_due_at END) LIMIT 1
                   FOR UPDATE SKIP LOCKED)
               RETURNING environment_id AS "environment_id: EnvironmentId",
                   integrated_account_id AS "account_id: IntegratedAccountId", claims"#,
            worker,
            lease.as_secs_f64(),
            now,
            reads_logs,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| SourceLease {
            environment_id: row.environment_id,
            account_id: row.account_id,
            worker: worker.to_owned(),
            claims: row.claims,
        }))
    }

    /// Extends a lease. Returns `false` when another worker has claimed the account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn extend_source_lease(
        &self,
        lease: &SourceLease,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE change_sources SET lease_until = clock_timestamp() + make_interval(secs => $5)
             WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4",
            lease.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.worker,
            lease.claims,
            duration.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends a lease. Other accounts that are due have precedence; nothing is due before `not_before`.
    ///
    /// # Errors
    ///
    /// When the database fails; then the lease ends with its time.
    pub async fn release_source(
        &self,
        lease: &SourceLease,
        not_before: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let claimed = sqlx::query_scalar!(
            "SELECT claims FROM change_sources
             WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4 FOR UPDATE",
            lease.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            lease.worker,
            lease.claims,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if claimed.is_none() {
            return Ok(());
        }
        // A statement of its own: it sees the reports that were recorded while the row was not locked.
        sqlx::query!(
            "UPDATE change_sources SET worker = NULL, lease_until = NULL,
                 log_due_at = GREATEST(log_due_at, CASE WHEN log_due_at IS NOT NULL THEN $3::timestamptz END),
                 rechecks_due_at = (
                     SELECT GREATEST(min(due_at), $3) FROM rechecks
                     WHERE environment_id = $1 AND integrated_account_id = $2 AND is_pending
                     HAVING count(*) > 0)
             WHERE environment_id = $1 AND integrated_account_id = $2",
            lease.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            not_before,
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}

impl TenantDb {
    /// Returns how changes of an account become known.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn change_source(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<ChangeSourceState, StoreError> {
        let row = sqlx::query!(
            r#"SELECT log_due_at, log_position, log_read_at, last_event_at,
                      log_problem AS "log_problem: Json<SyncProblem>"
               FROM change_sources WHERE environment_id = $1 AND integrated_account_id = $2"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row
            .map(|row| ChangeSourceState {
                log_due_at: row.log_due_at,
                log_position: row.log_position,
                log_read_at: row.log_read_at,
                log_problem: row.log_problem.map(|problem| problem.0),
                last_event_at: row.last_event_at,
            })
            .unwrap_or_default())
    }

    /// Returns whether a full run is needed, of an active account whose sync is enabled, and no run is held.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn needs_run(&self, account_id: IntegratedAccountId) -> Result<bool, StoreError> {
        let needed = sqlx::query_scalar!(
            r#"SELECT s.run_needed AND a.status = 'active'
                      AND COALESCE((a.sync->>'enabled')::boolean, (e.sync->>'enabled')::boolean, false)
                      AND NOT EXISTS (
                          SELECT FROM sync_runs r
                          WHERE r.environment_id = s.environment_id AND r.status = 'held'
                            AND r.integrated_account_id = s.integrated_account_id) AS "needed!"
               FROM change_sources s
               JOIN integrated_accounts a
                   ON a.environment_id = s.environment_id AND a.integrated_account_id = s.integrated_account_id
               JOIN environments e ON e.environment_id = s.environment_id
               WHERE s.environment_id = $1 AND s.integrated_account_id = $2"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(needed.unwrap_or_default())
    }

    /// Records that the full run that was needed is requested.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn clear_needed_run(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        set_run_needed(&mut tx, (self.environment_id, account_id), false).await?;
        Ok(tx.commit().await?)
    }

    /// Returns the active accounts of an organization, linked by a provider app, whose directories are copied.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn followed_accounts(
        &self,
        provider_app_id: ProviderAppId,
        organization_id: &str,
    ) -> Result<Vec<IntegratedAccountId>, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT a.integrated_account_id AS "id: IntegratedAccountId"
               FROM integrated_accounts a JOIN environments e USING (environment_id)
               WHERE a.environment_id = $1 AND a.provider_app_id = $2 AND a.organization_id = $3
                 AND a.status = 'active'
                 AND COALESCE((a.sync->>'enabled')::boolean, (e.sync->>'enabled')::boolean, false)
               ORDER BY a.integrated_account_id"#,
            self.environment_id as EnvironmentId,
            provider_app_id as ProviderAppId,
            organization_id,
        )
        .fetch_all(&self.pool)
        .await?)
    }
}

/// Returns whether the lease is valid. The row is not locked: it is the last one that a transaction locks, after
/// `account_feeds` and `rechecks`.
pub(super) async fn holds_lease(
    connection: &mut TimedConnection,
    lease: &SourceLease,
) -> Result<bool, StoreError> {
    let row = sqlx::query_scalar!(
        "SELECT claims FROM change_sources
         WHERE environment_id = $1 AND integrated_account_id = $2 AND worker = $3 AND claims = $4",
        lease.environment_id as EnvironmentId,
        lease.account_id as IntegratedAccountId,
        lease.worker,
        lease.claims,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// Makes an account with a copy one whose change log is read.
pub(super) async fn start(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO change_sources AS source (environment_id, integrated_account_id, log_due_at)
         VALUES ($1, $2, $3)
         ON CONFLICT (integrated_account_id, environment_id)
             DO UPDATE SET log_due_at = COALESCE(source.log_due_at, $3)",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Makes up for what an account without a valid grant has missed, in the transaction that gives it one. Locks the feed
/// of the account first: transactions with changes lock both in this order.
pub(super) async fn resume_account(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    lock_feed(&mut *connection, account, now).await?;
    resume(connection, account.0, Some(account.1), now).await
}

/// Makes up for what one account, or all that follow the settings of their environment, have missed: the change log is
/// read now, and a full run is needed.
pub(super) async fn resume(
    connection: &mut TimedConnection,
    environment_id: EnvironmentId,
    account_id: Option<IntegratedAccountId>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE change_sources s SET log_due_at = $3, run_needed = true
         FROM integrated_accounts a
         WHERE s.environment_id = $1 AND a.environment_id = s.environment_id
           AND a.integrated_account_id = s.integrated_account_id
           AND (s.integrated_account_id = $2 OR ($2::text IS NULL AND a.sync->>'enabled' IS NULL))",
        environment_id as EnvironmentId,
        account_id as Option<IntegratedAccountId>,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Records whether a full run is needed.
pub(super) async fn set_run_needed(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    is_needed: bool,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE change_sources SET run_needed = $3
         WHERE environment_id = $1 AND integrated_account_id = $2",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        is_needed,
    )
    .execute(connection)
    .await?;
    Ok(())
}
