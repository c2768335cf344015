//! Expected values of the gateway, derived from the sandbox's organization alone.

use serde_json::Value;
use switchboard::sandbox::org::{GridOrganization, OrgLevel, Person, PersonStatus, WorkspaceLevel};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A role assignment: role, user, and the organization, workspace or channel.
pub(crate) type Assignment = (String, String, String);

/// Returns Unix seconds in the API's format, null for zero.
pub(crate) fn timestamp(seconds: i64) -> Value {
    let timestamp = OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|_| seconds > 0);
    timestamp.and_then(|timestamp| timestamp.format(&Rfc3339).ok()).into()
}

/// Returns a text, null if empty.
pub(crate) fn text(text: &str) -> Value {
    if text.is_empty() { Value::Null } else { text.into() }
}

/// Returns the unified user type.
pub(crate) fn user_type(person: &Person) -> &'static str {
    match person.guest_level() {
        _ if person.is_bot() => "bot",
        Some(WorkspaceLevel::SingleChannelGuest) => "guest_single_channel",
        Some(_) => "guest_multi_channel",
        None => "member",
    }
}

/// Returns the unified user status.
pub(crate) fn status(person: &Person) -> &'static str {
    match person.status {
        PersonStatus::Active => "active",
        PersonStatus::Invited => "invited",
        PersonStatus::Deactivated { .. } => "inactive",
    }
}

/// Returns every role assignment: the levels of the organization, those of each workspace, and the
/// system roles.
pub(crate) fn assignments(org: &GridOrganization) -> Vec<Assignment> {
    let here = org.people().iter().filter(|person| person.is_active() && !person.is_bot());
    let mut held: Vec<Assignment> = Vec::new();
    for person in here {
        if person.guest_level().is_none() {
            held.push(row(org_role(person.org_level), &person.id, &org.id));
        }
        for membership in &person.memberships {
            let team = org.workspaces.get(membership.workspace).map_or("", |team| &team.id);
            held.push(row(workspace_role(membership.level), &person.id, team));
        }
    }
    for (_, system) in org.roles.rows() {
        let user = org.person(system.user).map_or("", |person| &person.id);
        held.push(row(&system.role_id, user, &system.entity_id));
    }
    held.sort();
    held
}

fn row(role: &str, user: &str, entity: &str) -> Assignment {
    (role.to_owned(), user.to_owned(), entity.to_owned())
}

/// Returns the role id of an organization level.
pub(crate) fn org_role(level: OrgLevel) -> &'static str {
    match level {
        OrgLevel::Member => "org:member",
        OrgLevel::Admin => "org:admin",
        OrgLevel::Owner => "org:owner",
        OrgLevel::PrimaryOwner => "org:primary_owner",
    }
}

/// Returns the role id of a workspace level.
pub(crate) fn workspace_role(level: WorkspaceLevel) -> &'static str {
    match level {
        WorkspaceLevel::SingleChannelGuest => "ws:guest_single_channel",
        WorkspaceLevel::MultiChannelGuest => "ws:guest_multi_channel",
        WorkspaceLevel::Member => "ws:member",
        WorkspaceLevel::Admin => "ws:admin",
        WorkspaceLevel::Owner => "ws:owner",
        WorkspaceLevel::PrimaryOwner => "ws:primary_owner",
    }
}
