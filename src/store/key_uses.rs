//! When each key was last used, to the minute. Calls tell it in memory; whoever writes down their uses writes this
//! down too. The table is no part of the keys' own: a change of those makes every gateway forget them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;

use super::{Caller, Store, StoreError};
use crate::domain::ids::EnvironmentId;

/// How far apart two uses of a key are that are written down.
const APART: Duration = Duration::MINUTE;

/// The uses that are not written down yet.
#[derive(Default)]
pub(super) struct KeyUses {
    waiting: Mutex<BTreeMap<(EnvironmentId, String), OffsetDateTime>>,
    first: Notify,
}

/// When a caller was last seen, in seconds since 1970, so that most calls have nothing to tell.
#[derive(Debug, Default)]
pub(super) struct LastSeen(AtomicI64);

impl LastSeen {
    /// Whether a use at that moment is to be told; only one of many at once is.
    fn is_news(&self, now: OffsetDateTime) -> bool {
        let (seen, now) = (self.0.load(Ordering::Relaxed), now.unix_timestamp());
        let is_later = now.saturating_sub(seen) >= APART.whole_seconds();
        is_later && self.0.compare_exchange(seen, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl KeyUses {
    fn waiting(&self) -> MutexGuard<'_, BTreeMap<(EnvironmentId, String), OffsetDateTime>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a use to be written down.
    pub(super) async fn told(&self) {
        if self.waiting().is_empty() {
            self.first.notified().await;
        }
    }
}

/// Uses on their way to the database: those that are left when it is dropped, by an error or by whoever stops
/// waiting, wait for the next time.
struct Unwritten<'u> {
    key_uses: &'u KeyUses,
    uses: BTreeMap<(EnvironmentId, String), OffsetDateTime>,
}

impl Drop for Unwritten<'_> {
    fn drop(&mut self) {
        let mut waiting = self.key_uses.waiting();
        for (key, at) in std::mem::take(&mut self.uses) {
            let known = waiting.entry(key).or_insert(at);
            *known = at.max(*known);
        }
    }
}

impl Store {
    /// Tells that a caller's key was used.
    pub fn note_use(&self, caller: &Caller, now: OffsetDateTime) {
        if caller.last_seen.is_news(now) {
            let mut waiting = self.key_uses.waiting();
            waiting.insert((caller.environment_id, caller.key_id.to_string()), now);
            if waiting.len() == 1 {
                self.key_uses.first.notify_one();
            }
        }
    }

    /// Writes down what was told. What can't be written now waits for the next time.
    pub(super) async fn write_key_uses(&self) -> Result<(), StoreError> {
        let uses = std::mem::take(&mut *self.key_uses.waiting());
        let mut unwritten = Unwritten { key_uses: &self.key_uses, uses };
        if !unwritten.uses.is_empty() {
            self.upsert_key_uses(&unwritten.uses).await?;
            unwritten.uses.clear();
        }
        Ok(())
    }

    /// In the order of the keys, so that gateways which write at once don't wait for each other in a ring.
    async fn upsert_key_uses(
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

impl std::fmt::Debug for KeyUses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyUses")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_use_a_minute_is_news() {
        let (seen, now) = (LastSeen::default(), time::macros::datetime!(2026-01-02 03:04:05 UTC));
        assert!(seen.is_news(now));
        assert!(!seen.is_news(now + Duration::seconds(59)));
        assert!(seen.is_news(now + Duration::seconds(60)));
    }
}
