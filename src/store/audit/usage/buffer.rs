//! In-memory buffer of usage rows. After the first few, equal calls are merged into one row with a count: a caller can
//! make us call faster than any provider allows.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::BuildHasher as _;
use std::time::Duration;

use foldhash::HashMap;
use foldhash::fast::RandomState;
use time::OffsetDateTime;

use crate::domain::audit::AuditOutcome;
use crate::domain::ids::{AuditId, EnvironmentId, IntegratedAccountId};
use crate::store::audit::truncated;

/// Maximum number of buffered rows, reached in an outage of the database.
const MAX_ROWS: usize = 50_000;
/// Maximum size of the buffered rows, in bytes.
const MAX_BYTES: usize = 24 * 1024 * 1024;
/// Number of equal calls that get a row each before they are merged, per flush.
const MAX_SEPARATE_ROWS: u32 = 10;

/// Caller and purpose of an account's credentials in one request.
#[derive(Debug, Clone, Copy)]
pub struct UsageSource<'a> {
    /// The account's environment.
    pub environment_id: EnvironmentId,
    /// Id of the API key or account token.
    pub actor: &'a str,
    /// The action: `proxy.called` or `directory.called`.
    pub action: &'static str,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// The request id.
    pub request_id: Option<&'a str>,
}

/// A call that has ended.
pub(super) struct UsageRecord<'a> {
    /// Caller, account and action.
    pub(super) source: UsageSource<'a>,
    /// The provider method.
    pub(super) method: &'a Cow<'static, str>,
    /// Whether it completes a change.
    pub(super) is_change: bool,
    /// When it ended.
    pub(super) at: OffsetDateTime,
    /// Its outcome.
    pub(super) outcome: AuditOutcome,
    /// HTTP status of the response, if there was one.
    pub(super) status: Option<u16>,
    /// Its duration.
    pub(super) duration: Duration,
}

/// A row to insert.
pub(super) struct UsageRow {
    pub(super) id: AuditId,
    pub(super) at: OffsetDateTime,
    pub(super) environment_id: EnvironmentId,
    pub(super) actor: Box<str>,
    pub(super) action: &'static str,
    pub(super) account_id: Option<IntegratedAccountId>,
    pub(super) method: Option<Cow<'static, str>>,
    /// `None` for several calls.
    pub(super) request_id: Option<Box<str>>,
    pub(super) is_change: bool,
    pub(super) outcome: AuditOutcome,
    pub(super) status: Option<u16>,
    /// The longest of several calls.
    pub(super) duration: Option<Duration>,
    /// Number of calls.
    pub(super) calls: i32,
    /// Reason of a rejection.
    pub(super) reason: Option<&'static str>,
}

/// Result of buffering a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Buffered {
    /// Merged into a buffered row.
    Merged,
    /// Added as a row; holds the number of buffered rows.
    Added(usize),
    /// Dropped, because the buffer is full.
    Dropped,
}

/// The buffered rows.
#[derive(Default)]
pub(super) struct UsageBuffer {
    rows: VecDeque<UsageRow>,
    /// Size of the rows in memory, in bytes.
    bytes: usize,
    /// Recent calls since the last flush, by their hash.
    recent: HashMap<u64, RecentCalls>,
    hasher: RandomState,
}

/// Equal calls.
#[derive(Clone, Copy)]
struct RecentCalls {
    count: u32,
    /// Index of their last row.
    last_row: usize,
}

impl UsageBuffer {
    /// Returns whether the buffer is empty.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the number of buffered rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a call. `id` is called only if the call becomes a row.
    pub(super) fn add(
        &mut self,
        record: &UsageRecord<'_>,
        id: impl FnOnce() -> AuditId,
    ) -> Buffered {
        let hash = self.hasher.hash_one((
            record.source.account_id,
            record.source.actor,
            record.source.action,
            record.method,
            record.status,
        ));
        let place = self.rows.len();
        let mut count = 1;
        if let Some(RecentCalls { count: before, last_row: row }) = self.recent.get(&hash).copied()
            && let Some(last) = self.rows.get_mut(row).filter(|row| row.can_merge(record))
        {
            if before > MAX_SEPARATE_ROWS {
                self.bytes = self.bytes.saturating_sub(last.size_bytes());
                last.merge(record);
                self.bytes += last.size_bytes();
                return Buffered::Merged;
            }
            count = before + 1;
        }
        let buffered = if self.has_capacity() {
            self.push(UsageRow::new(record, id()))
        } else {
            Buffered::Dropped
        };
        if buffered != Buffered::Dropped {
            self.recent.insert(hash, RecentCalls { count, last_row: place });
        }
        buffered
    }

    /// Adds a row.
    pub(super) fn push(&mut self, row: UsageRow) -> Buffered {
        if !self.has_capacity() {
            return Buffered::Dropped;
        }
        self.bytes += row.size_bytes();
        self.rows.push_back(row);
        Buffered::Added(self.rows.len())
    }

    fn has_capacity(&self) -> bool {
        self.rows.len() < MAX_ROWS && self.bytes < MAX_BYTES
    }

    /// Removes and returns up to `most` rows, oldest first.
    pub(super) fn drain(&mut self, max: usize) -> Vec<UsageRow> {
        self.recent.clear();
        let count = self.rows.len().min(max);
        let rows: Vec<UsageRow> = self.rows.drain(..count).collect();
        self.bytes = self.bytes.saturating_sub(rows.iter().map(UsageRow::size_bytes).sum());
        rows
    }

    /// Puts rows back to the front.
    pub(super) fn put_back(&mut self, rows: impl DoubleEndedIterator<Item = UsageRow>) {
        self.recent.clear();
        for row in rows.rev() {
            self.bytes += row.size_bytes();
            self.rows.push_front(row);
        }
    }
}

impl UsageRow {
    fn new(record: &UsageRecord<'_>, id: AuditId) -> Self {
        let UsageSource { environment_id, actor, action, account_id, request_id } = record.source;
        Self {
            id,
            at: record.at,
            environment_id,
            actor: truncated(actor).into(),
            action,
            account_id: Some(account_id),
            method: Some(match record.method {
                Cow::Borrowed(known) => Cow::Borrowed(known),
                Cow::Owned(method) => Cow::Owned(truncated(method).to_owned()),
            }),
            request_id: request_id.map(|id| truncated(id).into()),
            is_change: record.is_change,
            outcome: record.outcome,
            status: record.status,
            duration: Some(record.duration),
            calls: 1,
            reason: None,
        }
    }

    /// Returns whether both fit in one row; changes always have their own.
    fn can_merge(&self, record: &UsageRecord<'_>) -> bool {
        self.account_id == Some(record.source.account_id)
            && *self.actor == *record.source.actor
            && self.action == record.source.action
            && self.method.as_ref() == Some(record.method)
            && self.status == record.status
            && self.outcome == record.outcome
            && !(self.is_change || record.is_change)
    }

    /// Returns the size of the row in memory, in bytes.
    fn size_bytes(&self) -> usize {
        let method = match &self.method {
            None | Some(Cow::Borrowed(_)) => 0,
            Some(Cow::Owned(method)) => method.len(),
        };
        let request_id = self.request_id.as_ref().map_or(0, |id| id.len());
        size_of::<Self>() + self.actor.len() + method + request_id
    }

    fn merge(&mut self, record: &UsageRecord<'_>) {
        self.calls = self.calls.saturating_add(1);
        self.duration = self.duration.max(Some(record.duration));
        self.request_id = None;
    }
}
