//! Attempt counter of links whose form submits an address chosen by the customer.

use time::OffsetDateTime;

use super::{StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, LinkTokenId};

impl TenantDb {
    /// Counts an attempt of a link token; returns `false` if it has already had `max` of them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_link_attempt(
        &self,
        id: LinkTokenId,
        max: i32,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE link_tokens SET attempts = attempts + 1, attempted_at = $4
             WHERE environment_id = $1 AND link_token_id = $2 AND attempts < $3",
            self.environment_id as EnvironmentId,
            id as LinkTokenId,
            max,
            now,
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Returns the number of attempts of the environment's link tokens that were last tried after `since`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn link_attempts_since(&self, since: OffsetDateTime) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(
            r#"SELECT coalesce(sum(attempts), 0) AS "attempts!" FROM link_tokens
               WHERE environment_id = $1 AND attempted_at > $2"#,
            self.environment_id as EnvironmentId,
            since,
        )
        .fetch_one(&self.pool)
        .await?)
    }
}
