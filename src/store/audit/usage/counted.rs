//! Audit entries that are counted instead of recorded one by one: rejected requests and reads of the log. The first of
//! a kind per key has its own row; those of the following minute share one row with their number. So rejected requests
//! can't fill the log.

use std::collections::hash_map::Entry;
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::store::audit::truncated;

/// Period whose entries of one kind are counted together.
pub(super) const COUNT_PERIOD: Duration = Duration::from_mins(1);
/// Maximum number of kinds counted at the same time; further ones are dropped.
const MAX_KINDS: usize = 10_000;

/// An entry to count.
#[derive(Debug, Clone, Copy)]
pub struct CountedEntry<'a> {
    /// The environment whose log it belongs to.
    pub environment_id: EnvironmentId,
    /// Id of the API key or account token.
    pub actor: &'a str,
    /// The action: `request.refused`, `audit_log.read`, …
    pub action: &'static str,
    /// The reason of a rejection.
    pub reason: Option<&'static str>,
    /// The account concerned. Entries of different accounts are counted together.
    pub account_id: Option<IntegratedAccountId>,
    /// The request id.
    pub request_id: &'a str,
    /// The HTTP status of the response.
    pub status: u16,
}

/// Key by which entries are counted together.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct EntryKind {
    pub(super) environment_id: EnvironmentId,
    pub(super) actor: Box<str>,
    pub(super) action: &'static str,
    pub(super) reason: Option<&'static str>,
    pub(super) status: u16,
}

/// Number of entries of each kind after the first, which has its own row.
#[derive(Debug, Default)]
pub(super) struct EntryCounts {
    counts: HashMap<EntryKind, i32>,
    period_started_at: Option<Instant>,
}

impl EntryCounts {
    /// Returns whether a period is over.
    pub(super) fn is_due(&self) -> bool {
        self.period_started_at.is_some_and(|since| since.elapsed() >= COUNT_PERIOD)
    }

    /// Counts an entry; returns whether it is the first of its kind, or `None` if it is dropped.
    pub(super) fn count(&mut self, entry: &CountedEntry<'_>) -> Option<bool> {
        let CountedEntry { environment_id, actor, action, reason, status, .. } = *entry;
        let kind =
            EntryKind { environment_id, actor: truncated(actor).into(), action, reason, status };
        let has_room = self.counts.len() < MAX_KINDS;
        match self.counts.entry(kind) {
            Entry::Occupied(mut occupied) => {
                let count = occupied.get_mut();
                *count = count.saturating_add(1);
                Some(false)
            }
            Entry::Vacant(vacant) if has_room => {
                vacant.insert(0);
                self.period_started_at.get_or_insert_with(Instant::now);
                Some(true)
            }
            Entry::Vacant(_) => None,
        }
    }

    /// Removes and returns the counts beyond the first of each kind.
    pub(super) fn take(&mut self) -> impl Iterator<Item = (EntryKind, i32)> + use<> {
        self.period_started_at = None;
        std::mem::take(&mut self.counts).into_iter().filter(|(_, count)| *count > 0)
    }
}
