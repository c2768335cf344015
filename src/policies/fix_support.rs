//! What an account's provider can do of the fixes of policies. Operations that it can't do are left out of findings, with
//! the reason.

use super::services::PolicyServices;
use crate::connectors::{Connector, UnreadableRows, UserRemoval, general_capabilities};
use crate::domain::account::IntegratedAccount;
use crate::domain::capabilities::{Capabilities, ResourceKind, ResourceMethod};
use crate::domain::policy::{DirectoryOperation, Finding};

/// The field of users that ends the access of guests.
const EXPIRY: &str = "expires_at";
/// Where everything that works for an account is described.
const CAPABILITIES: &str = "GET /integrated-accounts/{id}/capabilities has what works.";

/// What the provider of an account can do.
#[derive(Debug)]
pub(super) struct FixSupport {
    capabilities: Capabilities,
    /// Whether the account deletes users in place of a deactivation.
    deletes_users: bool,
}

impl FixSupport {
    /// Returns what the provider of an account can do.
    pub(super) fn of(services: &PolicyServices, account: &IntegratedAccount) -> Self {
        let connector: &dyn Connector = services.sync.registry.connector(account.provider);
        let capabilities = match connector.discovery() {
            Some(discovery) => discovery.describe(account),
            None => general_capabilities(connector),
        };
        let unreadable_rows = UnreadableRows::default();
        let key = (account.environment_id, account);
        let cx = services.sync.call_context(key, &unreadable_rows, std::time::Duration::ZERO);
        let removal = connector.user_writes().map(|writes| writes.removal(&cx));
        Self { capabilities, deletes_users: removal == Some(UserRemoval::Deletion) }
    }

    /// Removes the operations from a finding that the provider can't do.
    pub(super) fn restrict(&self, finding: &mut Finding) {
        let mut reasons: Vec<String> = Vec::new();
        finding.fix.retain(|operation| match self.refusal(operation) {
            None => true,
            Some(reason) => {
                let text = format!("`{}` does not work: {reason}", operation.name());
                if !reasons.contains(&text) {
                    reasons.push(text);
                }
                false
            }
        });
        if !reasons.is_empty() {
            reasons.push(CAPABILITIES.to_owned());
            reasons.extend(finding.fix_unavailable.take());
            finding.fix_unavailable = Some(reasons.join(" "));
        }
    }

    /// Returns why the provider can't do an operation.
    fn refusal(&self, operation: &DirectoryOperation) -> Option<String> {
        let (resource, method) = match operation {
            DirectoryOperation::GrantRole { .. } => {
                (ResourceKind::RoleAssignments, ResourceMethod::Create)
            }
            DirectoryOperation::RevokeRole { .. } => {
                (ResourceKind::RoleAssignments, ResourceMethod::Delete)
            }
            DirectoryOperation::AddWorkspaceMember { .. } => {
                (ResourceKind::WorkspaceMembers, ResourceMethod::Create)
            }
            DirectoryOperation::RemoveWorkspaceMember { .. } => {
                (ResourceKind::WorkspaceMembers, ResourceMethod::Delete)
            }
            DirectoryOperation::AddGroupMember { .. } => {
                (ResourceKind::GroupMembers, ResourceMethod::Create)
            }
            DirectoryOperation::RemoveGroupMember { .. } => {
                (ResourceKind::GroupMembers, ResourceMethod::Delete)
            }
            DirectoryOperation::DeactivateUser { .. } if self.deletes_users => {
                let reason =
                    "The account deletes users in place of a deactivation, which no policy does.";
                return Some(reason.to_owned());
            }
            DirectoryOperation::DeactivateUser { .. } => {
                (ResourceKind::Users, ResourceMethod::Delete)
            }
            DirectoryOperation::ExpireUser { .. } if !self.is_writable(EXPIRY) => {
                return Some("The provider has no end of the access of users.".to_owned());
            }
            DirectoryOperation::UpdateUser { .. } | DirectoryOperation::ExpireUser { .. } => {
                (ResourceKind::Users, ResourceMethod::Update)
            }
        };
        let resource = self.capabilities.resources.iter().find(|one| one.resource == resource)?;
        let method = resource.methods.iter().find(|one| one.method == method)?;
        if method.is_supported {
            return None;
        }
        Some(
            method
                .reason
                .clone()
                .unwrap_or_else(|| "The provider has no such operation.".to_owned()),
        )
    }

    /// Whether a field of users can be written.
    fn is_writable(&self, name: &str) -> bool {
        let mut users =
            self.capabilities.resources.iter().filter(|one| one.resource == ResourceKind::Users);
        users.any(|users| users.fields.iter().any(|field| field.name == name && field.is_writable))
    }
}
