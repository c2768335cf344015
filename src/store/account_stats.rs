//! Statistics over all environments, for metrics: accounts, tokens, jobs, deliveries to webhooks.

use time::OffsetDateTime;

use super::columns::parse_name;
use super::{Store, StoreError};
use crate::domain::account::AccountStatus;
use crate::domain::event::EventOrigin;
use crate::telemetry::DatabaseStats;

impl Store {
    /// Returns the number of accounts by status, the age and remaining lifetime of the access token that expires next,
    /// the numbers of jobs, held runs and objects to read again, the ages of the last events, and the state of the deliveries to webhooks.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn account_stats(&self, now: OffsetDateTime) -> Result<DatabaseStats, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT status, count(*) AS "count!" FROM integrated_accounts GROUP BY status"#
        )
        .fetch_all(&self.pool)
        .await?;
        let accounts = rows
            .into_iter()
            .map(|row| Ok((parse_name("integrated_accounts", "status", &row.status)?, row.count)))
            .collect::<Result<Vec<(AccountStatus, i64)>, StoreError>>()?;
        let next = sqlx::query!(
            r#"SELECT c.expires_at AS "expires_at!", c.updated_at FROM account_credentials c
               JOIN integrated_accounts a USING (environment_id, integrated_account_id)
               WHERE c.refresh_token IS NOT NULL AND c.expires_at IS NOT NULL AND a.status = 'active'
               ORDER BY c.expires_at, c.integrated_account_id LIMIT 1"#
        )
        .fetch_optional(&self.pool)
        .await?;
        let next_token = next.map(|row| {
            ((now - row.updated_at).as_seconds_f64(), (row.expires_at - now).as_seconds_f64())
        });
        let (jobs, held_syncs) = (self.job_counts().await?, self.held_syncs().await?);
        let webhooks = self.webhook_stats(now).await?;
        let last_events = self.last_events().await?;
        let age =
            |(origin, at): (EventOrigin, OffsetDateTime)| (origin, (now - at).as_seconds_f64());
        Ok(DatabaseStats {
            accounts,
            next_token,
            jobs,
            held_syncs,
            pending_rechecks: self.pending_rechecks().await?,
            last_events: last_events.into_iter().map(age).collect(),
            webhooks,
        })
    }
}
