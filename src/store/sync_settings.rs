//! Settings of the directory sync: of an environment, and of an account.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::audit::{self, AuditEntry};
use super::connections::TimedConnection;
use super::{StoreError, TenantDb, change_sources};
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

    /// Changes the settings of an account; absent fields are unchanged. What changed while the sync was disabled is
    /// read when it is enabled. Returns `false` if there is no account.
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
        let is_resumed = patch.enabled == Some(true)
            && self.sync_settings(account_id).await?.is_some_and(|before| !before.enabled);
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
        if patch.poll_every_s.is_some() {
            advance_polls(&mut tx, self.environment_id, Some(account_id)).await?;
        }
        if is_resumed {
            change_sources::resume(&mut tx, self.environment_id, Some(account_id), now).await?;
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

    /// Changes the settings of the environment; absent fields are unchanged. What changed while the sync was disabled
    /// is read when it is enabled.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn update_environment_sync(
        &self,
        patch: &SyncOverrides,
        audit: &AuditEntry<'_>,
    ) -> Result<(), StoreError> {
        let is_resumed =
            patch.enabled == Some(true) && self.environment_sync().await?.enabled != Some(true);
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "UPDATE environments SET sync = sync || $2 WHERE environment_id = $1",
            self.environment_id as EnvironmentId,
            Json(patch) as Json<&SyncOverrides>,
        )
        .execute(&mut *tx)
        .await?;
        if patch.poll_every_s.is_some() {
            advance_polls(&mut tx, self.environment_id, None).await?;
        }
        if is_resumed {
            change_sources::resume(&mut tx, self.environment_id, None, audit.at).await?;
        }
        audit::append(&mut *tx, self.environment_id, audit).await?;
        Ok(tx.commit().await?)
    }
}

/// Reads the change logs of one account, or of all, at most a poll interval after the last time, as it is set now. A log
/// that could not be read is tried again at its time.
async fn advance_polls(
    connection: &mut TimedConnection,
    environment_id: EnvironmentId,
    account_id: Option<IntegratedAccountId>,
) -> Result<(), StoreError> {
    let default = i64::from(SyncSettings::default().poll_every_s);
    sqlx::query!(
        "UPDATE change_sources s SET log_due_at = LEAST(s.log_due_at, s.log_read_at + make_interval(secs =>
             COALESCE((a.sync->>'poll_every_s')::bigint, (e.sync->>'poll_every_s')::bigint, $3)::double precision))
         FROM integrated_accounts a JOIN environments e USING (environment_id)
         WHERE s.environment_id = $1 AND ($2::text IS NULL OR s.integrated_account_id = $2)
           AND a.environment_id = s.environment_id AND a.integrated_account_id = s.integrated_account_id
           AND s.log_due_at IS NOT NULL AND s.log_read_at IS NOT NULL AND s.log_problem IS NULL",
        environment_id as EnvironmentId,
        account_id as Option<IntegratedAccountId>,
        default,
    )
    .execute(connection)
    .await?;
    Ok(())
}
