//! Counts entries of the log and turns the counts into rows.

use super::UsageLog;
use super::buffer::UsageRow;
use super::counted::{CountedEntry, EntryKind};
use crate::domain::audit::AuditOutcome;
use crate::domain::ids::{AuditId, EnvironmentId};
use crate::store::audit::truncated;

impl UsageLog {
    /// Counts an entry, without waiting for the database.
    pub fn count_entry(&self, entry: &CountedEntry<'_>) {
        self.flush_due_counts();
        let counted = self.pending().counts.count(entry);
        let Some(is_first) = counted else { return self.count_dropped() };
        if is_first {
            let CountedEntry { environment_id, actor, action, reason, account_id, .. } = *entry;
            let row =
                self.row(environment_id, truncated(actor).into(), action, (reason, entry.status));
            let request_id = Some(truncated(entry.request_id).into());
            self.buffer_row(UsageRow { account_id, request_id, ..row });
        }
    }

    /// Turns counts into rows if a period is over.
    pub(super) fn flush_due_counts(&self) {
        if self.pending().counts.is_due() {
            self.flush_counts();
        }
    }

    /// Turns counts into rows.
    pub(super) fn flush_counts(&self) {
        let counted = self.pending().counts.take();
        for (kind, calls) in counted {
            let EntryKind { environment_id, actor, action, reason, status } = kind;
            let row = self.row(environment_id, actor, action, (reason, status));
            self.buffer_row(UsageRow { calls, ..row });
        }
    }

    fn row(
        &self,
        environment_id: EnvironmentId,
        actor: Box<str>,
        action: &'static str,
        (reason, status): (Option<&'static str>, u16),
    ) -> UsageRow {
        let at = self.0.clock.now();
        UsageRow {
            id: AuditId::of(at, &*self.0.entropy),
            at,
            environment_id,
            actor,
            action,
            account_id: None,
            method: None,
            request_id: None,
            is_change: false,
            outcome: if reason.is_some() { AuditOutcome::Failed } else { AuditOutcome::Done },
            status: Some(status),
            duration: None,
            calls: 1,
            reason,
        }
    }
}
