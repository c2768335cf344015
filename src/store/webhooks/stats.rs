//! Statistics of the deliveries of all environments, for metrics.

use time::OffsetDateTime;

use super::super::{Store, StoreError};
use crate::telemetry::WebhookStats;

impl Store {
    /// Returns the age of the oldest event that an active webhook has not received, and the numbers of pending
    /// deliveries and of disabled webhooks.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn webhook_stats(&self, now: OffsetDateTime) -> Result<WebhookStats, StoreError> {
        let row = sqlx::query!(
            r#"SELECT pending.count AS "pending!", pending.oldest AS "oldest_pending?",
                      (SELECT min(next.at) FROM webhooks w
                       JOIN environments e ON e.environment_id = w.environment_id
                       CROSS JOIN LATERAL (
                           SELECT v.at FROM events v
                           WHERE v.environment_id = w.environment_id AND v.position > w.last_position
                           ORDER BY v.position LIMIT 1) next
                       WHERE w.is_active AND w.last_position < e.last_event) AS "oldest_event?",
                      (SELECT count(*) FROM webhooks WHERE NOT is_active AND disabled_at IS NOT NULL)
                          AS "disabled!"
               FROM (SELECT count(*) AS count, min(d.created_at) AS oldest
                     FROM webhook_deliveries d
                     JOIN webhooks w ON w.environment_id = d.environment_id AND w.webhook_id = d.webhook_id
                     WHERE d.status = 'pending' AND w.is_active) pending"#,
        )
        .fetch_one(&self.pool)
        .await?;
        let oldest = row.oldest_event.into_iter().chain(row.oldest_pending).min();
        Ok(WebhookStats {
            oldest_event_age_s: oldest.map_or(0.0, |at| (now - at).as_seconds_f64().max(0.0)),
            pending: row.pending,
            disabled: row.disabled,
        })
    }
}
