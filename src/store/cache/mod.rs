//! In-memory cache of the rows that every call reads: API keys, accounts, custom fields and, through the vault,
//! decrypted tokens. A call with all of them cached sends no query.
//!
//! Three mechanisms keep it current. Triggers announce each change to every gateway by `NOTIFY` (`invalidation`), so no
//! writer can omit it. Our own writes invalidate the cache right after the commit, before the caller gets its response:
//! the notification may come later, and the caller's next request must not use what it has just revoked. And a row that
//! was read before a change is not cached after it (`table`). While the feed is disconnected, every read goes to the
//! database. As a last resort no row is older than `max_age`.

mod feed_probe;
mod feed_state;
mod interner;
mod invalidation;
mod table;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

pub use table::ReadThroughCache;

use self::feed_state::{FeedState, FeedStatus};
use self::interner::Interner;
use super::caller::CachedKey;
use crate::domain::account::IntegratedAccount;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::mapping::Mapping;
use crate::domain::provider::Provider;
use crate::domain::sealed::Digest;
use crate::telemetry::CacheStats;

/// Size of the cache, and how long it serves rows without a feed.
#[derive(Debug, Clone, Copy)]
pub struct CacheConfig {
    /// Maximum number of accounts, and likewise of keys and of tokens.
    pub max_accounts: usize,
    /// How long cached rows are served while the database is unreachable.
    pub serve_stale_for: Duration,
    /// Maximum age of a row for which no change was announced.
    pub max_age: Duration,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            max_accounts: 100_000,
            serve_stale_for: Duration::from_mins(1),
            max_age: Duration::from_mins(5),
        }
    }
}

/// Cache key of an account: with its environment, so that no other environment finds it.
pub type AccountKey = (EnvironmentId, IntegratedAccountId);

/// A tenant and a provider, which callers may name instead of an account.
pub(super) type TenantKey = (EnvironmentId, Provider, String);

/// A change of cached rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidation {
    /// An API key or an account token.
    Key(Digest),
    /// An account or its tokens.
    Account(EnvironmentId, IntegratedAccountId),
    /// The list of a tenant's accounts at a provider.
    Tenant(EnvironmentId, Provider, String),
    /// The custom fields of an environment, or of one of its accounts.
    Mappings(EnvironmentId, Option<IntegratedAccountId>),
    /// Anything: every row is invalidated.
    Everything,
}

/// A cache that can be invalidated.
pub(super) trait Invalidate: Send + Sync {
    /// Removes the rows that changed.
    fn invalidate(&self, change: &Invalidation);

    /// Returns its size and hit rate.
    fn stats(&self) -> CacheStats;
}

/// The custom fields of an environment.
#[derive(Debug)]
pub(super) struct SharedMappings {
    /// Those that apply to all its accounts.
    pub(super) for_all_accounts: Vec<Mapping>,
    /// The accounts with mappings of their own, sorted.
    pub(super) accounts_with_own: Vec<IntegratedAccountId>,
}

/// The caches of all kinds of rows.
pub(super) struct RowCaches {
    /// Callers by the digest of their key.
    pub(super) keys: Arc<ReadThroughCache<Digest, CachedKey>>,
    /// The accounts.
    pub(super) accounts: Arc<ReadThroughCache<AccountKey, Arc<IntegratedAccount>>>,
    /// The connected accounts of tenants.
    pub(super) tenants: Arc<ReadThroughCache<TenantKey, Arc<[IntegratedAccountId]>>>,
    /// The custom fields of environments.
    pub(super) shared_mappings: Arc<ReadThroughCache<EnvironmentId, Arc<SharedMappings>>>,
    /// The custom fields of accounts that have their own.
    pub(super) own_mappings: Arc<ReadThroughCache<AccountKey, Arc<[Mapping]>>>,
    scopes: Interner,
    config: CacheConfig,
    feed: Arc<FeedState>,
    caches: RwLock<Vec<Arc<dyn Invalidate>>>,
}

