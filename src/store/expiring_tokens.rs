//! Access tokens of all environments that expire next, for proactive refresh.

use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// An account whose access token expires soon.
#[derive(Debug, Clone)]
pub struct ExpiringToken {
    /// The account's environment.
    pub environment_id: EnvironmentId,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// Generation of the token pair.
    pub generation: i64,
    /// When the access token was stored.
    pub issued_at: OffsetDateTime,
    /// When the access token expires.
    pub expires_at: OffsetDateTime,
    /// Number of attempts to refresh it, by all gateways.
    pub attempts: i32,
    /// When the last attempt began.
    pub last_attempt_at: Option<OffsetDateTime>,
}

impl Store {
    /// Returns refreshable tokens of active accounts that expire by `by`, the next one first, after the row `after`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn expiring_tokens(
        &self,
        by: OffsetDateTime,
        after: Option<&ExpiringToken>,
        limit: i64,
    ) -> Result<Vec<ExpiringToken>, StoreError> {
        Ok(sqlx::query_as!(
            ExpiringToken,
            r#"SELECT c.environment_id AS "environment_id: EnvironmentId",
                 c.integrated_account_id AS "account_id: IntegratedAccountId", c.generation,
                 c.updated_at AS issued_at, c.expires_at AS "expires_at!", coalesce(tried.attempts, 0) AS "attempts!",
                 tried.last_attempt_at
               FROM account_credentials c
               JOIN integrated_accounts a USING (environment_id, integrated_account_id)
               CROSS JOIN LATERAL (
                 SELECT max(r.attempt) AS attempts, max(r.started_at) AS last_attempt_at
                 FROM credential_refreshes r WHERE r.environment_id = c.environment_id
                 AND r.integrated_account_id = c.integrated_account_id
                 AND r.generation = c.generation) tried
               WHERE c.refresh_token IS NOT NULL AND c.expires_at <= $1 AND a.status = 'active'
               AND (c.expires_at, c.integrated_account_id) > ($2, $3)
               ORDER BY c.expires_at, c.integrated_account_id LIMIT $4"#,
            by,
            after.map_or(OffsetDateTime::UNIX_EPOCH, |row| row.expires_at),
            after.map_or_else(String::new, |row| row.account_id.to_string()),
            limit,
        )
        .fetch_all(&self.pool)
        .await?)
    }
}
