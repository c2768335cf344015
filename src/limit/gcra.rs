//! The arithmetic of a pace, GCRA: a budget remembers the moment at which its calls so far are paid for.
//!
//! It is written here and in `shared.lua` instead of taken from `governor`, whose limiter can only be
//! asked by being charged, has one fixed quota, and keeps its state to itself: taking from several
//! budgets at once or from none, leaving a part of the burst to people, and going on with what Redis
//! knew all need to look first. The tests hold it against `governor`, call by call.

use std::time::Duration;

use tokio::time::Instant;

use super::{Class, Rate};

/// A burst of so many keeps one of them free of bulk work.
const RESERVED_FROM: u32 = 3;

/// A rate in the form that is reckoned with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pace {
    /// The time that pays for a call.
    pub(super) period: Duration,
    /// How many calls may be unpaid, less the first.
    pub(super) room: Duration,
}

impl Pace {
    /// The pace of a rate for calls of a class. Bulk work leaves the last of the burst alone: whoever
    /// comes while a job runs finds it free, in this process or in another one.
    pub(super) fn new(rate: Rate, class: Class) -> Self {
        let reserved = u32::from(class == Class::Background && rate.burst >= RESERVED_FROM);
        let period = rate.period();
        Self { period, room: period * (rate.burst.max(1) - 1 - reserved) }
    }
}

/// What is unpaid of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Debt {
    /// When everything is paid.
    pub(super) paid_at: Instant,
}

impl Debt {
    /// How long it takes until everything is paid.
    pub(super) fn owed(self, now: Instant) -> Duration {
        self.paid_at.saturating_duration_since(now)
    }

    /// How long a call has to wait that comes after `ahead` others and not within `blocked`.
    pub(super) fn wait(self, pace: Pace, now: Instant, blocked: Duration, ahead: u32) -> Duration {
        let owed_then = self.owed(now).saturating_sub(blocked);
        blocked + owed_then.saturating_add(pace.period * ahead).saturating_sub(pace.room)
    }

    /// Takes a call.
    pub(super) fn charge(&mut self, pace: Pace, now: Instant) {
        self.paid_at = self.paid_at.max(now) + pace.period;
    }

    /// How many calls may go at once.
    pub(super) fn left(self, pace: Pace, now: Instant) -> u32 {
        let free = (pace.room + pace.period).saturating_sub(self.owed(now));
        let calls = free.as_nanos() / pace.period.as_nanos().max(1);
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
        fn it_decides_as_governor_does(
            per_minute in 1_u32..2_000,
            burst in 1_u32..40,
            pauses in prop::collection::vec(0_u64..4_000, 1..120),
        ) {
            let rate = Rate { per_minute: per_minute.into(), burst };
            let pace = Pace::new(rate, Class::Interactive);
            let clock = FakeRelativeClock::default();
            let quota = Quota::with_period(pace.period).unwrap();
            let quota = quota.allow_burst(NonZeroU32::new(burst).unwrap());
            let theirs = RateLimiter::direct_with_clock(quota, clock.clone());
            let start = Instant::now();
            let (mut debt, mut now) = (Debt { paid_at: start }, start);
            for ms in pauses {
                let pause = Duration::from_millis(ms);
                clock.advance(pause);
                now += pause;
                let passes = debt.wait(pace, now, Duration::ZERO, 0).is_zero();
                prop_assert_eq!(passes, debt.left(pace, now) > 0);
                prop_assert_eq!(passes, theirs.check().is_ok());
                if passes {
                    debt.charge(pace, now);
                }
            }
        }
    }

    #[test]
    fn bulk_work_leaves_the_last_of_a_burst_alone() {
        let now = Instant::now();
        for (burst, people, bulk) in [(1, 1, 1), (2, 2, 2), (3, 3, 2), (20, 20, 19)] {
            let rate = Rate { per_minute: 60.0, burst };
            let left = |class| Debt { paid_at: now }.left(Pace::new(rate, class), now);
            assert_eq!((left(Class::Interactive), left(Class::Background)), (people, bulk));
        }
    }

    #[test]
    fn who_waits_behind_others_is_told_their_time_too() {
        let now = Instant::now();
        let pace = Pace::new(Rate { per_minute: 60.0, burst: 2 }, Class::Interactive);
        let owes = |seconds| Debt { paid_at: now + Duration::from_secs(seconds) };
        let wait = |debt: Debt, blocked, ahead| {
            debt.wait(pace, now, Duration::from_secs(blocked), ahead).as_secs()
        };
        assert_eq!(wait(owes(0), 0, 1), 0);
        assert_eq!(wait(owes(0), 0, 3), 2);
        assert_eq!(wait(owes(2), 0, 0), 1);
        assert_eq!(wait(owes(2), 30, 1), 30, "what is owed is paid during the block");
        assert_eq!(wait(owes(2), 30, 4), 33);
    }
}
