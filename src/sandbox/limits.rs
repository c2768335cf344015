//! The provider's pace: how often a method may be called, and how long to wait otherwise.
//!
//! The rule is GCRA: a key remembers the moment at which its calls so far would be paid for. It is
//! this judge's own arithmetic; the gateway's limiter shares nothing with it. Rates and bursts
//! are those of <https://docs.slack.dev/apis/web-api/rate-limits>; Slack does not publish the
//! bursts of the tiers, so those are ours.

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};

/// So many keys are kept before those that owe nothing are dropped.
const KEYS_BEFORE_SWEEP: usize = 20_000;

/// A pace: so many calls a minute, and so many at once after a rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Calls a minute.
    pub per_minute: u32,
    /// Calls at once.
    pub burst: u32,
}

impl Pace {
    /// A pace.
    #[must_use]
    pub const fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_minute, burst }
    }
}

/// The tiers of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// About once a minute.
    One,
    /// About 20 a minute.
    Two,
    /// About 50 a minute.
    Three,
    /// About 100 a minute.
    Four,
    /// Methods with a rule of their own, all of them generous.
    Special,
}

impl Tier {
    /// The pace of the tier.
    #[must_use]
    pub const fn pace(self) -> Pace {
        match self {
            Self::One => Pace::new(1, 3),
            Self::Two => Pace::new(20, 12),
            Self::Three => Pace::new(50, 25),
            Self::Four => Pace::new(100, 50),
            Self::Special => Pace::new(300, 100),
        }
    }
}

/// One budget that a call draws from.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    /// Who spends: app, organization and method, or the organization alone for SCIM.
    pub(crate) key: String,
    /// How fast it comes back.
    pub(crate) pace: Pace,
}

/// What every key owes.
#[derive(Debug)]
pub(crate) struct Limits {
    enabled: bool,
    scale: f64,
    paid_at: HashMap<String, OffsetDateTime>,
}

impl Limits {
    /// Limits that refill `scale` times as fast as the provider's own.
    pub(crate) fn new(enabled: bool, scale: f64) -> Self {
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
        Self { enabled, scale, paid_at: HashMap::new() }
    }

    /// Switches the limits on or off.
    pub(crate) fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Whether calls are counted.
    pub(crate) fn enabled(&self) -> bool {
        self.enabled
    }

    /// Forgets what is owed.
    pub(crate) fn refill(&mut self) {
        self.paid_at.clear();
    }

    /// Takes one call from every budget, or from none.
    ///
    /// # Errors
    ///
    /// The time after which the call would pass.
    pub(crate) fn take(&mut self, budgets: &[Budget], now: OffsetDateTime) -> Result<(), Duration> {
        if !self.enabled {
            return Ok(());
        }
        let mut wait = Duration::ZERO;
        let mut due = Vec::with_capacity(budgets.len());
        for budget in budgets {
            let step = self.step(budget.pace);
            let paid = self.paid_at.get(&budget.key).copied().unwrap_or(now).max(now);
            let room = step * i32::try_from(budget.pace.burst.max(1) - 1).unwrap_or(i32::MAX);
            wait = wait.max(paid - now - room);
            due.push(paid + step);
        }
        if wait.is_positive() {
            return Err(wait);
        }
        if self.paid_at.len() >= KEYS_BEFORE_SWEEP {
            self.paid_at.retain(|_, paid| *paid > now);
        }
        for (budget, paid) in budgets.iter().zip(due) {
            self.paid_at.insert(budget.key.clone(), paid);
        }
        Ok(())
    }

    /// The time that pays for one call.
    fn step(&self, pace: Pace) -> Duration {
        Duration::seconds_f64(60.0 / f64::from(pace.per_minute.max(1)) / self.scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{Clock, ManualClock};

    fn budget(key: &str, pace: Pace) -> [Budget; 1] {
        [Budget { key: key.to_owned(), pace }]
    }

    fn passed(limits: &mut Limits, budget: &[Budget], now: OffsetDateTime, tries: usize) -> usize {
        (0..tries).filter(|_| limits.take(budget, now).is_ok()).count()
    }

    #[test]
    fn the_burst_passes_and_the_rest_comes_back_at_the_pace() {
        let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH);
        let mut limits = Limits::new(true, 1.0);
        let tier = budget("a", Tier::Two.pace());
        assert_eq!(passed(&mut limits, &tier, clock.now(), 40), 12);
        assert_eq!(limits.take(&tier, clock.now()), Err(Duration::seconds(3)));
        clock.advance(Duration::seconds(60));
        assert_eq!(passed(&mut limits, &tier, clock.now(), 40), 12);
        for _ in 0..20 {
            clock.advance(Duration::seconds(3));
            assert_eq!(passed(&mut limits, &tier, clock.now(), 2), 1);
        }
    }

    #[test]
    fn a_time_scale_refills_faster() {
        let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH);
        let mut limits = Limits::new(true, 60.0);
        let tier = budget("a", Tier::One.pace());
        assert_eq!(passed(&mut limits, &tier, clock.now(), 9), 3);
        clock.advance(Duration::seconds(1));
        assert_eq!(passed(&mut limits, &tier, clock.now(), 9), 1);
    }

    #[test]
    fn a_call_refused_by_one_budget_spends_none_of_the_others() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let mut limits = Limits::new(true, 1.0);
        let wide = Budget { key: "wide".to_owned(), pace: Pace::new(1, 3) };
        let narrow = Budget { key: "narrow".to_owned(), pace: Pace::new(1, 1) };
        let both = [wide.clone(), narrow];
        assert!(limits.take(&both, now).is_ok());
        assert!(limits.take(&both, now).is_err());
        assert_eq!(passed(&mut limits, &[wide], now, 9), 2);
    }

    #[test]
    fn keys_have_their_own_budgets_and_switching_off_lets_all_pass() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let mut limits = Limits::new(true, 1.0);
        assert_eq!(passed(&mut limits, &budget("a", Tier::One.pace()), now, 9), 3);
        assert_eq!(passed(&mut limits, &budget("b", Tier::One.pace()), now, 9), 3);
        limits.set_enabled(false);
        assert_eq!(passed(&mut limits, &budget("a", Tier::One.pace()), now, 9), 9);
    }
}
