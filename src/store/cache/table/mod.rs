//! Read-through cache of one kind of rows. A row that was read before a change is never cached after it.

use std::fmt;
use std::future::Future;
use std::hash::{BuildHasher as _, Hash};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::fast::RandomState;
use quick_cache::UnitWeighter;
use quick_cache::sync::{self, DefaultLifecycle};
use tokio::time::timeout;

use super::feed_state::{FeedState, FeedStatus};
use super::{Invalidate, Invalidation};
use crate::telemetry::CacheStats;

/// Maximum number of cached keys without a row.
const MAX_ABSENT_KEYS: usize = 10_000;
/// Number of locks. Keys share a change counter with others: a change may cost another key a read, no more.
const CHANGE_COUNT_STRIPES: usize = 1024;
/// How long a failed read waits for the check whether the database is unreachable.
const OUTAGE_CHECK_TIMEOUT: Duration = Duration::from_secs(1);

/// Rows of one kind, by key. Absence is cached too, but separately, so that lookups of absent keys evict no row.
pub struct ReadThroughCache<K, V> {
    name: &'static str,
    feed: Arc<FeedState>,
    /// Each row with the period in which it was read.
    present: Entries<K, (V, u32)>,
    absent: Entries<K, u32>,
    change_counts: Box<[Mutex<u64>]>,
    hasher: RandomState,
    key_of: fn(&Invalidation) -> Option<K>,
}

type Entries<K, V> = sync::Cache<K, V, UnitWeighter, RandomState>;

/// State of a key before its row is read.
#[derive(Clone, Copy)]
struct ReadVersion {
    changes: u64,
    period: u32,
}

/// Neither the row nor its absence is cached.
pub(in crate::store) struct CacheMiss;

impl<K: Hash + Eq + Clone, V: Clone> ReadThroughCache<K, V> {
    /// Creates a cache for `room` rows; `key_of` returns the key that an invalidation concerns.
    pub(super) fn new(
        name: &'static str,
        feed: Arc<FeedState>,
        room: usize,
        key_of: fn(&Invalidation) -> Option<K>,
    ) -> Self {
        Self {
            name,
            feed,
            present: with_capacity(room),
            absent: with_capacity(MAX_ABSENT_KEYS.min(room)),
            change_counts: (0..CHANGE_COUNT_STRIPES).map(|_| Mutex::new(0)).collect(),
            hasher: RandomState::default(),
            key_of,
        }
    }

    /// Returns the cached value of `key`; otherwise calls `read` and caches its result unless `key` changed meanwhile.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub async fn get<E, R>(&self, key: &K, read: impl FnOnce() -> R) -> Result<Option<V>, E>
    where
        R: Future<Output = Result<Option<V>, E>>,
    {
        match self.get_cached(key) {
            Ok(known) => Ok(known),
            // Boxed, because misses are rare: otherwise the future of every call would be as large as a query's.
            Err(CacheMiss) => Box::pin(self.read_through(key, read())).await,
        }
    }

    /// Returns the cached value of `key` if the cache may be served now.
    pub(in crate::store) fn get_cached(&self, key: &K) -> Result<Option<V>, CacheMiss> {
        match self.feed.status() {
            FeedStatus::Live | FeedStatus::DatabaseDown => self.lookup(key),
            FeedStatus::Disconnected | FeedStatus::Lost => Err(CacheMiss),
        }
    }

    async fn read_through<E>(
        &self,
        key: &K,
        read: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<V>, E> {
        let ticket = match self.feed.status() {
            FeedStatus::Live | FeedStatus::DatabaseDown => match self.lookup(key) {
                Ok(known) => return Ok(known),
                Err(CacheMiss) => self.read_version(key),
            },
            FeedStatus::Disconnected | FeedStatus::Lost => None,
        };
        let mut read = pin!(read);
        let found = tokio::select! {
            biased;
            found = &mut read => match found {
                Err(error) if self.feed.status() == FeedStatus::Lost => {
                    let _ = timeout(OUTAGE_CHECK_TIMEOUT, self.feed.wait_for_outage()).await;
                    let known = (self.feed.status() == FeedStatus::DatabaseDown).then(|| self.lookup(key));
                    return known.and_then(Result::ok).ok_or(error);
                }
                found => found?,
            },
            // The database became unreachable during the query.
            () = self.feed.wait_for_outage() => match self.lookup(key) {
                Ok(known) => return Ok(known),
                Err(CacheMiss) => read.await?,
            },
        };
        if let Some(ticket) = ticket {
            self.insert(key, ticket, found.clone());
        }
        Ok(found)
    }

    /// Returns whether a row of `key` is cached.
    pub(in crate::store) fn contains(&self, key: &K) -> bool {
        self.present.peek(key).is_some()
    }

    /// Removes `key`; a read of it that is in progress will not be cached.
    pub fn remove(&self, key: &K) {
        let Some(mut changes) = self.changes(key) else { return };
        *changes += 1;
        self.present.remove(key);
        self.absent.remove(key);
    }

    fn lookup(&self, key: &K) -> Result<Option<V>, CacheMiss> {
        match self.present.get(key) {
            Some((row, period)) if self.feed.is_recent(period) => Ok(Some(row)),
            Some(_) => Err(CacheMiss),
            None => {
                let period = self.absent.get(key).filter(|period| self.feed.is_recent(*period));
                period.map(|_| None).ok_or(CacheMiss)
            }
        }
    }

    /// Returns the state of `key` for a read that is about to begin, if its changes are followed.
    fn read_version(&self, key: &K) -> Option<ReadVersion> {
        let changes = self.changes(key)?;
        let ticket = ReadVersion { changes: *changes, period: self.feed.period() };
        (self.feed.status() == FeedStatus::Live).then_some(ticket)
    }

    fn insert(&self, key: &K, ticket: ReadVersion, found: Option<V>) {
        // The lock excludes an invalidation between check and insertion.
        let Some(changes) = self.changes(key) else { return };
        if *changes != ticket.changes || self.feed.status() != FeedStatus::Live {
            return;
        }
        if let Some(row) = found {
            self.absent.remove(key);
            self.present.insert(key.clone(), (row, ticket.period));
        } else {
            self.present.remove(key);
            self.absent.insert(key.clone(), ticket.period);
        }
    }

    fn changes(&self, key: &K) -> Option<MutexGuard<'_, u64>> {
        let hash = usize::try_from(self.hasher.hash_one(key) & 0xffff).unwrap_or(0);
        let stripe = self.change_counts.get(hash % CHANGE_COUNT_STRIPES)?;
        Some(stripe.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn with_capacity<K: Hash + Eq, V: Clone>(room: usize) -> Entries<K, V> {
    let (weight, lifecycle) = (room as u64, DefaultLifecycle::default());
    Entries::with(room, weight, UnitWeighter, RandomState::default(), lifecycle)
}

impl<K, V> Invalidate for ReadThroughCache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Clone + Send + Sync,
{
    fn invalidate(&self, change: &Invalidation) {
        if let Some(key) = (self.key_of)(change) {
            self.remove(&key);
        }
        if *change == Invalidation::Everything {
            for stripe in &self.change_counts {
                *stripe.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            }
            self.present.clear();
            self.absent.clear();
        }
    }

    fn stats(&self) -> CacheStats {
        let Self { name, present, .. } = self;
        CacheStats { name, rows: present.len(), lookups: (present.hits(), present.misses()) }
    }
}

impl<K, V> fmt::Debug for ReadThroughCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReadThroughCache")
    }
}

#[cfg(test)]
mod tests;
