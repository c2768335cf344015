//! The accounts for which a token endpoint is being asked, or whose new tokens are not stored yet: when the process ends
//! now, nobody knows whether their refresh tokens were used up.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::ids::IntegratedAccountId;

/// The accounts in doubt. A process refreshes an account once at a time.
#[derive(Debug, Default)]
pub(super) struct Asked(Mutex<BTreeSet<IntegratedAccountId>>);

/// The time from the first request for an account to what is stored of it.
#[derive(Debug)]
pub(super) struct Asking<'a> {
    all: &'a Asked,
    id: IntegratedAccountId,
}

impl Asked {
    /// Records that the token endpoint is asked for this account, until the guard is dropped.
    pub(super) fn begin(&self, id: IntegratedAccountId) -> Asking<'_> {
        self.ids().insert(id);
        Asking { all: self, id }
    }

    /// Returns the accounts in doubt.
    pub(super) fn list(&self) -> Vec<IntegratedAccountId> {
        self.ids().iter().copied().collect()
    }

    fn ids(&self) -> MutexGuard<'_, BTreeSet<IntegratedAccountId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.all.ids().remove(&self.id);
    }
}
