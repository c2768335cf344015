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
    /// Seconds after which an audit log entry becomes visible to clients.
    audit_delay_s: u32,
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

    /// Returns the seconds after which an audit log entry becomes visible to clients.
    pub(crate) fn audit_delay(&self) -> u32 {
        self.audit_delay_s
    }

    /// Sets the seconds after which an audit log entry becomes visible to clients.
    pub(crate) fn set_audit_delay(&mut self, delay_s: u32) {
        self.audit_delay_s = delay_s;
    }

    /// Returns one page of the audit log, of the entries that are visible to clients at `now`, in
    /// Unix seconds.
    pub(crate) fn visible_audit_page(
        &self,
        query: &AuditLogQuery,
        start: Option<u64>,
        limit: usize,
        now: i64,
    ) -> AuditLogPage {
        let newest = now.saturating_sub(i64::from(self.audit_delay_s));
        let latest = query.latest.map_or(newest, |latest| latest.min(newest));
        self.audit.page(&AuditLogQuery { latest: Some(latest), ..query.clone() }, start, limit)
    }

    /// Returns one page of the audit log, without regard to the delay.
    pub(crate) fn audit_page(
        &self,
        query: &AuditLogQuery,
        start: Option<u64>,
        limit: usize,
    ) -> AuditLogPage {
        self.audit.page(query, start, limit)
    }

    /// Removes all entries, and the delay.
    pub(crate) fn clear(&mut self) {
        self.changes.clear();
        self.audit.clear();
        self.audit_delay_s = 0;
    }
}
