//! The statistics that the planner has of the copies.

use super::super::connections::DatabaseTimeouts;
use super::super::{StoreError, TenantDb};

impl TenantDb {
    /// Updates the planner's statistics of the tables of the copies, after a run that filled them: `autovacuum` does so
    /// about a minute later, and queries without statistics read whole copies. A role that does not own the tables leaves
    /// it to `autovacuum`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn analyze_copies(&self) -> Result<(), StoreError> {
        let mut tx = self.pool.begin_within(DatabaseTimeouts::MAINTENANCE).await?;
        let owns = sqlx::query_scalar!(
            r#"SELECT pg_has_role(relowner, 'USAGE') AS "owns!" FROM pg_class
               WHERE oid = 'directory_versions'::regclass"#
        );
        if owns.fetch_one(&mut *tx).await? {
            sqlx::query("ANALYZE directory_versions").execute(&mut *tx).await?;
        }
        Ok(tx.commit().await?)
    }
}
