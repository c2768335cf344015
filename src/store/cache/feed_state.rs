//! State of the `LISTEN`/`NOTIFY` feed: decides whether cached rows may be served.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use tokio::sync::Notify;

/// Whether every change of a cached row reaches this gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FeedStatus {
    /// No feed: cached rows may be stale and are not served.
    Disconnected,
    /// The feed delivers every change: cached rows are current.
    Live,
    /// The feed was lost a moment ago and the database is being checked. Queries go to the database; a query that
    /// fails waits for the result of that check.
    Lost,
    /// The database has been unreachable for less than [`CacheConfig::serve_stale_for`](super::CacheConfig): cached
    /// rows are served although they may be stale.
    DatabaseDown,
}

/// The feed's status, read by the caches on every call.
#[derive(Debug)]
pub(super) struct FeedState {
    status: AtomicU8,
    /// Number of the current period; a period is half of a row's maximum age.
    period: AtomicU32,
    outage: Notify,
}

impl FeedState {
    /// Returns a disconnected state.
    pub(super) fn new() -> Self {
        Self {
            status: AtomicU8::new(FeedStatus::Disconnected as u8),
            period: AtomicU32::new(0),
            outage: Notify::new(),
        }
    }

    /// Returns the status.
    pub(super) fn status(&self) -> FeedStatus {
        match self.status.load(Ordering::SeqCst) {
            1 => FeedStatus::Live,
            2 => FeedStatus::Lost,
            3 => FeedStatus::DatabaseDown,
            _ => FeedStatus::Disconnected,
        }
    }

    /// Returns the current period, to be stored with a row that is about to be read.
    pub(super) fn period(&self) -> u32 {
        self.period.load(Ordering::Relaxed)
    }

    /// Begins the next period: rows read before the previous one are too old.
    pub(super) fn begin_period(&self) {
        self.period.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether a row read in `period` is recent enough. During an outage age is ignored.
    pub(super) fn is_recent(&self, period: u32) -> bool {
        self.period().wrapping_sub(period) <= 1 || self.status() == FeedStatus::DatabaseDown
    }

    /// Sets the status.
    pub(super) fn set(&self, status: FeedStatus) {
        self.status.store(status as u8, Ordering::SeqCst);
        if status == FeedStatus::DatabaseDown {
            self.outage.notify_waiters();
        }
    }

    /// Waits until the database is known to be unreachable.
    pub(super) async fn wait_for_outage(&self) {
        let outage = self.outage.notified();
        if self.status() != FeedStatus::DatabaseDown {
            outage.await;
        }
    }
}
