//! Which resources the directories of a provider have.

use crate::connectors::Connector;
use crate::domain::sync::SyncResource;

/// Whether the provider has a resource at all. Runs skip those that it does not have.
#[must_use]
pub fn has_resource(connector: &dyn Connector, resource: SyncResource) -> bool {
    match resource {
        SyncResource::Workspaces => connector.workspaces().is_some(),
        SyncResource::Users => connector.users().is_some(),
        SyncResource::Groups => connector.groups().is_some(),
        SyncResource::RoleAssignments => connector.role_assignments().is_some(),
    }
}
