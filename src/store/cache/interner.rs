//! Interner for lists of strings: nearly all accounts have the same scopes, so each list is stored once.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Minimum number of lists before unused ones are removed.
const MIN_SWEEP_LEN: usize = 1024;

/// The lists in use.
#[derive(Debug)]
pub(super) struct Interner(Mutex<InternedLists>);

#[derive(Debug)]
struct InternedLists {
    sets: HashSet<Arc<[String]>>,
    sweep_at: usize,
}

impl Interner {
    /// Creates an empty interner.
    pub(super) fn new() -> Self {
        Self(Mutex::new(InternedLists { sets: HashSet::new(), sweep_at: MIN_SWEEP_LEN }))
    }

    /// Returns the stored list that equals `set`; stores `set` if it is the first.
    pub(super) fn intern(&self, set: &Arc<[String]>) -> Arc<[String]> {
        let InternedLists { sets, sweep_at } =
            &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = sets.get(set) {
            return Arc::clone(known);
        }
        if sets.len() >= *sweep_at {
            sets.retain(|set| Arc::strong_count(set) > 1);
            *sweep_at = MIN_SWEEP_LEN.max(2 * sets.len());
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
    fn stores_equal_lists_once_and_removes_unused_ones() {
        let sets = Interner::new();
        let first = sets.intern(&set(&["a", "b"]));
        assert!(Arc::ptr_eq(&first, &sets.intern(&set(&["a", "b"]))));
        assert!(!Arc::ptr_eq(&first, &sets.intern(&set(&["b", "a"]))));
        for number in 0..MIN_SWEEP_LEN {
            sets.intern(&set(&[&number.to_string()]));
        }
        assert!(sets.0.lock().unwrap().sets.len() < 10);
        assert!(Arc::ptr_eq(&first, &sets.intern(&set(&["a", "b"]))));
    }
}
