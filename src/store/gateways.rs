//! The gateways that are running, as each of them says now and then. For work that is shared among them.

use super::{Store, StoreError};

impl Store {
    /// Notes that the gateway `name` is running, and returns how many are that said so within the last half
    /// minute, itself among them.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn count_gateways(&self, name: &str) -> Result<u32, StoreError> {
        let count = sqlx::query_scalar!(
            r#"WITH gone AS (
                   DELETE FROM gateways WHERE name IN (
                       SELECT name FROM gateways WHERE seen_at < now() - interval '1 hour'
                       FOR UPDATE SKIP LOCKED)),
               own AS (
                   INSERT INTO gateways (name, seen_at) VALUES ($1, now())
                   ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at)
               SELECT 1 + count(*) AS "count!" FROM gateways
               WHERE name <> $1 AND seen_at >= now() - interval '30 seconds'"#,
            name,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(u32::try_from(count).unwrap_or(u32::MAX))
    }
}
