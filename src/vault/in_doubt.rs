//! Accounts in doubt: the token endpoint is being called for them or their new tokens are not stored yet. If the
//! process ends now, it is unknown whether their refresh tokens were consumed.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::ids::IntegratedAccountId;

/// Set of accounts in doubt. A process refreshes an account once at a time.
#[derive(Debug, Default)]
pub(super) struct AccountsInDoubt(Mutex<BTreeSet<IntegratedAccountId>>);

/// Guard from the first request for an account until its outcome is stored.
#[derive(Debug)]
pub(super) struct InDoubtGuard<'a> {
    all: &'a AccountsInDoubt,
    id: IntegratedAccountId,
}

impl AccountsInDoubt {
    /// Adds this account until the guard is dropped.
    pub(super) fn begin(&self, id: IntegratedAccountId) -> InDoubtGuard<'_> {
        self.ids().insert(id);
        InDoubtGuard { all: self, id }
    }

    /// Returns the accounts in doubt.
    pub(super) fn list(&self) -> Vec<IntegratedAccountId> {
        self.ids().iter().copied().collect()
    }

    fn ids(&self) -> MutexGuard<'_, BTreeSet<IntegratedAccountId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for InDoubtGuard<'_> {
    fn drop(&mut self) {
        self.all.ids().remove(&self.id);
    }
}
