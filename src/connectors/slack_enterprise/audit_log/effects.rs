//! What the actions of Slack's audit log explain: the events, and the fields that they change.

use crate::domain::effect::Effect;
use crate::domain::event::EventKind;
use crate::domain::own_change::owners_effect;

/// The events about a user that remains.
pub(super) const USER_UPDATES: [EventKind; 3] =
    [EventKind::UserUpdated, EventKind::UserDeactivated, EventKind::UserReactivated];
/// The fields that a change of a profile changes. Changes of other fields are not in the log.
pub(super) const PROFILE_FIELDS: [&str; 5] = ["first_name", "last_name", "name", "title", "photos"];
/// The fields that a change of the e-mail address changes.
pub(super) const EMAIL_FIELDS: [&str; 2] = ["emails", "is_email_verified"];
/// The fields that a deactivation or reactivation changes.
pub(super) const STATUS_FIELDS: [&str; 7] = [
    "status",
    "deactivated_at",
    "expires_at",
    "user_type",
    "is_2fa_enabled",
    "is_email_verified",
    "is_sso_enabled",
];
/// The fields that a change between guest and member changes.
pub(super) const KIND_FIELDS: [&str; 2] = ["user_type", "expires_at"];
/// The fields that a change of a group changes, except for its members and workspaces.
pub(super) const GROUP_FIELDS: [&str; 2] = ["name", "description"];
/// The roles that a new or reactivated user has without an action of their own.
const FIRST_ROLES: [&str; 4] =
    ["org:member", "ws:member", "ws:guest_multi_channel", "ws:guest_single_channel"];
/// The levels in the organization.
const ORGANIZATION_LEVELS: [&str; 4] =
    ["org:primary_owner", "org:owner", "org:admin", "org:member"];
/// The levels in a workspace.
const WORKSPACE_LEVELS: [&str; 6] = [
    "ws:primary_owner",
    "ws:owner",
    "ws:admin",
    "ws:member",
    "ws:guest_multi_channel",
    "ws:guest_single_channel",
];

/// Returns the events that a change of level explains.
pub(super) fn level_effects(user: &str, action: &str, workspace: Option<&str>) -> Vec<Effect> {
    let levels: &[&str] =
        if workspace.is_some() { &WORKSPACE_LEVELS } else { &ORGANIZATION_LEVELS };
    let new: &[&str] = match action {
        "role_change_to_owner" => &["owner"],
        "role_change_to_admin" => &["admin"],
        "role_change_to_user" => &["member"],
        "role_change_to_guest" => &["guest_multi_channel", "guest_single_channel"],
        _ => &["primary_owner"],
    };
    let is_new = |role: &str| role.split_once(':').is_some_and(|(_, level)| new.contains(&level));
    let roles = |are_new: bool| {
        levels
            .iter()
            .filter(|role| is_new(role) == are_new)
            .map(|role| (*role).to_owned())
            .collect()
    };
    let granted =
        Effect { role_ids: roles(true), ..Effect::on("user_id", user, &[EventKind::RoleGranted]) };
    let revoked =
        Effect { role_ids: roles(false), ..Effect::on("user_id", user, &[EventKind::RoleRevoked]) };
    vec![in_place(granted, workspace), in_place(revoked, workspace)]
}

/// Returns the update of a workspace by a change of a user's level.
pub(super) fn owners(user: &str, workspace: &str, action: &str) -> Effect {
    let effect = owners_effect(user).with("id", workspace);
    if action == "owner_transferred" { effect.changing(&["primary_owner"]) } else { effect }
}

/// Returns the events of a user who joined a workspace, or any.
pub(super) fn joined(user: &str, workspace: Option<&str>) -> Vec<Effect> {
    let roles = FIRST_ROLES.map(str::to_owned).to_vec();
    let member = Effect::on("user_id", user, &[EventKind::WorkspaceMemberAdded]);
    let granted =
        Effect { role_ids: roles, ..Effect::on("user_id", user, &[EventKind::RoleGranted]) };
    vec![in_place(member, workspace), in_place(granted, workspace)]
}

/// Limits an effect to a workspace.
pub(super) fn in_place(effect: Effect, workspace: Option<&str>) -> Effect {
    match workspace {
        Some(workspace) => effect.with("workspace_id", workspace),
        None => effect,
    }
}
