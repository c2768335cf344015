//! What is written down about each change: that it is about to be sent, and how it ended. After a
//! crash the log tells which changes may have been done.

use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::store::{AuditEntry, Outcome, StoreError, TenantDb};

/// Who changes what, and where that is written down.
#[derive(Clone, Copy)]
pub struct Journal<'a> {
    /// The environment's rows.
    pub db: &'a TenantDb,
    /// The key that is used.
    pub actor: &'a str,
    /// The account that is changed.
    pub account_id: IntegratedAccountId,
    /// The request.
    pub request_id: &'a str,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The randomness of ids.
    pub entropy: &'a dyn Entropy,
}

impl Journal<'_> {
    pub(super) async fn note(
        &self,
        action: &str,
        subject: &str,
        outcome: Outcome,
    ) -> Result<(), StoreError> {
        let entry = AuditEntry {
            id: AuditId::generate(self.clock, self.entropy),
            at: self.clock.now(),
            actor: self.actor,
            action,
            account_id: Some(self.account_id),
            subject: Some(subject),
            request_id: Some(self.request_id),
            outcome,
        };
        self.db.audit(&entry).await
    }

    /// Writes down how a change ended. It is done by then: a log that fails can't take it back, and
    /// still has that it was begun.
    pub(super) async fn close(&self, action: &str, subject: &str, outcome: Outcome) {
        if let Err(error) = self.note(action, subject, outcome).await {
            tracing::error!(action, %error, "the audit log did not take the end of a change");
        }
    }
}
