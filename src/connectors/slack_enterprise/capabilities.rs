//! Scopes of Slack's methods behind each operation of the unified API, and the filters that Slack applies.

use crate::domain::capabilities::{ResourceKind, ResourceMethod};

/// Returns the scopes that an operation needs.
pub(super) fn scopes(resource: ResourceKind, method: ResourceMethod) -> &'static [&'static str] {
    let is_read = matches!(method, ResourceMethod::List | ResourceMethod::Get);
    match resource {
        ResourceKind::Users if method == ResourceMethod::List => &["admin.users:read"],
        ResourceKind::Users if is_read => &["users:read", "users:read.email", "admin"],
        ResourceKind::Users | ResourceKind::Groups | ResourceKind::GroupMembers => &["admin"],
        ResourceKind::RoleAssignments if is_read => &["admin.roles:read", "admin.users:read"],
        ResourceKind::RoleAssignments => &["admin.roles:write", "admin.users:write"],
        ResourceKind::Workspaces if is_read => &["admin.teams:read"],
        ResourceKind::Workspaces => &["admin.teams:write"],
        ResourceKind::WorkspaceMembers if is_read => &["admin.users:read"],
        ResourceKind::WorkspaceMembers => &["admin.users:write"],
        ResourceKind::Roles | ResourceKind::Me => &[],
    }
}

/// Returns the filters that Slack applies, at least in part.
pub(super) fn provider_filters(resource: ResourceKind) -> &'static [&'static str] {
    match resource {
        ResourceKind::Users => &["email", "username", "status", "workspace[id]"],
        ResourceKind::RoleAssignments => &["role[id]", "user[id]", "workspace[id]"],
        ResourceKind::Groups
        | ResourceKind::GroupMembers
        | ResourceKind::Roles
        | ResourceKind::Workspaces
        | ResourceKind::WorkspaceMembers
        | ResourceKind::Me => &[],
    }
}
