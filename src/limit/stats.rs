//! The statistics of a limiter: counters since the start, and a snapshot for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of a limiter, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimiterStats {
    /// Permits granted since the start.
    pub grants: u64,
    /// Calls rejected since the start, because their permit would not have come in time.
    pub rejected: u64,
    /// Pauses requested by providers since the start.
    pub blocks: u64,
    /// Buckets in memory.
    pub buckets: usize,
    /// Calls that wait for a permit.
    pub waiting: usize,
    /// Buckets blocked until a provider's pause is over.
    pub blocked_buckets: usize,
    /// Whether the buckets are shared through Redis now; `None` with the local backend.
    pub redis_connected: Option<bool>,
}

/// The counters of a limiter.
#[derive(Debug, Default)]
pub(super) struct LimiterCounters {
    pub(super) grants: Counter,
    pub(super) rejected: Counter,
    pub(super) blocks: Counter,
}

/// A monotonic counter.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
