//! The audit log. An entry is written at the time of a change and holds the names of that time.
//!
//! <https://docs.slack.dev/reference/audit-logs-api/methods-actions-reference>

mod actions;
mod entries;
mod log;

pub(crate) use actions::{ACTIONS, is_action};
pub(crate) use entries::entries;
pub(crate) use log::{
    AuditApp, AuditEntity, AuditLocation, AuditLog, AuditLogEntry, AuditLogPage, AuditLogQuery,
    AuditUser, SYSTEM_USER_ID,
};

use super::Sandbox;
use super::grants::Installation;

impl Sandbox {
    /// Records that an app was installed or uninstalled.
    pub(super) fn record_app_event(&self, action: &'static str, grant: &Installation) {
        let Some(app) = self.app(&grant.client_id) else {
            return;
        };
        let app = AuditApp::new(&app, grant.user_scopes.clone(), grant.bot_scopes.clone());
        let at = self.now().unix_timestamp();
        let entry = self.with_org(|org| entries::app_entry(org, (at, action), grant, app));
        self.with_change_log(|history| history.record_entry(entry));
    }

    /// Sets the seconds of the provider's clock after which an audit log entry becomes visible to
    /// clients.
    pub fn set_audit_delay(&self, delay_s: u32) {
        self.with_change_log(|history| history.set_audit_delay(delay_s));
    }

    /// Returns the seconds after which an audit log entry becomes visible to clients.
    #[must_use]
    pub fn audit_delay(&self) -> u32 {
        self.with_change_log(|history| history.audit_delay())
    }
}
