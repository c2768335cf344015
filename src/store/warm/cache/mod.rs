//! One kind of rows, kept in memory. An answer that was read before a change is never kept after it.

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

use super::ear::{Ear, Hearing};
use super::{Change, Hears};
use crate::telemetry::CacheFigures;

/// How many keys that lead to no row are remembered.
const ABSENT: usize = 10_000;
/// Keys share a count of their changes with some others: a change may cost a neighbour a read, no more.
const STRIPES: usize = 1024;
/// How long a failed call waits to learn whether the database is away.
const VERDICT: Duration = Duration::from_secs(1);

/// Rows of one kind, by key. What isn't there is remembered as well, apart from what is, so that asking
/// for things that don't exist drives out nothing that does.
pub struct Cache<K, V> {
    name: &'static str,
    ear: Arc<Ear>,
    /// With the period in which each was read.
    present: Kept<K, (V, u32)>,
    absent: Kept<K, u32>,
    stripes: Box<[Mutex<u64>]>,
    hasher: RandomState,
    key_of: fn(&Change) -> Option<K>,
}

type Kept<K, V> = sync::Cache<K, V, UnitWeighter, RandomState>;

/// The state of a key before it is read.
#[derive(Clone, Copy)]
struct Ticket {
    changes: u64,
    period: u32,
}

/// Neither the row nor its absence is kept.
pub(in crate::store) struct NotKnown;

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Room for so many rows; `key_of` says which of them a change is about.
    pub(super) fn new(
        name: &'static str,
        ear: Arc<Ear>,
        room: usize,
        key_of: fn(&Change) -> Option<K>,
    ) -> Self {
        Self {
            name,
            ear,
            present: with_room(room),
            absent: with_room(ABSENT.min(room)),
            stripes: (0..STRIPES).map(|_| Mutex::new(0)).collect(),
            hasher: RandomState::default(),
            key_of,
        }
    }

    /// What is known of `key`; else what `read` finds, which is kept when nothing changed meanwhile.
    ///
    /// # Errors
    ///
    /// Those of `read`.
    pub async fn get<E, R>(&self, key: &K, read: impl FnOnce() -> R) -> Result<Option<V>, E>
    where
        R: Future<Output = Result<Option<V>, E>>,
    {
        match self.at_hand(key) {
            Ok(known) => Ok(known),
            // Apart, for it is rare: the future of every call would be as large as that of a query.
            Err(NotKnown) => Box::pin(self.find(key, read())).await,
        }
    }

    /// What is known of `key` and true at this moment.
    pub(in crate::store) fn at_hand(&self, key: &K) -> Result<Option<V>, NotKnown> {
        match self.ear.now() {
            Hearing::Clearly | Hearing::Away => self.known(key),
            Hearing::Not | Hearing::Losing => Err(NotKnown),
        }
    }

    async fn find<E>(
        &self,
        key: &K,
        read: impl Future<Output = Result<Option<V>, E>>,
    ) -> Result<Option<V>, E> {
        let ticket = match self.ear.now() {
            Hearing::Clearly | Hearing::Away => match self.known(key) {
                Ok(known) => return Ok(known),
                Err(NotKnown) => self.ticket(key),
            },
            Hearing::Not | Hearing::Losing => None,
        };
        let mut read = pin!(read);
        let found = tokio::select! {
            biased;
            found = &mut read => match found {
                Err(error) if self.ear.now() == Hearing::Losing => {
                    let _ = timeout(VERDICT, self.ear.is_away()).await;
                    let known = (self.ear.now() == Hearing::Away).then(|| self.known(key));
                    return known.and_then(Result::ok).ok_or(error);
                }
                found => found?,
            },
            // The database has gone while we were asking it.
            () = self.ear.is_away() => match self.known(key) {
                Ok(known) => return Ok(known),
                Err(NotKnown) => read.await?,
            },
        };
        if let Some(ticket) = ticket {
            self.keep(key, ticket, found.clone());
        }
        Ok(found)
    }

    /// Whether `key` leads to a row that is in memory.
    pub(in crate::store) fn has(&self, key: &K) -> bool {
        self.present.peek(key).is_some()
    }

    /// Forgets what is known of `key`, and what is being read of it.
    pub fn forget(&self, key: &K) {
        let Some(mut changes) = self.changes(key) else { return };
        *changes += 1;
        self.present.remove(key);
        self.absent.remove(key);
    }

    fn known(&self, key: &K) -> Result<Option<V>, NotKnown> {
        match self.present.get(key) {
            Some((row, period)) if self.ear.is_recent(period) => Ok(Some(row)),
            Some(_) => Err(NotKnown),
            None => {
                let period = self.absent.get(key).filter(|period| self.ear.is_recent(*period));
                period.map(|_| None).ok_or(NotKnown)
            }
        }
    }

    /// How often a key has changed, for whoever is about to read it and hears of every further change.
    fn ticket(&self, key: &K) -> Option<Ticket> {
        let changes = self.changes(key)?;
        let ticket = Ticket { changes: *changes, period: self.ear.period() };
        (self.ear.now() == Hearing::Clearly).then_some(ticket)
    }

    fn keep(&self, key: &K, ticket: Ticket, found: Option<V>) {
        // The lock keeps a change out between the look and the entry.
        let Some(changes) = self.changes(key) else { return };
        if *changes != ticket.changes || self.ear.now() != Hearing::Clearly {
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
        let stripe = self.stripes.get(hash % STRIPES)?;
        Some(stripe.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn with_room<K: Hash + Eq, V: Clone>(room: usize) -> Kept<K, V> {
    let (weight, lifecycle) = (room as u64, DefaultLifecycle::default());
    Kept::with(room, weight, UnitWeighter, RandomState::default(), lifecycle)
}

impl<K, V> Hears for Cache<K, V>
where
    K: Hash + Eq + Clone + Send + Sync,
    V: Clone + Send + Sync,
{
    fn hear(&self, change: &Change) {
        if let Some(key) = (self.key_of)(change) {
            self.forget(&key);
        }
        if *change == Change::Everything {
            for stripe in &self.stripes {
                *stripe.lock().unwrap_or_else(PoisonError::into_inner) += 1;
            }
            self.present.clear();
            self.absent.clear();
        }
    }

    fn figures(&self) -> CacheFigures {
        let Self { name, present, .. } = self;
        CacheFigures { name, rows: present.len(), looked: (present.hits(), present.misses()) }
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}

#[cfg(test)]
mod tests;
