//! A host that can't be reached is left alone for a while: calls fail at once instead of waiting for a
//! connection one after the other, and one at a time tries whether it is back.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use super::error::UpstreamError;

/// So many attempts without an answer, one after the other, and the host rests.
const FAILURES: u32 = 10;
/// How long it rests.
const REST: Duration = Duration::from_secs(5);
/// A host whose last failure is older is forgotten, and how often that is looked for.
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);
const SWEEP_EVERY: Duration = Duration::from_mins(1);

/// What is known of hosts.
#[derive(Debug, Clone, Default)]
pub(super) struct Breakers(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Hosts that have failed last. While there is none, nobody needs the lock.
    failing: AtomicUsize,
    hosts: Mutex<Hosts>,
}

#[derive(Debug, Default)]
struct Hosts {
    known: HashMap<String, Host>,
    swept_at: Option<Instant>,
}

/// A host whose last attempt failed.
#[derive(Debug, Clone, Copy)]
struct Host {
    failures: u32,
    failed_at: Instant,
    /// Until when it is left alone, once it is.
    rests_until: Option<Instant>,
    /// Whether somebody is trying whether it is back.
    tried: bool,
}

/// How an attempt ended, as far as the host matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reached {
    /// It answered, whatever it said.
    Yes,
    /// No connection, or no answer in time.
    No,
}

/// The host rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rests {
    /// When it is tried next.
    pub(super) retry_after: Duration,
}

/// Leave for one attempt at a host. Given back without a report it changes nothing.
#[derive(Debug)]
pub(super) struct Leave<'a> {
    breakers: &'a Breakers,
    host: &'a str,
    is_trial: bool,
}

impl From<Rests> for UpstreamError {
    fn from(Rests { retry_after }: Rests) -> Self {
        Self::Resting { retry_after }
    }
}

impl Breakers {
    /// Whether an attempt at `host` would have leave. Nothing is taken: what the attempt needs can be waited for.
    pub(super) fn check(&self, host: &str, now: Instant) -> Result<(), Rests> {
        if self.0.failing.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        self.hosts().known.get(host).map_or(Ok(()), |known| known.check(now))
    }

    /// Leave for an attempt at `host`, unless it rests. The attempt is made right after.
    pub(super) fn enter<'a>(&'a self, host: &'a str, now: Instant) -> Result<Leave<'a>, Rests> {
        let mut leave = Leave { breakers: self, host, is_trial: false };
        if self.0.failing.load(Ordering::Acquire) == 0 {
            return Ok(leave);
        }
        if let Some(known) = self.hosts().known.get_mut(host) {
            known.check(now)?;
            leave.is_trial = known.rests_until.is_some();
            known.tried = leave.is_trial;
        }
        Ok(leave)
    }

