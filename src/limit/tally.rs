//! What there is to see of a limiter: counters that only grow, and how it stands.

use std::sync::atomic::{AtomicU64, Ordering};

/// What there is to see of a limiter, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// Turns given since the start.
    pub grants: u64,
    /// Calls refused since the start, because their turn would not have come in time.
    pub refused: u64,
    /// Pauses that providers asked for since the start.
    pub blocks: u64,
    /// Budgets that are remembered.
    pub keys: usize,
    /// Calls that wait for their turn.
    pub waiting: usize,
    /// Budgets of which nothing is given until the provider's pause is over.
    pub blocked: usize,
    /// Whether the budgets are shared through Redis now; `None` when they are not meant to be.
    pub shared: Option<bool>,
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) grants: Counter,
    pub(super) refused: Counter,
    pub(super) blocks: Counter,
}

/// A number that grows.
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
