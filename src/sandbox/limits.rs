//! Rate limits of the provider: how often a method may be called, and the wait until the next call.
//!
//! The algorithm is GCRA: for each key it stores the theoretical arrival time (TAT). The code
//! shares nothing with the gateway's limiter, which is tested against it. Rates and bursts follow
//! <https://docs.slack.dev/apis/web-api/rate-limits>; Slack does not publish the bursts of the
//! tiers, so the sandbox chooses them.

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};

/// Number of keys above which expired state is removed.
const SWEEP_THRESHOLD: usize = 20_000;

/// A rate limit: calls per minute and burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// Calls per minute.
    pub per_minute: u32,
    /// Calls in immediate succession after an idle period.
    pub burst: u32,
}

impl RateLimit {
    /// Returns a rate limit.
    #[must_use]
    pub const fn new(per_minute: u32, burst: u32) -> Self {
        Self { per_minute, burst }
    }
}

/// Rate limit tiers of the Web API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tier {
    /// 1 call per minute.
    One,
    /// 20 calls per minute.
    Two,
    /// 50 calls per minute.
    Three,
    /// 100 calls per minute.
    Four,
    /// Methods with a special, generous limit.
    Special,
}

impl Tier {
    /// Returns the rate limit of the tier.
    #[must_use]
    pub const fn rate_limit(self) -> RateLimit {
        match self {
            Self::One => RateLimit::new(1, 3),
            Self::Two => RateLimit::new(20, 12),
            Self::Three => RateLimit::new(50, 25),
            Self::Four => RateLimit::new(100, 50),
            Self::Special => RateLimit::new(300, 100),
        }
    }
}

/// A bucket that a call takes a permit from.
#[derive(Debug, Clone)]
pub(crate) struct RateBucket {
    /// Key: app, organization and method, or only the organization for SCIM.
    pub(crate) key: String,
    /// Its rate limit.
    pub(crate) rate_limit: RateLimit,
}

/// GCRA state of all keys.
#[derive(Debug)]
pub(crate) struct RateLimits {
    enabled: bool,
    time_scale: f64,
    tat: HashMap<String, OffsetDateTime>,
}

impl RateLimits {
    /// Returns limits that refill `scale` times as fast as Slack's.
    pub(crate) fn new(enabled: bool, scale: f64) -> Self {
        let scale = if scale.is_finite() && scale > 0.0 { scale } else { 1.0 };
        Self { enabled, time_scale: scale, tat: HashMap::new() }
    }

    /// Enables or disables the limits.
    pub(crate) fn set_enabled(&mut self, enabled: bool) {
        self.enabled = enabled;
    }

    /// Whether the limits are enforced.
    pub(crate) fn enabled(&self) -> bool {
        self.enabled
    }

    /// Resets all buckets to full.
    pub(crate) fn clear(&mut self) {
        self.tat.clear();
    }

    /// Takes a permit from every bucket, or from none.
    ///
    /// # Errors
    ///
    /// The wait until the call would be admitted.
    pub(crate) fn try_take(
        &mut self,
        buckets: &[RateBucket],
        now: OffsetDateTime,
    ) -> Result<(), Duration> {
        if !self.enabled {
            return Ok(());
        }
        let mut wait = Duration::ZERO;
        let mut new_tats = Vec::with_capacity(buckets.len());
        for bucket in buckets {
            let step = self.emission_interval(bucket.rate_limit);
            let tat = self.tat.get(&bucket.key).copied().unwrap_or(now).max(now);
            let tolerance =
                step * i32::try_from(bucket.rate_limit.burst.max(1) - 1).unwrap_or(i32::MAX);
            wait = wait.max(tat - now - tolerance);
            new_tats.push(tat + step);
        }
        if wait.is_positive() {
            return Err(wait);
        }
        if self.tat.len() >= SWEEP_THRESHOLD {
            self.tat.retain(|_, tat| *tat > now);
        }
        for (bucket, tat) in buckets.iter().zip(new_tats) {
            self.tat.insert(bucket.key.clone(), tat);
        }
        Ok(())
    }

    /// Returns the emission interval: the time in which one permit refills.
    fn emission_interval(&self, pace: RateLimit) -> Duration {
        Duration::seconds_f64(60.0 / f64::from(pace.per_minute.max(1)) / self.time_scale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::{Clock, ManualClock};

    fn budget(key: &str, pace: RateLimit) -> [RateBucket; 1] {
        [RateBucket { key: key.to_owned(), rate_limit: pace }]
    }

    fn passed(
        limits: &mut RateLimits,
        buckets: &[RateBucket],
        now: OffsetDateTime,
        tries: usize,
    ) -> usize {
        (0..tries).filter(|_| limits.try_take(buckets, now).is_ok()).count()
    }

    #[test]
    fn admits_burst_then_refills_at_the_rate() {
        let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH);
        let mut limits = RateLimits::new(true, 1.0);
        let tier = budget("a", Tier::Two.rate_limit());
        assert_eq!(passed(&mut limits, &tier, clock.now(), 40), 12);
        assert_eq!(limits.try_take(&tier, clock.now()), Err(Duration::seconds(3)));
        clock.advance(Duration::seconds(60));
        assert_eq!(passed(&mut limits, &tier, clock.now(), 40), 12);
        for _ in 0..20 {
            clock.advance(Duration::seconds(3));
            assert_eq!(passed(&mut limits, &tier, clock.now(), 2), 1);
        }
    }

    #[test]
    fn time_scale_speeds_up_refill() {
        let clock = ManualClock::at(OffsetDateTime::UNIX_EPOCH);
        let mut limits = RateLimits::new(true, 60.0);
        let tier = budget("a", Tier::One.rate_limit());
        assert_eq!(passed(&mut limits, &tier, clock.now(), 9), 3);
        clock.advance(Duration::seconds(1));
        assert_eq!(passed(&mut limits, &tier, clock.now(), 9), 1);
    }

    #[test]
    fn rejected_call_takes_no_permit_from_other_buckets() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let mut limits = RateLimits::new(true, 1.0);
        let wide = RateBucket { key: "wide".to_owned(), rate_limit: RateLimit::new(1, 3) };
        let narrow = RateBucket { key: "narrow".to_owned(), rate_limit: RateLimit::new(1, 1) };
        let both = [wide.clone(), narrow];
        assert!(limits.try_take(&both, now).is_ok());
        assert!(limits.try_take(&both, now).is_err());
        assert_eq!(passed(&mut limits, &[wide], now, 9), 2);
    }

    #[test]
    fn keys_have_separate_buckets_and_disabled_limits_admit_all() {
        let now = OffsetDateTime::UNIX_EPOCH;
        let mut limits = RateLimits::new(true, 1.0);
        assert_eq!(passed(&mut limits, &budget("a", Tier::One.rate_limit()), now, 9), 3);
        assert_eq!(passed(&mut limits, &budget("b", Tier::One.rate_limit()), now, 9), 3);
        limits.set_enabled(false);
        assert_eq!(passed(&mut limits, &budget("a", Tier::One.rate_limit()), now, 9), 9);
    }
}
