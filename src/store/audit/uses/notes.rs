//! What is counted in the audit log instead of being told one by one: refused requests, and reads of the log. The first
//! of a key that are alike has a row of its own; those that follow within a minute are one row, with their number. So
//! nobody fills the log with what is refused.

use std::collections::hash_map::Entry;
use std::time::Duration;

use foldhash::HashMap;
use tokio::time::Instant;

use super::UseLog;
use super::gathering::Row;
use crate::domain::audit::Outcome;
use crate::domain::ids::{AuditId, EnvironmentId, IntegratedAccountId};
use crate::store::audit::bounded;

/// How long those that are alike are counted together.
pub(super) const PERIOD: Duration = Duration::from_mins(1);
/// So many kinds are counted at the same time; further ones are lost.
const MAX_KINDS: usize = 10_000;

/// Something to be counted.
#[derive(Debug, Clone, Copy)]
pub struct Noted<'a> {
    /// Whose log it belongs to.
    pub environment_id: EnvironmentId,
    /// The key that was used.
    pub actor: &'a str,
    /// What was done: `request.refused`, `audit_log.read`, …
    pub action: &'static str,
    /// Why it was refused.
    pub reason: Option<&'static str>,
    /// The account that it was about. Alike are those of all accounts.
    pub account_id: Option<IntegratedAccountId>,
    /// The request.
    pub request_id: &'a str,
    /// The HTTP status of the response.
    pub status: u16,
}

/// What makes some of them alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    environment_id: EnvironmentId,
    actor: Box<str>,
    action: &'static str,
    reason: Option<&'static str>,
    status: u16,
}

/// How many there were of each kind since the first one, which has its row.
#[derive(Debug, Default)]
pub(super) struct Notes {
    counts: HashMap<Kind, i32>,
    since: Option<Instant>,
}

impl Notes {
    /// Whether a period is over.
    fn is_due(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= PERIOD)
    }

    /// Counts one; tells whether it is the first of its kind, or `None` when it is lost.
    fn count(&mut self, noted: &Noted<'_>) -> Option<bool> {
        let Noted { environment_id, actor, action, reason, status, .. } = *noted;
        let kind = Kind { environment_id, actor: bounded(actor).into(), action, reason, status };
        let has_room = self.counts.len() < MAX_KINDS;
        match self.counts.entry(kind) {
            Entry::Occupied(mut known) => {
                let count = known.get_mut();
                *count = count.saturating_add(1);
                Some(false)
            }
            Entry::Vacant(free) if has_room => {
                free.insert(0);
                self.since.get_or_insert_with(Instant::now);
                Some(true)
            }
            Entry::Vacant(_) => None,
        }
    }

    /// Takes out what was counted beyond the first of each kind.
    fn take(&mut self) -> impl Iterator<Item = (Kind, i32)> + use<> {
        self.since = None;
        std::mem::take(&mut self.counts).into_iter().filter(|(_, count)| *count > 0)
    }
}

impl UseLog {
    /// Counts something. The database is not waited for.
    pub fn note(&self, noted: &Noted<'_>) {
        self.gather_notes();
        let counted = self.waiting().notes.count(noted);
        let Some(is_first) = counted else { return self.lose() };
        if is_first {
            let Noted { environment_id, actor, action, reason, account_id, .. } = *noted;
            let row =
                self.row(environment_id, bounded(actor).into(), action, (reason, noted.status));
            let request_id = Some(bounded(noted.request_id).into());
            self.add_row(Row { account_id, request_id, ..row });
        }
    }

    /// Makes rows of what was counted, when a period is over.
    pub(super) fn gather_notes(&self) {
        if self.waiting().notes.is_due() {
            self.gather_all_notes();
        }
    }

    /// Makes rows of what was counted.
    pub(super) fn gather_all_notes(&self) {
        let counted = self.waiting().notes.take();
        for (kind, calls) in counted {
            let Kind { environment_id, actor, action, reason, status } = kind;
            let row = self.row(environment_id, actor, action, (reason, status));
            self.add_row(Row { calls, ..row });
        }
    }

    fn row(
        &self,
        environment_id: EnvironmentId,
        actor: Box<str>,
        action: &'static str,
        (reason, status): (Option<&'static str>, u16),
    ) -> Row {
        let at = self.0.clock.now();
        Row {
            id: AuditId::of(at, &*self.0.entropy),
            at,
            environment_id,
            actor,
            action,
            account_id: None,
            method: None,
            request_id: None,
            is_change: false,
            outcome: if reason.is_some() { Outcome::Failed } else { Outcome::Done },
            status: Some(status),
            took: None,
            calls: 1,
            reason,
        }
    }
}
