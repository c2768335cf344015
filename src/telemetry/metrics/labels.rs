//! The labels of a metric, and a cache of the handles behind them.

use std::borrow::Cow;
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::HashMap;

/// The labels of a metric: names and values.
pub(super) type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];

/// Metric handles by name. A lookup costs one read lock and no allocation.
#[derive(Debug)]
pub(super) struct HandleCache<T>(RwLock<HashMap<String, Arc<T>>>);

impl<T> Default for HandleCache<T> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<T> HandleCache<T> {
    /// Returns the handle of a name; creates it at the first use.
    pub(super) fn get(&self, name: &str, make: impl FnOnce() -> T) -> Arc<T> {
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return Arc::clone(known);
        }
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(map.entry(name.to_owned()).or_insert_with(|| Arc::new(make())))
    }
}
