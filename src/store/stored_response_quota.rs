//! The quota of stored responses: they are measured from time to time, and counted in between.

use time::OffsetDateTime;
use tokio::time::Instant;

use super::quotas::{MEASUREMENT_TTL, StoredResponseUsage};
use super::{StoreError, TenantDb};
use crate::domain::ids::EnvironmentId;
use crate::domain::quota::QuotaKind;

impl TenantDb {
    /// Rejects a further stored response if the quota is reached.
    pub(super) async fn admit_stored_response(
        &self,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        let limits = [QuotaKind::StoredResponses, QuotaKind::StoredResponseBytes]
            .map(|quota| (quota, self.quotas.limits.of(quota).unwrap_or(i64::MAX)));
        if limits.iter().all(|(_, limit)| *limit == i64::MAX) {
            return Ok(());
        }
        let stored = self.quotas.stored().get(&self.environment_id).copied();
        let stored = match stored.filter(|stored| stored.measured_at.elapsed() < MEASUREMENT_TTL) {
            Some(stored) => stored,
            None => self.measure_stored_responses(now).await?,
        };
        for ((quota, limit), used) in limits.into_iter().zip([stored.rows, stored.bytes]) {
            if used >= limit {
                return Err(StoreError::QuotaExceeded { quota, limit });
            }
        }
        Ok(())
    }

    /// Adds a change since the last measurement.
    pub(super) fn record_stored_response(&self, rows: i64, bytes: usize) {
        if let Some(stored) = self.quotas.stored().get_mut(&self.environment_id) {
            stored.rows = stored.rows.saturating_add(rows);
            stored.bytes = stored.bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    async fn measure_stored_responses(
        &self,
        now: OffsetDateTime,
    ) -> Result<StoredResponseUsage, StoreError> {
        let measured_at = Instant::now();
        let row = sqlx::query!(
            r#"SELECT count(*) AS "rows!", coalesce(sum(octet_length(body)), 0)::bigint AS "bytes!"
               FROM idempotency_keys WHERE environment_id = $1 AND expires_at > $2"#,
            self.environment_id as EnvironmentId,
            now,
        )
        .fetch_one(&self.pool)
        .await?;
        let stored = StoredResponseUsage { measured_at, rows: row.rows, bytes: row.bytes };
        self.quotas.stored().insert(self.environment_id, stored);
        Ok(stored)
    }
}
