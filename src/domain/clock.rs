//! Time, passed in: the clock of the machine, and one that tests and the sandbox move by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::{Duration, OffsetDateTime};

/// Where the time comes from. Everything that asks for the time is given one of these.
pub trait Clock: Send + Sync + 'static {
    /// The present, in UTC.
    fn now(&self) -> OffsetDateTime;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }
}

/// Another clock plus an offset that can be moved: the provider's clock in the sandbox.
#[derive(Clone)]
pub struct ShiftedClock {
    base: Arc<dyn Clock>,
    offset_ms: Arc<AtomicI64>,
}

impl ShiftedClock {
    /// A clock that shows what `base` shows until it is moved.
    #[must_use]
    pub fn new(base: Arc<dyn Clock>) -> Self {
        Self { base, offset_ms: Arc::default() }
    }

    /// Moves this clock forward by `by` (backward when negative). Every clone sees it.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.whole_milliseconds()).unwrap_or(i64::MAX);
        self.offset_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ShiftedClock {
    fn now(&self) -> OffsetDateTime {
        self.base
            .now()
            .saturating_add(Duration::milliseconds(self.offset_ms.load(Ordering::SeqCst)))
    }
}

impl std::fmt::Debug for ShiftedClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShiftedClock").field("now", &self.now()).finish_non_exhaustive()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Clone)]
pub struct ManualClock {
    unix_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that shows `at`.
    #[must_use]
    pub fn at(at: OffsetDateTime) -> Self {
        let unix_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
        Self { unix_ms: Arc::new(AtomicI64::new(unix_ms)) }
    }

    /// Moves this clock forward by `by`. Every clone sees it.
    pub fn advance(&self, by: Duration) {
        let ms = i64::try_from(by.whole_milliseconds()).unwrap_or(i64::MAX);
        self.unix_ms.fetch_add(ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> OffsetDateTime {
        let nanos = i128::from(self.unix_ms.load(Ordering::SeqCst)) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}
