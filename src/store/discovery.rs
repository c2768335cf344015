//! What connectors found out about accounts' servers, and the settings of accounts for their providers.

use serde_json::Value;
use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

impl TenantDb {
    /// Stores what was found out about the server of an account at `now`. A result that began before a stored one is
    /// dropped.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn store_discovery(
        &self,
        account_id: IntegratedAccountId,
        discovery: &Value,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE integrated_accounts SET discovery = $3, discovered_at = $4
             WHERE environment_id = $1 AND integrated_account_id = $2
               AND (discovered_at IS NULL OR discovered_at <= $4)",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            discovery,
            now,
        )
        .execute(&self.pool)
        .await?;
        self.invalidate_account(account_id);
        Ok(())
    }

    /// Replaces the settings of an account for its provider; `None` restores the defaults. Returns `false` if there is
    /// no account.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn update_provider_settings(
        &self,
        account_id: IntegratedAccountId,
        settings: Option<&Value>,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let done = sqlx::query!(
            "UPDATE integrated_accounts SET provider_settings = $3, updated_at = $4
             WHERE environment_id = $1 AND integrated_account_id = $2",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            settings,
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
}
