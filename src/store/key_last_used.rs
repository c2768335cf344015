//! Last-used times of keys, to the minute. Calls record them in memory; the usage log's flush inserts them too. They
//! have a table of their own, because a change of the keys' tables invalidates the caches of every gateway.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use time::{Duration, OffsetDateTime};
use tokio::sync::Notify;

use crate::domain::ids::EnvironmentId;

/// Minimum interval between two recorded uses of a key.
const MIN_RECORD_INTERVAL: Duration = Duration::MINUTE;

/// Last-used times that are not stored yet.
#[derive(Default)]
pub(super) struct LastUsedBuffer {
    pending: Mutex<BTreeMap<(EnvironmentId, String), OffsetDateTime>>,
    pub(super) first_entry: Notify,
}

/// When a caller was last seen, in seconds since 1970; most calls need no recording.
#[derive(Debug, Default)]
pub(super) struct LastSeen(AtomicI64);

impl LastSeen {
    /// Returns whether a use at `now` is to be recorded; of several concurrent ones only one is.
    pub(super) fn should_record(&self, now: OffsetDateTime) -> bool {
        let (seen, now) = (self.0.load(Ordering::Relaxed), now.unix_timestamp());
        let is_later = now.saturating_sub(seen) >= MIN_RECORD_INTERVAL.whole_seconds();
        is_later && self.0.compare_exchange(seen, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

impl LastUsedBuffer {
    pub(super) fn pending(
        &self,
    ) -> MutexGuard<'_, BTreeMap<(EnvironmentId, String), OffsetDateTime>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is a last-used time to store.
    pub(super) async fn wait_for_entry(&self) {
        if self.pending().is_empty() {
            self.first_entry.notified().await;
        }
    }
}

/// Last-used times being inserted: those left when it is dropped, by an error or a cancellation, return to the buffer.
pub(super) struct LastUsedFlush<'u> {
    pub(super) buffer: &'u LastUsedBuffer,
    pub(super) times: BTreeMap<(EnvironmentId, String), OffsetDateTime>,
}

impl Drop for LastUsedFlush<'_> {
    fn drop(&mut self) {
        let mut waiting = self.buffer.pending();
        for (key, at) in std::mem::take(&mut self.times) {
            let last = waiting.entry(key).or_insert(at);
            *last = at.max(*last);
        }
    }
}

impl std::fmt::Debug for LastUsedBuffer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastUsedBuffer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_one_use_a_minute() {
        let (seen, now) = (LastSeen::default(), time::macros::datetime!(2026-01-02 03:04:05 UTC));
        assert!(seen.should_record(now));
        assert!(!seen.should_record(now + Duration::seconds(59)));
        assert!(seen.should_record(now + Duration::seconds(60)));
    }
}
