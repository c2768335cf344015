//! Locks on users and groups. SCIM changes a user or a group for one request at a time and rejects
//! a concurrent one: <https://docs.slack.dev/reference/scim-api>.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use super::locks::lock;

/// The ids of all locked resources.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResourceLocks(Arc<Mutex<HashSet<String>>>);

/// Holds the lock on one resource until it is dropped.
#[derive(Debug)]
pub(crate) struct LockGuard {
    locks: ResourceLocks,
    id: String,
}

impl ResourceLocks {
    /// Locks a resource. Returns `None` if it is locked already.
    pub(crate) fn try_lock(&self, id: &str) -> Option<LockGuard> {
        let begun = lock(&self.0).insert(id.to_owned());
        begun.then(|| LockGuard { locks: self.clone(), id: id.to_owned() })
    }
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        lock(&self.locks.0).remove(&self.id);
    }
}
