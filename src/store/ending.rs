//! The tokens of all environments that end next: what is renewed ahead of time.

use time::OffsetDateTime;

use super::{Store, StoreError};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};

/// An account whose access token ends.
#[derive(Debug, Clone)]
pub struct EndingToken {
    /// Whose account it is.
    pub environment_id: EnvironmentId,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// Which pair the token is of.
    pub generation: i64,
    /// When it ends.
    pub expires_at: OffsetDateTime,
    /// How often its renewal was tried, by anyone.
    pub attempts: i32,
    /// When it was last tried.
    pub last_attempt_at: Option<OffsetDateTime>,
}

impl Store {
    /// The tokens of working accounts that end by then and can be renewed, the next one first, from
    /// behind `after` on.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn ending_tokens(
        &self,
        by: OffsetDateTime,
        after: Option<&EndingToken>,
        limit: i64,
    ) -> Result<Vec<EndingToken>, StoreError> {
        Ok(sqlx::query_as!(
            EndingToken,
            r#"SELECT c.environment_id AS "environment_id: EnvironmentId",
                 c.integrated_account_id AS "account_id: IntegratedAccountId", c.generation,
                 c.expires_at AS "expires_at!", coalesce(tried.attempts, 0) AS "attempts!",
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
