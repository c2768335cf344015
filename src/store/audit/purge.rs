//! The end of old rows of the audit log: the one way by which a row leaves it.

use time::OffsetDateTime;

use crate::store::{Store, StoreError};

/// So many rows go in one transaction.
const AT_ONCE: i64 = 10_000;

impl Store {
    /// Deletes the rows of all environments that are older than `before`, some at a time; tells how many
    /// went. The trigger of the table keeps those of the last 90 days, whatever is asked.
    ///
    /// # Errors
    ///
    /// When the database fails, when rows are too young, or when this role doesn't own the table: then it
    /// can't take the right to delete that the table's owner gave up.
    pub async fn purge_audit_log(&self, before: OffsetDateTime) -> Result<u64, StoreError> {
        let mut gone = 0;
        loop {
            let mut tx = self.pool.begin().await?;
            sqlx::query!("GRANT DELETE ON audit_log TO CURRENT_USER").execute(&mut *tx).await?;
            let deleted = sqlx::query!(
                "DELETE FROM audit_log WHERE ctid = ANY (ARRAY(
                     SELECT ctid FROM audit_log WHERE at < $1 LIMIT $2))",
                before,
                AT_ONCE,
            )
            .execute(&mut *tx)
            .await?
            .rows_affected();
            sqlx::query!("REVOKE DELETE ON audit_log FROM CURRENT_USER").execute(&mut *tx).await?;
            tx.commit().await?;
            gone += deleted;
            if deleted == 0 {
                return Ok(gone);
            }
        }
    }
}
