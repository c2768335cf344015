//! The arithmetic of the generic cell rate algorithm (GCRA): a bucket is one time, the theoretical arrival time.
//!
//! It is written here and in `redis.lua` instead of taken from `governor`, whose limiter can't be queried without
//! being charged, has one fixed quota, and does not expose its state. Taking from several buckets or none,
//! reserving a part of the burst for interactive calls, and continuing with the state of Redis all need that. A
//! property test compares it with `governor`, call by call.

use std::time::Duration;

use tokio::time::Instant;

use super::{Priority, Rate};

/// From this burst on, one call of it is reserved for interactive calls.
const RESERVE_MIN_BURST: u32 = 3;

/// A rate as GCRA parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GcraQuota {
    /// The time that one call adds to the theoretical arrival time.
    pub(super) emission_interval: Duration,
    /// How far the theoretical arrival time may lie ahead of an admitted call.
    pub(super) burst_tolerance: Duration,
}

impl GcraQuota {
    /// Returns the parameters of a rate for calls of a priority. Background calls never take the last call of the
    /// burst: it stays free for an interactive call, of this process or of another one.
    pub(super) fn new(rate: Rate, priority: Priority) -> Self {
        let reserved =
            u32::from(priority == Priority::Background && rate.burst >= RESERVE_MIN_BURST);
        let period = rate.period();
        Self {
            emission_interval: period,
            burst_tolerance: period * (rate.burst.max(1) - 1 - reserved),
        }
    }
}

/// The GCRA state of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GcraState {
    /// The theoretical arrival time of the next call at the sustained rate.
    pub(super) tat: Instant,
}

impl GcraState {
    /// Returns the time until the bucket is full again.
    pub(super) fn backlog(self, now: Instant) -> Duration {
        self.tat.saturating_duration_since(now)
    }

    /// Returns how long a call waits that comes after `ahead` others and not within `blocked`.
    pub(super) fn wait(
        self,
        quota: GcraQuota,
        now: Instant,
        blocked: Duration,
        ahead: u32,
    ) -> Duration {
        let backlog_then = self.backlog(now).saturating_sub(blocked);
        blocked
            + backlog_then
                .saturating_add(quota.emission_interval * ahead)
                .saturating_sub(quota.burst_tolerance)
    }

    /// Takes one call.
    pub(super) fn charge(&mut self, quota: GcraQuota, now: Instant) {
        self.tat = self.tat.max(now) + quota.emission_interval;
    }

    /// Returns how many calls would be admitted now.
    pub(super) fn remaining(self, quota: GcraQuota, now: Instant) -> u32 {
        let free =
            (quota.burst_tolerance + quota.emission_interval).saturating_sub(self.backlog(now));
        let calls = free.as_nanos() / quota.emission_interval.as_nanos().max(1);
        u32::try_from(calls).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use governor::clock::FakeRelativeClock;
    use governor::{Quota, RateLimiter};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn decides_as_governor_does(
            per_minute in 1_u32..2_000,
            burst in 1_u32..40,
            pauses in prop::collection::vec(0_u64..4_000, 1..120),
        ) {
            let rate = Rate { per_minute: per_minute.into(), burst };
            let quota = GcraQuota::new(rate, Priority::Interactive);
            let clock = FakeRelativeClock::default();
            let governor_quota = Quota::with_period(quota.emission_interval).unwrap();
            let governor_quota = governor_quota.allow_burst(NonZeroU32::new(burst).unwrap());
            let governor = RateLimiter::direct_with_clock(governor_quota, clock.clone());
            let start = Instant::now();
            let (mut state, mut now) = (GcraState { tat: start }, start);
            for ms in pauses {
                let pause = Duration::from_millis(ms);
                clock.advance(pause);
                now += pause;
                let passes = state.wait(quota, now, Duration::ZERO, 0).is_zero();
                prop_assert_eq!(passes, state.remaining(quota, now) > 0);
                prop_assert_eq!(passes, governor.check().is_ok());
                if passes {
                    state.charge(quota, now);
                }
            }
        }
    }

    #[test]
    fn background_calls_leave_the_last_of_a_burst() {
        let now = Instant::now();
        for (burst, interactive, background) in [(1, 1, 1), (2, 2, 2), (3, 3, 2), (20, 20, 19)] {
            let rate = Rate { per_minute: 60.0, burst };
            let left =
                |priority| GcraState { tat: now }.remaining(GcraQuota::new(rate, priority), now);
            assert_eq!(
                (left(Priority::Interactive), left(Priority::Background)),
                (interactive, background)
            );
        }
    }

    #[test]
    fn the_wait_includes_the_calls_ahead() {
        let now = Instant::now();
        let quota = GcraQuota::new(Rate { per_minute: 60.0, burst: 2 }, Priority::Interactive);
        let with_backlog = |seconds| GcraState { tat: now + Duration::from_secs(seconds) };
        let wait = |state: GcraState, blocked, ahead| {
            state.wait(quota, now, Duration::from_secs(blocked), ahead).as_secs()
        };
        assert_eq!(wait(with_backlog(0), 0, 1), 0);
        assert_eq!(wait(with_backlog(0), 0, 3), 2);
        assert_eq!(wait(with_backlog(2), 0, 0), 1);
        assert_eq!(wait(with_backlog(2), 30, 1), 30, "the backlog drains during the block");
        assert_eq!(wait(with_backlog(2), 30, 4), 33);
    }
}
