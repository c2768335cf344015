//! What callers request of a reconciliation under way: pause and continuation. Workers look at it between steps.

use time::OffsetDateTime;

use super::super::audit::{self, AuditEntry};
use super::super::jobs;
use super::super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, JobId, ReconciliationId};
use crate::domain::job::JobKind;

impl TenantDb {
    /// Requests that a reconciliation under way is paused after its current step. Returns `false` if it is not being
    /// applied.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn pause_reconciliation(
        &self,
        id: ReconciliationId,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let Some(job_id) = self.lock_job_of(&mut tx, id).await? else { return Ok(false) };
        let requested = sqlx::query!(
            "UPDATE reconciliations SET control = COALESCE(control, 'pause')
             WHERE environment_id = $1 AND reconciliation_id = $2 AND job_id = $3 AND status = 'applying'",
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
            job_id as JobId,
        )
        .execute(&mut *tx)
        .await?;
        if requested.rows_affected() == 0 {
            return Ok(false);
        }
        jobs::hasten(&mut tx, (self.environment_id, job_id)).await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Continues a paused reconciliation as a new job. Returns `false` if it is not paused.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn resume_reconciliation(
        &self,
        id: ReconciliationId,
        job_id: JobId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!(
            r#"UPDATE reconciliations SET status = 'applying', control = NULL, job_id = $3
               WHERE environment_id = $1 AND reconciliation_id = $2 AND status = 'paused'
               RETURNING integrated_account_id AS "account_id: IntegratedAccountId""#,
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
            job_id as JobId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let account = (self.environment_id, row.account_id);
        jobs::enqueue(&mut tx, account, job_id, JobKind::Apply, now).await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(true)
    }
}
