//! Purge of old audit log rows: the only way to delete any.

use time::OffsetDateTime;

use super::query::MAX_ID_SKEW;
use crate::domain::ids::{AuditId, EnvironmentId};
use crate::store::connections::DatabaseTimeouts;
use crate::store::{Store, StoreError};

/// Maximum number of rows deleted in one transaction.
const BATCH_ROWS: i64 = 10_000;
/// Advisory lock of a purge: two concurrent grants on one table fail.
const PURGE_LOCK_ID: i64 = 0x7362_6175_6469_7470;

impl Store {
    /// Deletes the rows of all environments that are older than `before`, in batches, and returns their number. The
    /// table's trigger rejects rows of the last 90 days. Each batch starts after the last row of the previous one, so
    /// no batch re-reads deleted rows.
    ///
    /// # Errors
    ///
    /// When the database fails, rows are too young, or this role does not own the table: only the owner can grant
    /// itself the revoked right to delete.
    pub async fn purge_audit_log(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        let environments = sqlx::query_scalar!(
            r#"SELECT environment_id AS "id: EnvironmentId" FROM environments ORDER BY environment_id"#
        )
        .fetch_all(&self.pool)
        .await?;
        let mut deleted = 0;
        for environment_id in environments {
            let mut after = String::new();
            while let Some((count, last)) =
                self.purge_audit_batch(environment_id, &after, before).await?
            {
                deleted += count;
                after = last;
            }
        }
        Ok(deleted)
    }

    /// Deletes the first old rows of an environment after the row `after`; returns their number and the id of the last
    /// one, or `None` if there were none.
    async fn purge_audit_batch(
        &self,
        environment_id: EnvironmentId,
        after: &str,
        before: OffsetDateTime,
    ) -> Result<Option<(u64, String)>, StoreError> {
        // Ids sort by time, up to `MAX_ID_SKEW`.
        let end = before.checked_add(MAX_ID_SKEW).map(|end| AuditId::first_of(end).to_string());
        let mut tx = self.pool.begin_within(DatabaseTimeouts::MAINTENANCE).await?;
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", PURGE_LOCK_ID).execute(&mut *tx).await?;
        sqlx::query!("GRANT DELETE ON audit_log TO CURRENT_USER").execute(&mut *tx).await?;
        let batch = sqlx::query!(
            r#"WITH gone AS (
                   DELETE FROM audit_log WHERE environment_id = $1 AND audit_id = ANY (ARRAY(
                       SELECT audit_id FROM audit_log
                       WHERE environment_id = $1 AND audit_id > $2 AND at < $4
                         AND ($3::text IS NULL OR audit_id < $3)
                       ORDER BY audit_id LIMIT $5))
                   RETURNING audit_id)
               SELECT count(*) AS "count!", max(audit_id) AS last FROM gone"#,
            environment_id as EnvironmentId,
            after,
            end,
            before,
            BATCH_ROWS,
        )
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query!("REVOKE DELETE ON audit_log FROM CURRENT_USER").execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(batch.last.map(|last| (u64::try_from(batch.count).unwrap_or(0), last)))
    }
}
