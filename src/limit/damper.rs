//! A throttle on failures, by the address or the key that they come from: whoever only fails has to wait before anything is looked up.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::gcra::{Debt, Pace};
use super::{Class, Rate};

/// So many sources are remembered at the most; then those are forgotten that have paid.
const MOST: usize = 50_000;
/// Whoever has one IPv6 address has all of its network.
const NETWORK: Ipv6Addr = Ipv6Addr::new(0xffff, 0xffff, 0xffff, 0xffff, 0, 0, 0, 0);

/// Sources of failures, such as addresses. A source without a failure takes no memory.
#[derive(Debug)]
pub struct Damper<S> {
    /// `None`: nobody is made to wait.
    pace: Option<Pace>,
    failures: Mutex<HashMap<S, Debt>>,
}

impl<S: Copy + Eq + Hash> Damper<S> {
    /// Lets a source fail as often as a minute has failures, at once or spread over it; 0: without end.
    #[must_use]
    pub fn new(failures_per_minute: u32) -> Self {
        let rate = Rate { per_minute: failures_per_minute.into(), burst: failures_per_minute };
        let pace = (failures_per_minute > 0).then(|| Pace::new(rate, Class::Interactive));
        Self { pace, failures: Mutex::default() }
    }

    /// The time until the next attempt of this source is admitted; zero when it is admitted now.
    #[must_use]
    pub fn wait(&self, source: S, now: Instant) -> Duration {
        let Some(pace) = self.pace else { return Duration::ZERO };
        let debt = self.failures().get(&source).copied();
        debt.map_or(Duration::ZERO, |debt| debt.wait(pace, now, Duration::ZERO, 0))
    }

    /// Records a failed attempt of this source.
    pub fn failed(&self, source: S, now: Instant) {
        let Some(pace) = self.pace else { return };
        let mut failures = self.failures();
        if failures.len() >= MOST && !failures.contains_key(&source) {
            failures.retain(|_, debt| !debt.owed(now).is_zero());
            if failures.len() >= MOST {
                return;
            }
        }
        failures.entry(source).or_insert(Debt { paid_at: now }).charge(pace, now);
    }

    fn failures(&self) -> MutexGuard<'_, HashMap<S, Debt>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The source that an address counts for: an IPv6 address counts for its /64 network.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => (address & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_fails_waits_and_its_neighbours_do_not() {
        let (damper, start) = (Damper::new(3), Instant::now());
        let [here, there]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|one| one.parse().unwrap());
        for _ in 0..3 {
            assert!(damper.wait(here, start).is_zero());
            damper.failed(here, start);
        }
        assert_eq!(damper.wait(here, start), Duration::from_secs(20));
        assert!(damper.wait(there, start).is_zero());
        let later = start + Duration::from_secs(20);
        assert!(damper.wait(here, later).is_zero());
        damper.failed(here, later);
        assert_eq!(damper.wait(here, later), Duration::from_secs(20));
        assert!(damper.wait(here, start + Duration::from_secs(80)).is_zero());
    }

    #[test]
    fn addresses_of_one_ipv6_network_are_one_source() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8:0:1::1"), of("2001:db8:0:1:ffff::2"));
        assert_ne!(of("2001:db8:0:1::1"), of("2001:db8:0:2::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn what_is_remembered_has_an_end() {
        let (damper, start) = (Damper::new(60), Instant::now());
        let address = |number: usize| IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
        for number in 0..=MOST {
            damper.failed(address(number), start);
        }
        assert_eq!(damper.failures().len(), MOST);
        damper.failed(address(MOST + 1), start + Duration::from_secs(2));
        assert_eq!(damper.failures().len(), 1);
    }

    #[test]
    fn without_a_pace_nobody_waits() {
        let (damper, now) = (Damper::new(0), Instant::now());
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        damper.failed(address, now);
        assert!(damper.wait(address, now).is_zero() && damper.failures().is_empty());
    }
}
