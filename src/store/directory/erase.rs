//! Erasure of copies: of disconnected accounts, and of versions that are older than the history. What webhooks responded
//! to the events of a disconnected account is erased first.

use time::OffsetDateTime;

use super::super::change_events::lock_feed;
use super::super::connections::Transaction;
use super::super::{StoreError, TenantDb, webhooks};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// Maximum number of versions deleted in one transaction.
const BATCH_ROWS: i64 = 5_000;

impl TenantDb {
    /// Erases the copy of a disconnected account with its history, what runs have read, violations, reconciliations with
    /// their desired states and steps, the objects in its events, and what webhooks responded to these events.
    ///
    /// # Errors
    ///
    /// When the database fails; the purge erases the rest later.
    pub async fn erase_copy(
        &self,
        account_id: IntegratedAccountId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        self.end_runs(account_id, now).await?;
        let account = (self.environment_id, account_id);
        loop {
            let mut tx = self.pool.begin().await?;
            let count = webhooks::erase_responses(&mut tx, account, BATCH_ROWS).await?;
            tx.commit().await?;
            if count == 0 {
                break;
            }
        }
        loop {
            let mut tx = self.pool.begin().await?;
            let count = erase_batch(&mut tx, self.environment_id, account_id).await?;
            tx.commit().await?;
            if count == 0 {
                return Ok(());
            }
        }
    }

