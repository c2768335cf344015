//! What happened in the organization: the changes as they were made, and the audit log of them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::audit::{AppFace, AuditLog, Entry, Page, Wanted, entries};
use super::org::{Organization, Recorded};

/// So many of the newest changes are kept.
const KEPT: usize = 100_000;

/// The newest changes, and the audit log.
#[derive(Debug, Default)]
pub(crate) struct History {
    changes: VecDeque<Recorded>,
    audit: AuditLog,
}

impl History {
    /// Writes changes down, just after they were made, with the app through which they came.
    pub(crate) fn record(
        &mut self,
        org: &Organization,
        changes: Vec<Recorded>,
        app: Option<&Arc<AppFace>>,
    ) {
        for entry in changes.iter().flat_map(|change| entries(org, change, app)) {
            self.audit.record(entry);
        }
        self.changes.extend(changes);
        let surplus = self.changes.len().saturating_sub(KEPT);
        self.changes.drain(..surplus);
    }

    /// Writes down something that is no change of the organization.
    pub(crate) fn note(&mut self, entry: Entry) {
        self.audit.record(entry);
    }

    /// All changes that are kept, oldest first.
    pub(crate) fn changes(&self) -> Vec<Recorded> {
        self.changes.iter().cloned().collect()
    }

    /// One page of the audit log.
    pub(crate) fn audit(&self, wanted: &Wanted, start: Option<u64>, limit: usize) -> Page {
        self.audit.page(wanted, start, limit)
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.changes.clear();
        self.audit.clear();
    }
}
