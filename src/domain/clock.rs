//! Injected time: the system clock, and clocks that tests and the sandbox advance.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use time::{Duration, OffsetDateTime};

/// A source of the current time. Code that needs the time takes one of these.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time, in UTC and no more precise than microseconds: a time is the same before and after it was
    /// stored.
    fn now(&self) -> OffsetDateTime;
}

/// The system clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the system clock")]
    fn now(&self) -> OffsetDateTime {
        let now = OffsetDateTime::now_utc();
        now.replace_microsecond(now.microsecond()).unwrap_or(now)
    }
}

/// Another clock plus an adjustable offset: the provider's clock in the sandbox.
#[derive(Clone)]
pub struct ShiftedClock {
    base: Arc<dyn Clock>,
    offset_ms: Arc<AtomicI64>,
}

impl ShiftedClock {
    /// Returns a clock that equals `base` until it is advanced.
    #[must_use]
    pub fn new(base: Arc<dyn Clock>) -> Self {
        Self { base, offset_ms: Arc::default() }
    }

    /// Advances this clock and all its clones by `by` (backward when negative).
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

/// A clock that stands still until a test advances it.
#[derive(Debug, Clone)]
pub struct ManualClock {
    unix_ms: Arc<AtomicI64>,
}

impl ManualClock {
    /// Returns a clock stopped at `at`.
    #[must_use]
    pub fn at(at: OffsetDateTime) -> Self {
        let unix_ms = i64::try_from(at.unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX);
        Self { unix_ms: Arc::new(AtomicI64::new(unix_ms)) }
    }

    /// Advances this clock and all its clones by `by`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_clock_has_no_parts_of_microseconds() {
        for _ in 0..1_000 {
            assert_eq!(SystemClock.now().nanosecond() % 1_000, 0);
        }
    }
}
