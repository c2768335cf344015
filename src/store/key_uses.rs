//! Records when keys are used, in memory first, and inserts the times into the database.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use super::key_last_used::LastUsedFlush;
use super::{Caller, Store, StoreError};
use crate::domain::ids::EnvironmentId;

impl Store {
    /// Records that a caller's key was used.
    pub fn record_key_use(&self, caller: &Caller, now: OffsetDateTime) {
        if caller.last_seen.should_record(now) {
            let mut waiting = self.last_used.pending();
            waiting.insert((caller.environment_id, caller.key_id.to_string()), now);
            if waiting.len() == 1 {
                self.last_used.first_entry.notify_one();
            }
        }
    }

    /// Inserts the recorded times. Those that can't be inserted stay in the buffer.
    pub(super) async fn flush_last_used(&self) -> Result<(), StoreError> {
        let uses = std::mem::take(&mut *self.last_used.pending());
        let mut unwritten = LastUsedFlush { buffer: &self.last_used, times: uses };
        if !unwritten.times.is_empty() {
            self.upsert_last_used(&unwritten.times).await?;
            unwritten.times.clear();
        }
        Ok(())
    }

    /// Upserts in the order of the keys, so that concurrent gateways can't deadlock.
    async fn upsert_last_used(
        &self,
        uses: &BTreeMap<(EnvironmentId, String), OffsetDateTime>,
    ) -> Result<(), StoreError> {
        let environments: Vec<String> = uses.keys().map(|(id, _)| id.to_string()).collect();
        let keys: Vec<String> = uses.keys().map(|(_, key)| key.clone()).collect();
        let moments: Vec<OffsetDateTime> = uses.values().copied().collect();
        sqlx::query!(
            "INSERT INTO key_uses (environment_id, key_id, last_used_at)
             SELECT environment_id, key_id, at
             FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS told (environment_id, key_id, at)
             JOIN environments USING (environment_id) ORDER BY environment_id, key_id
             ON CONFLICT (environment_id, key_id) DO UPDATE SET last_used_at = excluded.last_used_at
             WHERE key_uses.last_used_at <= excluded.last_used_at - interval '1 minute'",
            &environments,
            &keys,
            &moments,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
