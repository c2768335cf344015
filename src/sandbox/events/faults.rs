//! Faults of event deliveries: events that are lost, sent twice, or sent in another order.

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use time::Duration;

/// Maximum delay of a reordered event in milliseconds of the provider's clock.
const MAX_DELAY_MS: i64 = 2_000;

/// Faults to inject into the events of all apps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EventFaults {
    /// Share of the events that are never sent, from 0 to 1.
    pub lose: f64,
    /// Share of the other events that are sent twice, from 0 to 1.
    pub duplicate: f64,
    /// Whether each event is delayed at random, so that later events overtake it.
    pub reorder: bool,
}

impl EventFaults {
    /// Whether both shares are between 0 and 1.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        [self.lose, self.duplicate].iter().all(|share| (0.0..=1.0).contains(share))
    }
}

/// The faults, and how often they were injected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct EventFaultStatus {
    /// The faults.
    #[serde(flatten)]
    pub faults: EventFaults,
    /// Number of lost events.
    pub lost: u64,
    /// Number of events sent twice.
    pub duplicated: u64,
    /// Number of requests that were delayed.
    pub delayed: u64,
}

/// Decides which events are affected.
#[derive(Debug)]
pub(super) struct EventFaultInjector {
    status: EventFaultStatus,
    seed: u64,
    rng: Xoshiro256PlusPlus,
}

impl EventFaultInjector {
    /// Returns an injector without faults; `seed` determines the random numbers.
    pub(super) fn new(seed: u64) -> Self {
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        Self { status: EventFaultStatus::default(), seed, rng }
    }

    /// Replaces the faults, and starts again with the counts and the random numbers.
    pub(super) fn set(&mut self, faults: EventFaults) {
        *self = Self::new(self.seed);
        self.status.faults = faults;
    }

    /// Returns the faults and the counts.
    pub(super) fn status(&self) -> EventFaultStatus {
        self.status
    }

    /// Returns the delay of each request that sends the next event; none for a lost event.
    pub(super) fn next_delays(&mut self) -> Vec<Duration> {
        let EventFaults { lose, duplicate, reorder } = self.status.faults;
        let is_lost = self.rng.random::<f64>() < lose;
        let is_doubled = self.rng.random::<f64>() < duplicate;
        if is_lost {
            self.status.lost += 1;
            return Vec::new();
        }
        let mut delays = vec![Duration::ZERO];
        if is_doubled {
            self.status.duplicated += 1;
            delays.push(Duration::ZERO);
        }
        if reorder {
            for delay in &mut delays {
                self.status.delayed += 1;
                *delay = Duration::milliseconds(self.rng.random_range(0..=MAX_DELAY_MS));
            }
        }
        delays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(injector: &mut EventFaultInjector) -> Vec<usize> {
        (0..1_000).map(|_| injector.next_delays().len()).collect()
    }

    #[test]
    fn loses_and_doubles_the_same_events_for_the_same_seed() {
        let faults = EventFaults { lose: 0.2, duplicate: 0.5, reorder: false };
        let mut injector = EventFaultInjector::new(7);
        assert!(sent(&mut injector).iter().all(|count| *count == 1));
        injector.set(faults);
        let first = sent(&mut injector);
        let lost = first.iter().filter(|count| **count == 0).count();
        let doubled = first.iter().filter(|count| **count == 2).count();
        assert!((150..250).contains(&lost) && (320..480).contains(&doubled), "{lost} {doubled}");
        let status = injector.status();
        let counted = [lost, doubled].map(|count| u64::try_from(count).unwrap());
        assert_eq!([status.lost, status.duplicated], counted);
        injector.set(faults);
        assert_eq!(sent(&mut injector), first);
        injector.set(EventFaults::default());
        assert_eq!(injector.status(), EventFaultStatus::default());
    }

    #[test]
    fn delays_reordered_events_up_to_the_maximum() {
        let mut injector = EventFaultInjector::new(1);
        injector.set(EventFaults { duplicate: 1.0, reorder: true, ..EventFaults::default() });
        let delays: Vec<Duration> = (0..100).flat_map(|_| injector.next_delays()).collect();
        assert_eq!((delays.len(), injector.status().delayed), (200, 200));
        assert!(delays.iter().all(|delay| *delay <= Duration::milliseconds(MAX_DELAY_MS)));
        assert!(!delays.is_sorted());
    }
}