impl RowCaches {
    /// Creates empty caches.
    pub(super) fn new(config: CacheConfig) -> Self {
        let feed = Arc::new(FeedState::new());
        let room = config.max_accounts;
        let keys =
            Arc::new(ReadThroughCache::new(
                "keys",
                Arc::clone(&feed),
                room,
                |change| match change {
                    Invalidation::Key(digest) => Some(*digest),
                    Invalidation::Account(..)
                    | Invalidation::Tenant(..)
                    | Invalidation::Mappings(..)
                    | Invalidation::Everything => None,
                },
            ));
        let accounts =
            Arc::new(ReadThroughCache::new("accounts", Arc::clone(&feed), room, account_of));
        let tenants = Arc::new(ReadThroughCache::new(
            "tenants",
            Arc::clone(&feed),
            room,
            |change| match change {
                Invalidation::Tenant(environment_id, provider, tenant_id) => {
                    Some((*environment_id, *provider, tenant_id.clone()))
                }
                Invalidation::Key(_)
                | Invalidation::Account(..)
                | Invalidation::Mappings(..)
                | Invalidation::Everything => None,
            },
        ));
        let shared_mappings = Arc::new(ReadThroughCache::new(
            "mappings",
            Arc::clone(&feed),
            room.min(10_000),
            |change| match change {
                Invalidation::Mappings(environment_id, _) => Some(*environment_id),
                Invalidation::Key(_)
                | Invalidation::Account(..)
                | Invalidation::Tenant(..)
                | Invalidation::Everything => None,
            },
        ));
        let own_mappings =
            Arc::new(ReadThroughCache::new("own_mappings", Arc::clone(&feed), room, |change| {
                match change {
                    Invalidation::Mappings(environment_id, Some(account_id)) => {
                        Some((*environment_id, *account_id))
                    }
                    Invalidation::Mappings(_, None)
                    | Invalidation::Key(_)
                    | Invalidation::Account(..)
                    | Invalidation::Tenant(..)
                    | Invalidation::Everything => None,
                }
            }));
        let caches: Vec<Arc<dyn Invalidate>> = vec![
            Arc::clone(&keys) as _,
            Arc::clone(&accounts) as _,
            Arc::clone(&tenants) as _,
            Arc::clone(&shared_mappings) as _,
            Arc::clone(&own_mappings) as _,
        ];
        let caches = RwLock::new(caches);
        let scopes = Interner::new();
        Self {
            keys,
            accounts,
            tenants,
            shared_mappings,
            own_mappings,
            scopes,
            config,
            feed,
            caches,
        }
    }

    /// Returns the account with its scope lists interned: many accounts have the same ones.
    pub(super) fn intern_scopes(&self, account: IntegratedAccount) -> IntegratedAccount {
        IntegratedAccount {
            granted_scopes: self.scopes.intern(&account.granted_scopes),
            missing_scopes: self.scopes.intern(&account.missing_scopes),
            ..account
        }
    }

    /// Adds a cache of values that belong to accounts.
    pub(super) fn account_cache<V>(
        &self,
        name: &'static str,
    ) -> Arc<ReadThroughCache<AccountKey, V>>
    where
        V: Clone + Send + Sync + 'static,
    {
        let cache = Arc::new(ReadThroughCache::new(
            name,
            Arc::clone(&self.feed),
            self.config.max_accounts,
            account_of,
        ));
        let mut caches = self.caches.write().unwrap_or_else(PoisonError::into_inner);
        caches.push(Arc::clone(&cache) as _);
        cache
    }

    /// Returns the size and hit rate of each cache.
    pub(super) fn stats(&self) -> Vec<CacheStats> {
        let caches = self.caches.read().unwrap_or_else(PoisonError::into_inner);
        caches.iter().map(|cache| cache.stats()).collect()
    }

    /// Removes the rows that changed from all caches.
    pub(super) fn invalidate(&self, change: &Invalidation) {
        for cache in &*self.caches.read().unwrap_or_else(PoisonError::into_inner) {
            cache.invalidate(change);
        }
    }

    /// Marks the feed as live. Changes before this moment may have been missed, so the caches are cleared.
    fn feed_connected(&self) {
        self.invalidate(&Invalidation::Everything);
        self.feed.set(FeedStatus::Live);
    }
}

impl std::fmt::Debug for RowCaches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RowCaches").field("config", &self.config).finish_non_exhaustive()
    }
}

fn account_of(change: &Invalidation) -> Option<AccountKey> {
    match change {
        Invalidation::Account(environment_id, account_id) => Some((*environment_id, *account_id)),
        Invalidation::Key(_)
        | Invalidation::Tenant(..)
        | Invalidation::Mappings(..)
        | Invalidation::Everything => None,
    }
}
