//! Handles that were resolved before: a look-up by name costs one read lock and no allocation.

use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;

/// Something of each name.
#[derive(Debug)]
pub(super) struct PerName<T>(RwLock<HashMap<String, Arc<T>>>);

impl<T> Default for PerName<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> PerName<T> {
    /// That of a name, made when it is asked for the first time.
    pub(super) fn get(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(known);
        }
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(map.entry(name.to_owned()).or_insert_with(|| Arc::new(make())))
    }
}
