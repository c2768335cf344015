//! The share of each environment of the requests, or of the calls that wait, which a gateway takes at the same time.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;

use crate::domain::ids::EnvironmentId;

/// The places of environments. Clones share them.
#[derive(Clone)]
pub struct Places(Arc<Inner>);

struct Inner {
    most: usize,
    taken: RwLock<HashMap<EnvironmentId, Arc<AtomicUsize>>>,
}

/// A place, taken until this is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Places").field("most", &self.0.most).finish_non_exhaustive()
    }
}

impl Places {
    /// `most` places for each environment.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self(Arc::new(Inner { most, taken: RwLock::default() }))
    }

    /// Returns a place, or `None` when the environment has all that it may have.
    #[must_use]
    pub fn enter(&self, environment_id: EnvironmentId) -> Option<Place> {
        let place = Place(self.counter(environment_id));
        // Counted first: two callers must not both see the last place free. Dropping it takes the count back.
        (place.0.fetch_add(1, Ordering::Relaxed) < self.0.most).then_some(place)
    }

    /// Whether the environment has a place left.
    #[must_use]
    pub fn is_free(&self, environment_id: EnvironmentId) -> bool {
        self.counter(environment_id).load(Ordering::Relaxed) < self.0.most
    }

    fn counter(&self, environment_id: EnvironmentId) -> Arc<AtomicUsize> {
        let taken = self.0.taken.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = taken.get(&environment_id) {
            return Arc::clone(counter);
        }
        drop(taken);
        let mut taken = self.0.taken.write().unwrap_or_else(PoisonError::into_inner);
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
        let places = Places::new(2);
        let [one, two] = [(); 2].map(|()| EnvironmentId::generate(&SystemClock, &SystemEntropy));
        let first = places.enter(one);
        let second = places.enter(one);
        assert!(first.is_some() && second.is_some() && places.enter(one).is_none());
        assert!(places.enter(two).is_some(), "another environment has its own places");
        drop(first);
        assert!(places.enter(one).is_some(), "a refusal takes no place");
    }
}
