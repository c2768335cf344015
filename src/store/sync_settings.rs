//! Settings of the directory sync: of an environment, and of an account.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::{SyncOverrides, SyncSettings};

impl TenantDb {
    /// Returns the effective settings of an account; `None` if there is no account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sync_settings(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<Option<SyncSettings>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT a.sync AS "account: Json<SyncOverrides>", e.sync AS "environment: Json<SyncOverrides>"
               FROM integrated_accounts a JOIN environments e USING (environment_id)
               WHERE a.environment_id = $1 AND a.integrated_account_id = $2"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row
            .map(|row| row.account.0.apply_to(row.environment.0.apply_to(SyncSettings::default()))))
    }

    /// Changes the settings of an account; absent fields are unchanged. Returns `false` if there is no account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn update_account_sync(
        &self,
        account_id: IntegratedAccountId,
        patch: &SyncOverrides,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let done = sqlx::query!(
            "UPDATE integrated_accounts SET sync = sync || $3, updated_at = $4
             WHERE environment_id = $1 AND integrated_account_id = $2",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            Json(patch) as Json<&SyncOverrides>,
            now,
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        self.invalidate_account(account_id);
        Ok(true)
    }

    /// Returns the settings of the environment.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn environment_sync(&self) -> Result<SyncOverrides, StoreError> {
        let row = sqlx::query_scalar!(
            r#"SELECT sync AS "sync: Json<SyncOverrides>" FROM environments WHERE environment_id = $1"#,
            self.environment_id as EnvironmentId,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|settings| settings.0).unwrap_or_default())
    }

    /// Changes the settings of the environment; absent fields are unchanged.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn update_environment_sync(
        &self,
        patch: &SyncOverrides,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "UPDATE environments SET sync = sync || $2 WHERE environment_id = $1",
            self.environment_id as EnvironmentId,
            Json(patch) as Json<&SyncOverrides>,
        )
        .execute(&mut *tx)
        .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        Ok(tx.commit().await?)
    }
}
