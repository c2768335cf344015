//! What every call reads, kept in memory: who is behind a key, the account, its custom fields, and, by
//! the vault, its opened tokens. A warm call asks the database nothing.
//!
//! Three things keep it true. Triggers tell every gateway of each change by `NOTIFY` (`listen`), so that
//! no writer can forget to. Our own writes are forgotten here as soon as they are committed, before the
//! caller is answered: its next request must not meet what it has just revoked, and the notification,
//! though soon here too, may come after the answer. And an answer that was read before a change is not
//! kept after it (`cache`). While we can't listen, the database is asked. Should a change get lost all the same,
//! no row is older than `max_age`.

mod cache;
mod ear;
mod echo;
mod listen;
mod sets;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub use cache::Cache;

use self::ear::{Ear, Hearing};
use self::sets::Sets;
use super::keys::KnownKey;
use crate::domain::account::IntegratedAccount;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::mapping::Mapping;
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::telemetry::CacheFigures;

/// How much is kept, and for how long without a database.
#[derive(Debug, Clone, Copy)]
pub struct Keeping {
    /// The most accounts, and as many keys and tokens.
    pub accounts: usize,
    /// How long calls go on with what is known when the database can't be reached.
    pub in_outage: Duration,
    /// How old a row may be that no change was heard of.
    pub max_age: Duration,
}

impl Default for Keeping {
    fn default() -> Self {
        Self {
            accounts: 100_000,
            in_outage: Duration::from_mins(1),
            max_age: Duration::from_mins(5),
        }
    }
}

/// An account, wherever it is a key: another environment must not find it.
pub type AccountKey = (EnvironmentId, IntegratedAccountId);

/// A tenant and a provider: what callers may name instead of an account.
pub(super) type TenantKey = (EnvironmentId, Provider, String);

/// A change of a row that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An API key or an account token.
    Key(Digest),
    /// An account or its tokens.
    Account(EnvironmentId, IntegratedAccountId),
    /// Which accounts a tenant has at a provider.
    Tenant(EnvironmentId, Provider, String),
    /// The custom fields of an environment, or of one account of it.
    Mappings(EnvironmentId, Option<IntegratedAccountId>),
    /// More than can be said.
    Everything,
}

/// Somebody who keeps rows and wants to know when they change.
pub(super) trait Hears: Send + Sync {
    /// Forgets what changed.
    fn hear(&self, change: &Change);

    /// How much it keeps, and whether that was of use.
    fn figures(&self) -> CacheFigures;
}

/// The custom fields of an environment.
#[derive(Debug)]
pub(super) struct SharedMappings {
    /// Those for all its accounts.
    pub(super) for_all: Vec<Mapping>,
    /// The accounts that have some of their own, in order.
    pub(super) with_own: Vec<IntegratedAccountId>,
}

/// What is kept.
pub(super) struct Warm {
    /// Who is behind a key.
    pub(super) keys: Arc<Cache<Digest, KnownKey>>,
    /// The accounts.
    pub(super) accounts: Arc<Cache<AccountKey, Arc<IntegratedAccount>>>,
    /// The live accounts of tenants.
    pub(super) tenants: Arc<Cache<TenantKey, Arc<[IntegratedAccountId]>>>,
    /// The custom fields of environments.
    pub(super) shared_mappings: Arc<Cache<EnvironmentId, Arc<SharedMappings>>>,
    /// The custom fields of those accounts that have some.
    pub(super) own_mappings: Arc<Cache<AccountKey, Arc<[Mapping]>>>,
    scopes: Sets,
    keeping: Keeping,
    ear: Arc<Ear>,
    all: RwLock<Vec<Arc<dyn Hears>>>,
}

impl Warm {
    /// Nothing yet.
    pub(super) fn new(keeping: Keeping) -> Self {
        let ear = Arc::new(Ear::new());
        let room = keeping.accounts;
        let keys = Arc::new(Cache::new("keys", Arc::clone(&ear), room, |change| match change {
            Change::Key(digest) => Some(*digest),
            Change::Account(..)
            | Change::Tenant(..)
            | Change::Mappings(..)
            | Change::Everything => None,
        }));
        let accounts = Arc::new(Cache::new("accounts", Arc::clone(&ear), room, account_of));
        let tenants =
            Arc::new(Cache::new("tenants", Arc::clone(&ear), room, |change| match change {
                Change::Tenant(environment_id, provider, tenant_id) => {
                    Some((*environment_id, *provider, tenant_id.clone()))
                }
                Change::Key(_)
                | Change::Account(..)
                | Change::Mappings(..)
                | Change::Everything => None,
            }));
        let shared_mappings =
            Arc::new(Cache::new("mappings", Arc::clone(&ear), room.min(10_000), |change| {
                match change {
                    Change::Mappings(environment_id, _) => Some(*environment_id),
                    Change::Key(_)
                    | Change::Account(..)
                    | Change::Tenant(..)
                    | Change::Everything => None,
                }
            }));
        let own_mappings =
            Arc::new(Cache::new("own_mappings", Arc::clone(&ear), room, |change| match change {
                Change::Mappings(environment_id, Some(account_id)) => {
                    Some((*environment_id, *account_id))
                }
                Change::Mappings(_, None)
                | Change::Key(_)
                | Change::Account(..)
                | Change::Tenant(..)
                | Change::Everything => None,
            }));
        let all: Vec<Arc<dyn Hears>> = vec![
            Arc::clone(&keys) as _,
            Arc::clone(&accounts) as _,
            Arc::clone(&tenants) as _,
            Arc::clone(&shared_mappings) as _,
            Arc::clone(&own_mappings) as _,
        ];
        let all = RwLock::new(all);
        let scopes = Sets::new();
        Self { keys, accounts, tenants, shared_mappings, own_mappings, scopes, keeping, ear, all }
    }

    /// The account with the scopes that others have too, where some have the same.
    pub(super) fn sharing(&self, account: IntegratedAccount) -> IntegratedAccount {
        IntegratedAccount {
            granted_scopes: self.scopes.shared(&account.granted_scopes),
            missing_scopes: self.scopes.shared(&account.missing_scopes),
            ..account
        }
    }

    /// A further cache of something that belongs to accounts.
    pub(super) fn of_accounts<V>(&self, name: &'static str) -> Arc<Cache<AccountKey, V>>
    where
        V: Clone + Send + Sync + 'static,
    {
        let cache =
            Arc::new(Cache::new(name, Arc::clone(&self.ear), self.keeping.accounts, account_of));
        let mut all = self.all.write().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::clone(&cache) as _);
        cache
    }

    /// How much is kept, and whether that was of use.
    pub(super) fn figures(&self) -> Vec<CacheFigures> {
        let all = self.all.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().map(|cache| cache.figures()).collect()
    }

    /// Forgets what changed.
    pub(super) fn hear(&self, change: &Change) {
        for cache in &*self.all.read().unwrap_or_else(PoisonError::into_inner) {
            cache.hear(change);
        }
    }

    /// From now on every change is heard of; what changed before this may not have been.
    fn hears(&self) {
        self.hear(&Change::Everything);
        self.ear.set(Hearing::Clearly);
    }
}

impl std::fmt::Debug for Warm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Warm").field("keeping", &self.keeping).finish_non_exhaustive()
    }
}

fn account_of(change: &Change) -> Option<AccountKey> {
    match change {
        Change::Account(environment_id, account_id) => Some((*environment_id, *account_id)),
        Change::Key(_) | Change::Tenant(..) | Change::Mappings(..) | Change::Everything => None,
    }
}
