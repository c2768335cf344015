//! What an operation takes from a person or gives to it, and how the person is afterwards.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::domain::assignment::assignment_id;
use crate::domain::policy::{DirectoryOperation, Grant, HeldRole, Person};
use crate::domain::role::{RoleScope, is_lower_level, replaces_level};
use crate::domain::user::{UserStatus, UserType};

/// Whether an operation takes a role from its holder.
pub(super) fn takes(operation: &DirectoryOperation, role: &HeldRole) -> bool {
    match operation {
        DirectoryOperation::RevokeRole { id, .. } => role.assignment_id == *id,
        DirectoryOperation::RemoveWorkspaceMember { workspace_id, .. } => {
            role.workspace_id.as_ref() == Some(workspace_id)
        }
        DirectoryOperation::GrantRole { role_id, workspace_id, .. } => {
            *workspace_id == role.workspace_id && replaces_level(role_id, &role.role_id)
        }
        DirectoryOperation::UpdateUser { changes, .. } => {
            makes_guest(changes) || status_of(changes) == Some(UserStatus::Inactive)
        }
        DirectoryOperation::DeactivateUser { .. } | DirectoryOperation::ExpireUser { .. } => true,
        DirectoryOperation::AddGroupMember { .. }
        | DirectoryOperation::RemoveGroupMember { .. }
        | DirectoryOperation::AddWorkspaceMember { .. } => false,
    }
}

/// Whether an operation takes access from a person: also a level that is lower than the present one, and a change of the
/// profile that deactivates the person, makes a guest of a member, or ends the access of a guest sooner.
pub(crate) fn takes_access(person: &Person, operation: &DirectoryOperation) -> bool {
    match operation {
        DirectoryOperation::GrantRole { role_id, workspace_id, .. } => {
            person.roles.iter().any(|held| {
                held.workspace_id == *workspace_id && is_lower_level(role_id, &held.role_id)
            })
        }
        DirectoryOperation::UpdateUser { changes, .. } => {
            person.can_sign_in() && status_of(changes) == Some(UserStatus::Inactive)
                || lowers_membership(person, changes)
                || ends_sooner(person, changes)
        }
        DirectoryOperation::RevokeRole { .. }
        | DirectoryOperation::AddWorkspaceMember { .. }
        | DirectoryOperation::RemoveWorkspaceMember { .. }
        | DirectoryOperation::AddGroupMember { .. }
        | DirectoryOperation::RemoveGroupMember { .. }
        | DirectoryOperation::DeactivateUser { .. }
        | DirectoryOperation::ExpireUser { .. } => operation.is_removal(),
    }
}

/// Whether an operation gives access to a person.
pub(super) fn gives_access(operation: &DirectoryOperation) -> bool {
    match operation {
        DirectoryOperation::GrantRole { .. }
        | DirectoryOperation::AddWorkspaceMember { .. }
        | DirectoryOperation::AddGroupMember { .. } => true,
        DirectoryOperation::UpdateUser { .. }
        | DirectoryOperation::RevokeRole { .. }
        | DirectoryOperation::RemoveWorkspaceMember { .. }
        | DirectoryOperation::RemoveGroupMember { .. }
        | DirectoryOperation::DeactivateUser { .. }
        | DirectoryOperation::ExpireUser { .. } => false,
    }
}

fn status_of(changes: &Map<String, Value>) -> Option<UserStatus> {
    changes.get("status")?.as_str()?.parse().ok()
}

fn user_type_of(changes: &Map<String, Value>) -> Option<UserType> {
    changes.get("user_type")?.as_str()?.parse().ok()
}

/// Whether a change makes a guest.
fn makes_guest(changes: &Map<String, Value>) -> bool {
    matches!(
        user_type_of(changes),
        Some(UserType::GuestMultiChannel | UserType::GuestSingleChannel)
    )
}

/// Whether a change makes a guest of a member, or leaves a guest one channel of several.
fn lowers_membership(person: &Person, changes: &Map<String, Value>) -> bool {
    match user_type_of(changes) {
        Some(UserType::GuestMultiChannel) => !person.is_guest(),
        Some(UserType::GuestSingleChannel) => {
            person.profile.user_type != UserType::GuestSingleChannel
        }
        Some(UserType::Member | UserType::Bot) | None => false,
    }
}

/// Whether a change ends the access of a guest before its present end.
fn ends_sooner(person: &Person, changes: &Map<String, Value>) -> bool {
    let end = changes.get("expires_at").and_then(Value::as_str);
    let end = end.and_then(|end| OffsetDateTime::parse(end, &Rfc3339).ok());
    person.is_guest()
        && end.is_some_and(|end| person.profile.expires_at.is_none_or(|present| end < present))
}

/// Returns a person as after an operation.
pub(crate) fn after(person: &Person, operation: &DirectoryOperation) -> Person {
    let mut after = person.clone();
    after.roles.retain(|role| !takes(operation, role));
    if let DirectoryOperation::GrantRole { user_id, role_id, workspace_id } = operation {
        let place = workspace_id.as_deref().unwrap_or_default();
        after.roles.push(HeldRole {
            assignment_id: assignment_id(role_id, user_id, place),
            role_id: role_id.clone(),
            role_name: role_id.clone(),
            scope: if workspace_id.is_some() {
                RoleScope::Workspace
            } else {
                RoleScope::Organization
            },
            workspace_id: workspace_id.clone(),
            is_privileged: true,
            grant: Grant {
                found_at: after.found_at,
                occurred_at: None,
                actor: None,
                is_older_than_sync: false,
            },
        });
    }
    match operation {
        DirectoryOperation::DeactivateUser { .. } => after.profile.status = UserStatus::Inactive,
        DirectoryOperation::UpdateUser { changes, .. } => {
            after.profile.status = status_of(changes).unwrap_or(after.profile.status);
        }
        DirectoryOperation::GrantRole { .. }
        | DirectoryOperation::RevokeRole { .. }
        | DirectoryOperation::AddWorkspaceMember { .. }
        | DirectoryOperation::RemoveWorkspaceMember { .. }
        | DirectoryOperation::AddGroupMember { .. }
        | DirectoryOperation::RemoveGroupMember { .. }
        | DirectoryOperation::ExpireUser { .. } => {}
    }
    after
}