    fn hosts(&self) -> MutexGuard<'_, Hosts> {
        self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    fn check(&self, now: Instant) -> Result<(), Rests> {
        match self.rests_until {
            // Whoever tries will know soon.
            Some(until) if until > now || self.tried => {
                let left = until.saturating_duration_since(now);
                Err(Rests { retry_after: left.max(Duration::from_secs(1)) })
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Hosts {
    /// Forgets hosts that nobody has called for long: customers' hosts come and go.
    fn sweep(&mut self, now: Instant) {
        if self.swept_at.is_some_and(|at| now.saturating_duration_since(at) < SWEEP_EVERY) {
            return;
        }
        self.swept_at = Some(now);
        let is_old = |host: &Host| now.saturating_duration_since(host.failed_at) >= FORGOTTEN_AFTER;
        self.known.retain(|_, host| host.tried || !is_old(host));
    }
}

impl Leave<'_> {
    /// Says how the attempt ended.
    pub(super) fn report(mut self, reached: Reached, now: Instant) {
        let was_trial = std::mem::take(&mut self.is_trial);
        let failing = &self.breakers.0.failing;
        if reached == Reached::Yes && failing.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut hosts = self.breakers.hosts();
        match reached {
            Reached::Yes => {
                hosts.known.remove(self.host);
            }
            Reached::No => {
                let fresh = Host { failures: 0, failed_at: now, rests_until: None, tried: false };
                let host = hosts.known.entry(self.host.to_owned()).or_insert(fresh);
                host.failures = host.failures.saturating_add(1);
                host.failed_at = now;
                host.tried &= !was_trial;
                if host.failures >= FAILURES && (was_trial || host.rests_until.is_none()) {
                    host.rests_until = Some(now + REST);
                    tracing::warn!(host = self.host, "the host can't be reached and is left alone");
                }
            }
        }
        hosts.sweep(now);
        failing.store(hosts.known.len(), Ordering::Release);
    }
}

impl Drop for Leave<'_> {
    fn drop(&mut self) {
        // The caller hung up in the middle of a trial: the next one tries.
        if self.is_trial
            && let Some(host) = self.breakers.hosts().known.get_mut(self.host)
        {
            host.tried = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breakers: &Breakers, times: u32, now: Instant) {
        for _ in 0..times {
            breakers.enter("a", now).unwrap().report(Reached::No, now);
        }
    }

    #[test]
    fn a_host_that_never_answers_is_left_alone_and_tried_by_one_at_a_time() {
        let breakers = Breakers::default();
        let start = Instant::now();
        fail(&breakers, FAILURES, start);
        let rests = breakers.enter("a", start).unwrap_err();
        assert_eq!(rests.retry_after, REST);
        breakers.enter("b", start).unwrap().report(Reached::Yes, start);

        let later = start + REST;
        let trial = breakers.enter("a", later).unwrap();
        assert!(
            breakers.enter("a", later).is_err(),
            "one tries, the others wait for what it finds"
        );
        trial.report(Reached::No, later);
        assert_eq!(breakers.enter("a", later).unwrap_err().retry_after, REST);

        let again = later + REST;
        drop(breakers.enter("a", again).unwrap());
        breakers.enter("a", again).unwrap().report(Reached::Yes, again);
        fail(&breakers, FAILURES - 1, again);
        assert!(breakers.enter("a", again).is_ok(), "what was before the answer is forgotten");
    }

    #[test]
    fn an_answer_in_between_keeps_a_host_in_use() {
        let breakers = Breakers::default();
        let now = Instant::now();
        for _ in 0..5 {
            fail(&breakers, FAILURES - 1, now);
            breakers.enter("a", now).unwrap().report(Reached::Yes, now);
        }
        assert!(breakers.enter("a", now).is_ok());
        assert!(breakers.hosts().known.is_empty());
    }

    #[test]
    fn a_check_takes_no_trial() {
        let breakers = Breakers::default();
        let start = Instant::now();
        fail(&breakers, FAILURES, start);
        assert!(breakers.check("a", start).is_err());
        let later = start + REST;
        assert_eq!(breakers.check("a", later), Ok(()));
        assert_eq!(breakers.check("a", later), Ok(()), "whoever waits for a permit holds nothing");
        let trial = breakers.enter("a", later).unwrap();
        assert!(breakers.check("a", later).is_err());
        drop(trial);
        assert_eq!(breakers.check("a", later), Ok(()));
    }

    #[test]
    fn hosts_that_are_not_called_again_are_forgotten() {
        let breakers = Breakers::default();
        let start = Instant::now();
        for number in 0..100 {
            let host = format!("host-{number}");
            breakers.enter(&host, start).unwrap().report(Reached::No, start);
        }
        assert_eq!(breakers.hosts().known.len(), 100);
        let later = start + FORGOTTEN_AFTER;
        breakers.enter("good", later).unwrap().report(Reached::Yes, later);
        assert!(breakers.hosts().known.is_empty());
        assert_eq!(breakers.0.failing.load(Ordering::Acquire), 0);
    }
}
