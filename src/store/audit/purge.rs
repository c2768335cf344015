//! The end of old rows of the audit log: the one way by which a row leaves it.

use time::OffsetDateTime;

use super::read::SLACK;
use crate::domain::ids::{AuditId, EnvironmentId};
use crate::store::connections::Deadlines;
use crate::store::{Store, StoreError};

/// So many rows go in one transaction.
const BATCH: i64 = 10_000;
/// The advisory lock of whoever purges the audit log: two grants on one table at the same moment fail.
const LOCK: i64 = 0x7362_6175_6469_7470;

impl Store {
    /// Deletes the rows of all environments that are older than `before`, a batch at a time, and returns how many
    /// it deleted. The trigger of the table keeps those of the last 90 days, whatever is asked. Each batch goes on
    /// behind the last row of the one before, so that no batch reads again what others deleted.
    ///
    /// # Errors
    ///
    /// When the database fails, when rows are too young, or when this role doesn't own the table: then it
    /// can't take the right to delete that the table's owner gave up.
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

    /// Deletes the first old rows of an environment behind the row `after`; returns how many those were and which
    /// was the last one.
    async fn purge_audit_batch(
        &self,
        environment_id: EnvironmentId,
        after: &str,
        before: OffsetDateTime,
    ) -> Result<Option<(u64, String)>, StoreError> {
        // The order of ids is that of time, as far as an index needs it.
        let end = before.checked_add(SLACK).map(|end| AuditId::first_of(end).to_string());
        let mut tx = self.pool.begin_within(Deadlines::MAINTENANCE).await?;
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", LOCK).execute(&mut *tx).await?;
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
            BATCH,
        )
        .fetch_one(&mut *tx)
        .await?;
        sqlx::query!("REVOKE DELETE ON audit_log FROM CURRENT_USER").execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(batch.last.map(|last| (u64::try_from(batch.count).unwrap_or(0), last)))
    }
}
