//! Audit entries of each change: its start, and its outcome. After a crash, the log shows which changes may have been
//! applied.

use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::store::{AuditEntry, AuditOutcome, StoreError, TenantDb};

/// Writes the audit entries of one request.
#[derive(Clone, Copy)]
pub struct AuditTrail<'a> {
    /// The environment's database.
    pub db: &'a TenantDb,
    /// The key that authenticated the request.
    pub actor: &'a str,
    /// The changed account.
    pub account_id: IntegratedAccountId,
    /// The request's id.
    pub request_id: &'a str,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The entropy for ids.
    pub entropy: &'a dyn Entropy,
}

impl AuditTrail<'_> {
    pub(super) async fn record(
        &self,
        action: &str,
        subject: &str,
        outcome: AuditOutcome,
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

    /// Records the outcome of a change. The change is applied by then: a failure is logged, and the entry of the start
    /// remains.
    pub(super) async fn record_end(&self, action: &str, subject: &str, outcome: AuditOutcome) {
        if let Err(error) = self.record(action, subject, outcome).await {
            tracing::error!(action, %error, "failed to record the outcome of a change in the audit log");
        }
    }
}
