//! Registry of running gateways, for work that is divided among them.

use super::{Store, StoreError};

impl Store {
    /// Records that the gateway `name` is running; returns the number of gateways that did so within the last 30
    /// seconds, including itself.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn register_gateway(&self, name: &str) -> Result<u32, StoreError> {
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
