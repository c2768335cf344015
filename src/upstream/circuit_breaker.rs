//! The circuit breaker: calls to an unreachable host fail immediately instead of each waiting for a connection, and
//! one call at a time probes whether the host is back (half-open).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use super::error::UpstreamError;

/// Consecutive attempts without a response that open the circuit.
const FAILURE_THRESHOLD: u32 = 10;
/// How long the circuit stays open before a probe.
const OPEN_DURATION: Duration = Duration::from_secs(5);
/// How long a failing host is remembered after its last failure.
const CIRCUIT_TTL: Duration = Duration::from_mins(10);
/// The interval between two removals of old hosts.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);

/// The circuits of failing hosts. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct CircuitBreakers(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// The number of failing hosts. While it is zero, no call takes the lock.
    failing: AtomicUsize,
    circuits: Mutex<Circuits>,
}

#[derive(Debug, Default)]
struct Circuits {
    by_host: HashMap<String, Circuit>,
    swept_at: Option<Instant>,
}

/// The circuit of a host whose last attempt failed.
#[derive(Debug, Clone, Copy)]
struct Circuit {
    failures: u32,
    failed_at: Instant,
    /// Until when the circuit is open; `None` while it is closed.
    open_until: Option<Instant>,
    /// Whether a probe is running.
    is_half_open: bool,
}

/// Whether an attempt reached the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reachable {
    /// There was a response, of any status.
    Yes,
    /// No connection, or no response in time.
    No,
}

/// The circuit of the host is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CircuitOpen {
    /// The time until the next probe.
    pub(super) retry_after: Duration,
}

/// The admission of one attempt. Dropping it without a report changes nothing.
#[derive(Debug)]
pub(super) struct CircuitGuard<'a> {
    breakers: &'a CircuitBreakers,
    host: &'a str,
    is_probe: bool,
}

impl From<CircuitOpen> for UpstreamError {
    fn from(CircuitOpen { retry_after }: CircuitOpen) -> Self {
        Self::CircuitOpen { retry_after }
    }
}

impl CircuitBreakers {
    /// Fails when the circuit of `host` is open. Takes no probe, so a caller can wait for a permit afterwards.
    pub(super) fn check(&self, host: &str, now: Instant) -> Result<(), CircuitOpen> {
        if self.0.failing.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        self.circuits().by_host.get(host).map_or(Ok(()), |circuit| circuit.check(now))
    }

