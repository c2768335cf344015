//! Sets of texts that many rows share, kept once: nearly all accounts have the same scopes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// So many sets are kept before those that nobody uses any more are looked for.
const FIRST_SWEEP: usize = 1024;

/// The sets in use.
#[derive(Debug)]
pub(super) struct Sets(Mutex<Known>);

#[derive(Debug)]
struct Known {
    sets: HashSet<Arc<[String]>>,
    sweep_at: usize,
}

impl Sets {
    /// None yet.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Known { sets: HashSet::new(), sweep_at: FIRST_SWEEP }))
    }

    /// The one that equals `set`, or `set` itself when it is the first.
    pub(super) fn shared(&self, set: &Arc<[String]>) -> Arc<[String]> {
        let Known { sets, sweep_at } = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sets.get(set) {
            return Arc::clone(known);
        }
        if sets.len() >= *sweep_at {
            sets.retain(|set| Arc::strong_count(set) > 1);
            *sweep_at = FIRST_SWEEP.max(2 * sets.len());
        }
        sets.insert(Arc::clone(set));
        Arc::clone(set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> Arc<[String]> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn equal_sets_are_kept_once_and_those_that_nobody_uses_go() {
        let sets = Sets::new();
        let first = sets.shared(&set(&["a", "b"]));
        assert!(Arc::ptr_eq(&first, &sets.shared(&set(&["a", "b"]))));
        assert!(!Arc::ptr_eq(&first, &sets.shared(&set(&["b", "a"]))));
        for number in 0..FIRST_SWEEP {
            sets.shared(&set(&[&number.to_string()]));
        }
        assert!(sets.0.lock().unwrap().sets.len() < 10);
        assert!(Arc::ptr_eq(&first, &sets.shared(&set(&["a", "b"]))));
    }
}
