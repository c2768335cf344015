//! Erasure of copies: of disconnected accounts, and of versions that are older than the history.

use time::OffsetDateTime;

use super::super::connections::Transaction;
use super::super::events::lock_feed;
use super::super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// Maximum number of versions deleted in one transaction.
const BATCH_ROWS: i64 = 5_000;

impl TenantDb {
    /// Erases the copy of an account with its history, what runs have read, and the objects in its events.
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

/// Erases a batch of an account's copy and returns the number of rows.
async fn erase_batch(
    tx: &mut Transaction,
    environment_id: EnvironmentId,
    account_id: IntegratedAccountId,
) -> Result<u64, StoreError> {
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
    let objects = sqlx::query!(
        "UPDATE events SET object = NULL, previous = NULL
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
    sqlx::query!(
        "WITH seen AS (DELETE FROM sync_seen WHERE integrated_account_id = $1),
              profiles AS (DELETE FROM sync_profiles WHERE integrated_account_id = $1)
         DELETE FROM directory_copies WHERE integrated_account_id = $1",
        account_id as IntegratedAccountId,
    )
    .execute(&mut **tx)
    .await?;
    Ok(versions + objects)
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

/// Erases a batch of the copies of accounts that were disconnected while a crash kept their copies.
pub(in crate::store) async fn purge_disconnected(
    tx: &mut Transaction,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM directory_versions v USING (
                   SELECT old.integrated_account_id, old.kind, old.object_id, old.valid_from
                   FROM integrated_accounts a CROSS JOIN LATERAL (
                       SELECT d.* FROM directory_versions d
                       WHERE d.integrated_account_id = a.integrated_account_id LIMIT $1) old
                   WHERE a.status = 'disconnected' LIMIT $1) old
               WHERE v.integrated_account_id = old.integrated_account_id AND v.kind = old.kind
                 AND v.object_id = old.object_id AND v.valid_from = old.valid_from
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}