    /// Admits an attempt at `host`, which follows immediately; fails when the circuit is open.
    pub(super) fn admit<'a>(
        &'a self,
        host: &'a str,
        now: Instant,
    ) -> Result<CircuitGuard<'a>, CircuitOpen> {
        let mut guard = CircuitGuard { breakers: self, host, is_probe: false };
        if self.0.failing.load(Ordering::Acquire) == 0 {
            return Ok(guard);
        }
        if let Some(circuit) = self.circuits().by_host.get_mut(host) {
            circuit.check(now)?;
            guard.is_probe = circuit.open_until.is_some();
            circuit.is_half_open = guard.is_probe;
        }
        Ok(guard)
    }

    fn circuits(&self) -> MutexGuard<'_, Circuits> {
        self.0.circuits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Circuit {
    fn check(&self, now: Instant) -> Result<(), CircuitOpen> {
        match self.open_until {
            // A running probe decides soon.
            Some(until) if until > now || self.is_half_open => {
                let left = until.saturating_duration_since(now);
                Err(CircuitOpen { retry_after: left.max(Duration::from_secs(1)) })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Circuits {
    /// Removes hosts without a recent failure: hosts of customers come and go.
    fn sweep(&mut self, now: Instant) {
        if self.swept_at.is_some_and(|at| now.saturating_duration_since(at) < SWEEP_INTERVAL) {
            return;
        }
        self.swept_at = Some(now);
        let is_old = |host: &Circuit| now.saturating_duration_since(host.failed_at) >= CIRCUIT_TTL;
        self.by_host.retain(|_, host| host.is_half_open || !is_old(host));
    }
}

impl CircuitGuard<'_> {
    /// Records how the attempt ended.
    pub(super) fn report(mut self, reachable: Reachable, now: Instant) {
        let was_probe = std::mem::take(&mut self.is_probe);
        let failing = &self.breakers.0.failing;
        if reachable == Reachable::Yes && failing.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut hosts = self.breakers.circuits();
        match reachable {
            Reachable::Yes => {
                hosts.by_host.remove(self.host);
            }
            Reachable::No => {
                let closed =
                    Circuit { failures: 0, failed_at: now, open_until: None, is_half_open: false };
                let host = hosts.by_host.entry(self.host.to_owned()).or_insert(closed);
                host.failures = host.failures.saturating_add(1);
                host.failed_at = now;
                host.is_half_open &= !was_probe;
                if host.failures >= FAILURE_THRESHOLD && (was_probe || host.open_until.is_none()) {
                    host.open_until = Some(now + OPEN_DURATION);
                    tracing::warn!(host = self.host, "circuit open: the host is unreachable");
                }
            }
        }
        hosts.sweep(now);
        failing.store(hosts.by_host.len(), Ordering::Release);
    }
}

impl Drop for CircuitGuard<'_> {
    fn drop(&mut self) {
        // The caller disconnected during a probe: the next call probes.
        if self.is_probe
            && let Some(host) = self.breakers.circuits().by_host.get_mut(self.host)
        {
            host.is_half_open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breakers: &CircuitBreakers, times: u32, now: Instant) {
        for _ in 0..times {
            breakers.admit("a", now).unwrap().report(Reachable::No, now);
        }
    }

    #[test]
    fn opens_the_circuit_and_admits_one_probe_at_a_time() {
        let breakers = CircuitBreakers::default();
        let start = Instant::now();
        fail(&breakers, FAILURE_THRESHOLD, start);
        let open = breakers.admit("a", start).unwrap_err();
        assert_eq!(open.retry_after, OPEN_DURATION);
        breakers.admit("b", start).unwrap().report(Reachable::Yes, start);

        let later = start + OPEN_DURATION;
        let probe = breakers.admit("a", later).unwrap();
        assert!(
            breakers.admit("a", later).is_err(),
            "one call probes, the others fail until it ends"
        );
        probe.report(Reachable::No, later);
        assert_eq!(breakers.admit("a", later).unwrap_err().retry_after, OPEN_DURATION);

        let again = later + OPEN_DURATION;
        drop(breakers.admit("a", again).unwrap());
        breakers.admit("a", again).unwrap().report(Reachable::Yes, again);
        fail(&breakers, FAILURE_THRESHOLD - 1, again);
        assert!(breakers.admit("a", again).is_ok(), "a response resets the count");
    }

    #[test]
    fn a_response_keeps_the_circuit_closed() {
        let breakers = CircuitBreakers::default();
        let now = Instant::now();
        for _ in 0..5 {
            fail(&breakers, FAILURE_THRESHOLD - 1, now);
            breakers.admit("a", now).unwrap().report(Reachable::Yes, now);
        }
        assert!(breakers.admit("a", now).is_ok());
        assert!(breakers.circuits().by_host.is_empty());
    }

    #[test]
    fn a_check_takes_no_probe() {
        let breakers = CircuitBreakers::default();
        let start = Instant::now();
        fail(&breakers, FAILURE_THRESHOLD, start);
        assert!(breakers.check("a", start).is_err());
        let later = start + OPEN_DURATION;
        assert_eq!(breakers.check("a", later), Ok(()));
        assert_eq!(breakers.check("a", later), Ok(()), "a check takes no probe");
        let probe = breakers.admit("a", later).unwrap();
        assert!(breakers.check("a", later).is_err());
        drop(probe);
        assert_eq!(breakers.check("a", later), Ok(()));
    }

    #[test]
    fn removes_hosts_without_recent_failures() {
        let breakers = CircuitBreakers::default();
        let start = Instant::now();
        for number in 0..100 {
            let host = format!("host-{number}");
            breakers.admit(&host, start).unwrap().report(Reachable::No, start);
        }
        assert_eq!(breakers.circuits().by_host.len(), 100);
        let later = start + CIRCUIT_TTL;
        breakers.admit("good", later).unwrap().report(Reachable::Yes, later);
        assert!(breakers.circuits().by_host.is_empty());
        assert_eq!(breakers.0.failing.load(Ordering::Acquire), 0);
    }
}
