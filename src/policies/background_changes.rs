//! Changes of a directory that no request waits for: the fixes of policies and the steps of plans, as background calls in
//! the name of a policy, a rule set or a key.

use std::time::Duration;

use super::services::PolicyServices;
use crate::connectors::{CallContext, UnreadableRows};
use crate::domain::account::IntegratedAccount;
use crate::domain::event::EventActor;
use crate::store::{TenantDb, UsageContext, UsageSource};
use crate::sync::WriteThrough;
use crate::unified::{AuditTrail, Changes, Directory};

/// What the changes of one policy or plan have in common.
#[derive(Clone, Copy)]
pub(crate) struct BackgroundChanges<'a> {
    pub(crate) services: &'a PolicyServices,
    pub(crate) db: &'a TenantDb,
    pub(crate) account: &'a IntegratedAccount,
    /// The policy, rule set or key that the audit log names as the actor.
    pub(crate) actor: &'a str,
    /// What the audit log names as the request.
    pub(crate) request_id: &'a str,
    pub(crate) unreadable_rows: &'a UnreadableRows,
    /// Maximum time that one call waits for permits and retries.
    pub(crate) max_wait: Duration,
}

impl<'a> BackgroundChanges<'a> {
    /// Returns the context of calls, which wait for permits as background calls.
    pub(crate) fn call_context(&self) -> CallContext<'a> {
        let Self { services, account, actor, request_id, unreadable_rows, max_wait, .. } = *self;
        let key = (account.environment_id, account);
        let cx = services.sync.call_context(key, unreadable_rows, max_wait);
        let source = UsageSource {
            actor,
            action: "directory.called",
            request_id: Some(request_id),
            ..cx.usage.source
        };
        CallContext { usage: UsageContext { source, ..cx.usage }, ..cx }
    }

    /// Returns what changes the directory.
    pub(crate) fn changes(&self) -> Changes<'a> {
        let Self { services, db, account, actor, request_id, .. } = *self;
        let directory = Directory {
            cx: self.call_context(),
            connector: services.sync.registry.connector(account.provider),
            signer: &services.cursors,
            mappings: &[],
            expressions: &services.expressions,
            workspace_names: &services.workspace_names,
        };
        let audit_trail = AuditTrail {
            db,
            actor,
            account_id: account.id,
            request_id,
            clock: &*services.clock,
            entropy: &*services.entropy,
        };
        Changes { directory, audit_trail }
    }

    /// Returns who makes the changes, for events.
    pub(crate) fn event_actor(&self) -> EventActor {
        EventActor {
            kind: "gateway".to_owned(),
            id: Some(self.actor.to_owned()),
            name: None,
            app: None,
            request_id: Some(self.request_id.to_owned()),
        }
    }

    /// Returns what brings the copy up to date with changes.
    pub(crate) fn write_through(&self) -> WriteThrough<'a> {
        let actor = self.event_actor();
        WriteThrough { services: &self.services.sync, cx: self.call_context(), actor }
    }
}
