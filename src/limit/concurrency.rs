//! A concurrency limit per environment: for requests in flight, or for calls that wait.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;

use crate::domain::ids::EnvironmentId;

/// A limit of concurrent permits for each environment. Clones share the counts.
#[derive(Clone)]
pub struct ConcurrencyLimit(Arc<Inner>);

struct Inner {
    max_permits: usize,
    counts: RwLock<HashMap<EnvironmentId, Arc<AtomicUsize>>>,
}

/// A permit, released when dropped.
#[derive(Debug)]
pub struct ConcurrencyPermit(Arc<AtomicUsize>);

impl Drop for ConcurrencyPermit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for ConcurrencyLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConcurrencyLimit")
            .field("max_permits", &self.0.max_permits)
            .finish_non_exhaustive()
    }
}

impl ConcurrencyLimit {
    /// Creates a limit of `most` concurrent permits for each environment.
    #[must_use]
    pub fn new(max_permits: usize) -> Self {
        Self(Arc::new(Inner { max_permits, counts: RwLock::default() }))
    }

    /// Returns a permit, or `None` when the environment is at its limit.
    #[must_use]
    pub fn try_acquire(&self, environment_id: EnvironmentId) -> Option<ConcurrencyPermit> {
        let permit = ConcurrencyPermit(self.counter(environment_id));
        // Counted first: two callers must not both see the last permit. Dropping it restores the count.
        (permit.0.fetch_add(1, Ordering::Relaxed) < self.0.max_permits).then_some(permit)
    }

    /// Whether the environment is below its limit.
    #[must_use]
    pub fn has_permit(&self, environment_id: EnvironmentId) -> bool {
        self.counter(environment_id).load(Ordering::Relaxed) < self.0.max_permits
    }

    fn counter(&self, environment_id: EnvironmentId) -> Arc<AtomicUsize> {
        let taken = self.0.counts.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = taken.get(&environment_id) {
            return Arc::clone(counter);
        }
        drop(taken);
        let mut taken = self.0.counts.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(taken.entry(environment_id).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::domain::entropy::SystemEntropy;

    #[test]
    fn counts_each_environment_alone() {
        let limit = ConcurrencyLimit::new(2);
        let [one, two] = [(); 2].map(|()| EnvironmentId::generate(&SystemClock, &SystemEntropy));
        let first = limit.try_acquire(one);
        let second = limit.try_acquire(one);
        assert!(first.is_some() && second.is_some() && limit.try_acquire(one).is_none());
        assert!(limit.try_acquire(two).is_some(), "another environment has its own limit");
        drop(first);
        assert!(limit.try_acquire(one).is_some(), "a rejection takes no permit");
    }
}
