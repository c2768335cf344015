//! A throttle on failed attempts, keyed by their source: a source that fails too often waits before its next attempt
//! is processed.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

/// The maximum number of sources. Above it, sources whose failures have expired are removed, and new ones are not
/// recorded.
const MAX_SOURCES: usize = 50_000;
/// The mask of a /64 network: a client has all addresses of its IPv6 network.
const IPV6_NETWORK_MASK: Ipv6Addr = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0);

/// A keyed rate limiter of failures; a key is a source such as an address. A source without a failure takes no
/// memory.
pub struct FailureThrottle<S: Clone + Eq + Hash> {
    /// `None` disables the throttle.
    failures: Option<Failures<S>>,
}

type KeyedLimiter<S> = RateLimiter<S, HashMapStateStore<S>, TokioClock, StateInformationMiddleware>;

struct Failures<S: Clone + Eq + Hash> {
    limiter: KeyedLimiter<S>,
    /// The sources that have no permit for another failure, and when they get one.
    blocked: Mutex<HashMap<S, Instant>>,
}

/// The clock of the runtime, which tests pause and advance.
#[derive(Debug, Clone, Default)]
struct TokioClock;

impl Clock for TokioClock {
    type Instant = std::time::Instant;

    fn now(&self) -> Self::Instant {
        Instant::now().into_std()
    }
}

impl<S: Clone + Eq + Hash> fmt::Debug for FailureThrottle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FailureThrottle").finish_non_exhaustive()
    }
}

impl<S: Clone + Eq + Hash> FailureThrottle<S> {
    /// Creates a throttle that admits this many failures per source and minute; 0 disables it.
    #[must_use]
    pub fn new(failures_per_minute: u32) -> Self {
        let failures = NonZeroU32::new(failures_per_minute).map(|per_minute| Failures {
            limiter: KeyedLimiter::new(
                Quota::per_minute(per_minute),
                HashMapStateStore::default(),
                TokioClock,
            ),
            blocked: Mutex::default(),
        });
        Self { failures }
    }

    /// Returns the time until the next attempt of this source is admitted; zero when it is admitted now.
    #[must_use]
    pub fn retry_after(&self, source: &S) -> Duration {
        let Some(failures) = &self.failures else { return Duration::ZERO };
        let until = failures.blocked().get(source).copied();
        until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()))
    }

    /// Records a failed attempt of this source.
    pub fn record_failure(&self, source: &S) {
        if let Some(failures) = &self.failures {
            failures.record(source);
        }
    }
}

impl<S: Clone + Eq + Hash> Failures<S> {
    fn record(&self, source: &S) {
        if self.limiter.len() >= MAX_SOURCES {
            self.limiter.retain_recent();
            let now = Instant::now();
            self.blocked().retain(|_, until| *until > now);
            if self.limiter.len() >= MAX_SOURCES {
                return;
            }
        }
        let state = self.limiter.check_key(source);
        if state.is_ok_and(|state| state.remaining_burst_capacity() > 0) {
            return;
        }
        // Without a permit for another failure: a check that is refused takes none, and says when there is one.
        if let Err(refused) = self.limiter.check_key(source) {
            let wait = refused.wait_time_from(TokioClock.now());
            self.blocked().insert(source.clone(), Instant::now() + wait);
        }
    }

    fn blocked(&self) -> MutexGuard<'_, HashMap<S, Instant>> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the source of an address: the IPv4 address, or the /64 network of an IPv6 address.
#[must_use]
pub fn source_network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => (address & IPV6_NETWORK_MASK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_fails_waits_and_its_neighbours_do_not() {
        let throttle = FailureThrottle::new(3);
        let [here, there]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|one| one.parse().unwrap());
        for _ in 0..3 {
            assert!(throttle.retry_after(&here).is_zero());
            throttle.record_failure(&here);
        }
        assert_eq!(throttle.retry_after(&here), Duration::from_secs(20));
        assert!(throttle.retry_after(&there).is_zero());
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(throttle.retry_after(&here).is_zero());
        throttle.record_failure(&here);
        assert_eq!(throttle.retry_after(&here), Duration::from_secs(20));
        tokio::time::advance(Duration::from_mins(1)).await;
        assert!(throttle.retry_after(&here).is_zero());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let of = |text: &str| source_network(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[tokio::test(start_paused = true)]
    async fn the_number_of_sources_is_bounded() {
        let throttle = FailureThrottle::new(60);
        let address = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        for number in 0..=MAX_SOURCES {
            throttle.record_failure(&address(number));
        }
        let sources = || throttle.failures.as_ref().unwrap().limiter.len();
        assert_eq!(sources(), MAX_SOURCES);
        tokio::time::advance(Duration::from_mins(2)).await;
        throttle.record_failure(&address(MAX_SOURCES + 1));
        assert_eq!(sources(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_throttle_of_zero_admits_all_attempts() {
        let throttle = FailureThrottle::new(0);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        throttle.record_failure(&address);
        assert!(throttle.retry_after(&address).is_zero());
    }
}
