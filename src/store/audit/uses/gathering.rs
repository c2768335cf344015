//! Uses that are not written down yet. Beyond the first few, those that are alike become one row that counts
//! them: no provider lets anybody call so fast for long, but a caller can make us try.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::time::Duration;

use foldhash::HashMap;
use foldhash::fast::RandomState;
use time::OffsetDateTime;

use super::{UsedBy, bounded};
use crate::domain::audit::Outcome;
use crate::domain::ids::{AuditId, EnvironmentId, IntegratedAccountId};

/// So many rows wait at the most, in an outage of the database.
const ROOM: usize = 50_000;
/// The most bytes that they take.
const MAX_BYTES: usize = 24 * 1024 * 1024;
/// So many that are alike have a row each, until they are written down.
const EACH: u32 = 10;

/// A use that has ended.
pub(super) struct Told<'a> {
    /// Who used what.
    pub(super) by: UsedBy<'a>,
    /// The provider's method.
    pub(super) method: &'a Cow<'static, str>,
    /// Whether it is the end of a change.
    pub(super) is_change: bool,
    /// When it ended.
    pub(super) at: OffsetDateTime,
    /// How.
    pub(super) outcome: Outcome,
    /// With which answer.
    pub(super) status: Option<u16>,
    /// After how long.
    pub(super) took: Duration,
}

/// A row to be written.
pub(super) struct Row {
    pub(super) id: AuditId,
    pub(super) at: OffsetDateTime,
    pub(super) environment_id: EnvironmentId,
    pub(super) actor: Box<str>,
    pub(super) action: &'static str,
    pub(super) account_id: Option<IntegratedAccountId>,
    pub(super) method: Option<Cow<'static, str>>,
    /// Of several calls it is none.
    pub(super) request_id: Option<Box<str>>,
    pub(super) is_change: bool,
    pub(super) outcome: Outcome,
    pub(super) status: Option<u16>,
    /// Of several calls the longest.
    pub(super) took: Option<Duration>,
    /// How many calls it tells of.
    pub(super) calls: i32,
    /// Why it was refused.
    pub(super) reason: Option<&'static str>,
}

/// What came of a use that was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is in a row that waits already.
    Counted,
    /// It has a row of its own; so many wait now.
    Waits(usize),
    /// There is no room.
    Lost,
}

/// Rows that wait.
#[derive(Default)]
pub(super) struct Gathering {
    rows: VecDeque<Row>,
    /// What they take in memory.
    bytes: usize,
    /// What was told since rows were last taken out, by its hash.
    alike: HashMap<u64, Alike>,
    hasher: RandomState,
}

/// Uses that are alike.
#[derive(Clone, Copy)]
struct Alike {
    told: u32,
    /// The place of their last row.
    row: usize,
}

impl Gathering {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows wait.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Takes a use. `id` is asked for when it becomes a row.
    pub(super) fn add(&mut self, told: &Told<'_>, id: impl FnOnce() -> AuditId) -> Taken {
        let hash = self.hasher.hash_one((
            told.by.account_id,
            told.by.actor,
            told.by.action,
            told.method,
            told.status,
        ));
        let place = self.rows.len();
        let mut count = 1;
        if let Some(Alike { told: before, row }) = self.alike.get(&hash).copied()
            && let Some(last) = self.rows.get_mut(row).filter(|row| row.is_like(told))
        {
            if before > EACH {
                self.bytes = self.bytes.saturating_sub(last.size());
                last.count(told);
                self.bytes += last.size();
                return Taken::Counted;
            }
            count = before + 1;
        }
        let taken = if self.has_room() { self.push(Row::new(told, id())) } else { Taken::Lost };
        if taken != Taken::Lost {
            self.alike.insert(hash, Alike { told: count, row: place });
        }
        taken
    }

    /// Takes a row.
    pub(super) fn push(&mut self, row: Row) -> Taken {
        if !self.has_room() {
            return Taken::Lost;
        }
        self.bytes += row.size();
        self.rows.push_back(row);
        Taken::Waits(self.rows.len())
    }

    fn has_room(&self) -> bool {
        self.rows.len() < ROOM && self.bytes < MAX_BYTES
    }

    /// Takes out up to `most` rows, the oldest first.
    pub(super) fn take(&mut self, most: usize) -> Vec<Row> {
        self.alike.clear();
        let count = self.rows.len().min(most);
        let rows: Vec<Row> = self.rows.drain(..count).collect();
        self.bytes = self.bytes.saturating_sub(rows.iter().map(Row::size).sum());
        rows
    }

    /// Puts rows back in their place.
    pub(super) fn put_back(&mut self, rows: impl DoubleEndedIterator<Item = Row>) {
        self.alike.clear();
        for row in rows.rev() {
            self.bytes += row.size();
            self.rows.push_front(row);
        }
    }
}

impl Row {
    fn new(told: &Told<'_>, id: AuditId) -> Self {
        let UsedBy { environment_id, actor, action, account_id, request_id, .. } = told.by;
        Self {
            id,
            at: told.at,
            environment_id,
            actor: bounded(actor).into(),
            action,
            account_id: Some(account_id),
            method: Some(match told.method {
                Cow::Borrowed(known) => Cow::Borrowed(known),
                Cow::Owned(method) => Cow::Owned(bounded(method).to_owned()),
            }),
            request_id: request_id.map(|id| bounded(id).into()),
            is_change: told.is_change,
            outcome: told.outcome,
            status: told.status,
            took: Some(told.took),
            calls: 1,
            reason: None,
        }
    }

    /// Whether both can be told in one row: changes have rows of their own.
    fn is_like(&self, told: &Told<'_>) -> bool {
        self.account_id == Some(told.by.account_id)
            && *self.actor == *told.by.actor
            && self.action == told.by.action
            && self.method.as_ref() == Some(told.method)
            && self.status == told.status
            && self.outcome == told.outcome
            && !(self.is_change || told.is_change)
    }

    /// What the row takes in memory, in bytes.
    fn size(&self) -> usize {
        let method = match &self.method {
            None | Some(Cow::Borrowed(_)) => 0,
            Some(Cow::Owned(method)) => method.len(),
        };
        let request_id = self.request_id.as_ref().map_or(0, |id| id.len());
        size_of::<Self>() + self.actor.len() + method + request_id
    }

    fn count(&mut self, told: &Told<'_>) {
        self.calls = self.calls.saturating_add(1);
        self.took = self.took.max(Some(told.took));
        self.request_id = None;
    }
}