    /// Ends the jobs and runs of an account, so that they write nothing more.
    async fn end_runs(
        &self,
        account_id: IntegratedAccountId,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        lock_feed(&mut tx, (self.environment_id, account_id), now).await?;
        sqlx::query!(
            "WITH runs AS (
                 UPDATE sync_runs SET status = 'cancelled', ended_at = $3
                 WHERE environment_id = $1 AND integrated_account_id = $2
                   AND status IN ('queued', 'running', 'held'))
             UPDATE jobs SET status = 'cancelled', ended_at = $3
             WHERE environment_id = $1 AND integrated_account_id = $2
               AND status IN ('queued', 'running')",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            now,
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}

/// Erases a batch of an account's copy and returns the number of rows: 0 when nothing is left. The versions are erased
/// after the objects of events: as long as there are versions, the erasure is not complete.
async fn erase_batch(
    tx: &mut Transaction,
    environment_id: EnvironmentId,
    account_id: IntegratedAccountId,
) -> Result<u64, StoreError> {
    let objects = sqlx::query!(
        "UPDATE events SET object = NULL, previous = NULL, actor = CASE origin WHEN 'gateway' THEN actor END
         WHERE environment_id = $1 AND position IN (
             SELECT position FROM events
             WHERE environment_id = $1 AND integrated_account_id = $2
               AND (object IS NOT NULL OR previous IS NOT NULL) LIMIT $3)",
        environment_id as EnvironmentId,
        account_id as IntegratedAccountId,
        BATCH_ROWS,
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if objects > 0 {
        return Ok(objects);
    }
    let versions = sqlx::query!(
        "DELETE FROM directory_versions v USING (
             SELECT kind, object_id, valid_from FROM directory_versions
             WHERE environment_id = $1 AND integrated_account_id = $2 LIMIT $3) old
         WHERE v.environment_id = $1 AND v.integrated_account_id = $2 AND v.kind = old.kind
           AND v.object_id = old.object_id AND v.valid_from = old.valid_from",
        environment_id as EnvironmentId,
        account_id as IntegratedAccountId,
        BATCH_ROWS,
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    if versions > 0 {
        return Ok(versions);
    }
    // First the rows that are locked before the others.
    let sources = sqlx::query!(
        "WITH evaluations AS (
             DELETE FROM policy_evaluations WHERE environment_id = $1 AND integrated_account_id = $2)
         DELETE FROM change_sources WHERE environment_id = $1 AND integrated_account_id = $2",
        environment_id as EnvironmentId,
        account_id as IntegratedAccountId,
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    let copies = sqlx::query!(
        "WITH found AS (DELETE FROM violations WHERE integrated_account_id = $1),
              plans AS (DELETE FROM reconciliations WHERE integrated_account_id = $1),
              rows AS (DELETE FROM reconciliation_rows WHERE integrated_account_id = $1),
              seen AS (DELETE FROM sync_seen WHERE integrated_account_id = $1),
              profiles AS (DELETE FROM sync_profiles WHERE integrated_account_id = $1),
              rechecks AS (DELETE FROM rechecks WHERE integrated_account_id = $1),
              entries AS (DELETE FROM change_log_entries WHERE integrated_account_id = $1),
              causes AS (DELETE FROM change_causes WHERE integrated_account_id = $1),
              own AS (DELETE FROM own_changes WHERE integrated_account_id = $1),
              sizes AS (DELETE FROM directory_copy_sizes WHERE integrated_account_id = $1)
         DELETE FROM directory_copies WHERE integrated_account_id = $1",
        account_id as IntegratedAccountId,
    )
    .execute(&mut **tx)
    .await?
    .rows_affected();
    Ok(sources + copies)
}

/// Erases a batch of the copies of disconnected accounts, and of versions older than the accounts' `history_days`.
pub(in crate::store) async fn purge(
    tx: &mut Transaction,
    now: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM directory_versions v USING (
                   SELECT old.integrated_account_id, old.kind, old.object_id, old.valid_from
                   FROM integrated_accounts a JOIN environments e USING (environment_id)
                   CROSS JOIN LATERAL (
                       SELECT d.* FROM directory_versions d
                       WHERE d.integrated_account_id = a.integrated_account_id AND d.valid_to <> 'infinity'
                         AND d.valid_to < $1::timestamptz - make_interval(days =>
                             COALESCE((a.sync->>'history_days')::int, (e.sync->>'history_days')::int, 400))
                       ORDER BY d.valid_to LIMIT $2) old
                   LIMIT $2) old
               WHERE v.integrated_account_id = old.integrated_account_id AND v.kind = old.kind
                 AND v.object_id = old.object_id AND v.valid_from = old.valid_from
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        now,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}

/// Continues the erasure of an account that was disconnected, if a crash or an impatient caller interrupted it. Returns
/// the number of rows: 0 when all erasures are complete.
pub(in crate::store) async fn purge_disconnected(tx: &mut Transaction) -> Result<i64, StoreError> {
    let account = sqlx::query!(
        r#"SELECT a.environment_id AS "environment_id: EnvironmentId",
                  a.integrated_account_id AS "account_id: IntegratedAccountId", r.has_responses AS "has_responses!"
           FROM integrated_accounts a CROSS JOIN LATERAL (
               SELECT EXISTS (SELECT FROM webhook_deliveries d
                   WHERE d.environment_id = a.environment_id AND d.integrated_account_id = a.integrated_account_id
                     AND d.attempts @? '$[*].response_body ? (@ != null)') AS has_responses) r
           WHERE a.status = 'disconnected' AND (
               r.has_responses
               OR EXISTS (SELECT FROM directory_versions v WHERE v.integrated_account_id = a.integrated_account_id)
               OR EXISTS (SELECT FROM directory_copies c WHERE c.integrated_account_id = a.integrated_account_id)
               OR EXISTS (SELECT FROM change_sources s WHERE s.integrated_account_id = a.integrated_account_id))
           LIMIT 1"#,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(account) = account else { return Ok(0) };
    let (environment_id, account_id) = (account.environment_id, account.account_id);
    let count = if account.has_responses {
        webhooks::erase_responses(tx, (environment_id, account_id), BATCH_ROWS).await?
    } else {
        erase_batch(tx, environment_id, account_id).await?
    };
    Ok(i64::try_from(count).unwrap_or(i64::MAX))
}
