//! Log of the changes of the organization, with the audit log derived from them.

use std::collections::VecDeque;
use std::sync::Arc;

use super::audit::{AuditApp, AuditLog, AuditLogEntry, AuditLogPage, AuditLogQuery, entries};
use super::org::{GridOrganization, RecordedChange};

/// Maximum number of stored changes; the oldest are dropped first.
const MAX_CHANGES: usize = 100_000;

/// The newest changes, and the audit log.
#[derive(Debug, Default)]
pub(crate) struct ChangeLog {
    changes: VecDeque<RecordedChange>,
    audit: AuditLog,
}

impl ChangeLog {
    /// Records changes directly after they were applied, with the app that made them.
    pub(crate) fn record(
        &mut self,
        org: &GridOrganization,
        changes: Vec<RecordedChange>,
        app: Option<&Arc<AuditApp>>,
    ) {
        for entry in changes.iter().flat_map(|change| entries(org, change, app)) {
            self.audit.record(entry);
        }
        self.changes.extend(changes);
        let surplus = self.changes.len().saturating_sub(MAX_CHANGES);
        self.changes.drain(..surplus);
    }

    /// Adds an audit log entry for an event that changes nothing in the organization.
    pub(crate) fn record_entry(&mut self, entry: AuditLogEntry) {
        self.audit.record(entry);
    }

    /// Returns the stored changes, oldest first.
    pub(crate) fn changes(&self) -> Vec<RecordedChange> {
        self.changes.iter().cloned().collect()
    }

    /// Returns one page of the audit log.
    pub(crate) fn audit_page(
        &self,
        query: &AuditLogQuery,
        start: Option<u64>,
        limit: usize,
    ) -> AuditLogPage {
        self.audit.page(query, start, limit)
    }

    /// Removes all entries.
    pub(crate) fn clear(&mut self) {
        self.changes.clear();
        self.audit.clear();
    }
}
