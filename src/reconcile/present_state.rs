//! Compares a person as read with what a step is to do: whether it is done, is to be done, or met another change.

use serde_json::{Map, Value};

use crate::domain::policy::{DirectoryOperation, HeldRole, Person};
use crate::domain::reconciliation::{has_values, lost_roles, present_part};
use crate::domain::role::{is_guest_level, is_member_level, replaces_level};
use crate::domain::user::User;

/// What differs when others gave a person another level.
const LEVEL: &str = "the person's level in this place";
/// What differs when others gave a person a role that the step would take too.
const ROLES: &str = "the roles that the person would lose";

/// The state of a person, compared with a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Present {
    /// It is as after the step.
    Done,
    /// It is as before the step.
    ToDo,
    /// It is another one: what differs.
    Changed(String),
}

impl Present {
    fn of(is_done: bool, is_as_before: bool, what: &str) -> Self {
        match (is_done, is_as_before) {
            (true, _) => Self::Done,
            (false, true) => Self::ToDo,
            (false, false) => Self::Changed(what.to_owned()),
        }
    }
}

/// Compares a person with a step.
pub(super) fn present(
    person: &Person,
    operation: &DirectoryOperation,
    before: &Map<String, Value>,
    after: &Map<String, Value>,
) -> Present {
    match operation {
        DirectoryOperation::UpdateUser { .. } => of_fields(person, before, after),
        DirectoryOperation::ExpireUser { .. } => Present::ToDo,
        DirectoryOperation::GrantRole { role_id, workspace_id, .. } => {
            let here = || person.roles.iter().filter(|held| held.workspace_id == *workspace_id);
            let is_held = here().any(|held| held.role_id == *role_id);
            let level = here().find(|held| replaces_level(role_id, &held.role_id));
            let level = level.map(|held| held.role_id.as_str());
            let earlier =
                before.get("role").and_then(|role| role.get("id")).and_then(Value::as_str);
            // A membership that the plan itself adds brings the lowest level.
            let is_as_before =
                level == earlier || earlier.is_none() && level.is_none_or(is_member_level);
            Present::of(is_held, is_as_before, LEVEL)
        }
        DirectoryOperation::RevokeRole { role_id, workspace_id, .. } => {
            let here = || person.roles.iter().filter(|held| held.workspace_id == *workspace_id);
            let is_held = here().any(|held| held.role_id == *role_id);
            // Others gave the person another level than the one that is left without this one.
            let is_replaced = here().any(|held| {
                let id = held.role_id.as_str();
                replaces_level(role_id, id) && !is_member_level(id) && !is_guest_level(id)
            });
            Present::of(!is_held && !is_replaced, is_held, LEVEL)
        }
        DirectoryOperation::AddWorkspaceMember { workspace_id, .. } => {
            let is_member = person.workspaces.iter().any(|one| one.id == *workspace_id);
            Present::of(is_member, person.can_sign_in(), "the person's status")
        }
        DirectoryOperation::RemoveWorkspaceMember { workspace_id, .. } => {
            let is_member = person.workspaces.iter().any(|one| one.id == *workspace_id);
            Present::of(!is_member, loses_as_planned(person, Some(workspace_id), before), ROLES)
        }
        DirectoryOperation::AddGroupMember { group_id, .. } => {
            let is_member = person.groups.iter().any(|one| one.id == *group_id);
            Present::of(is_member, person.can_sign_in(), "the person's status")
        }
        DirectoryOperation::RemoveGroupMember { group_id, .. } => {
            let is_member = person.groups.iter().any(|one| one.id == *group_id);
            Present::of(!is_member, true, "")
        }
        DirectoryOperation::DeactivateUser { .. } => {
            Present::of(!person.can_sign_in(), loses_as_planned(person, None, before), ROLES)
        }
    }
}

/// Whether a person loses no role with the membership of a workspace, or with the account, that the plan did not know of:
/// one that others gave since then.
fn loses_as_planned(
    person: &Person,
    workspace_id: Option<&str>,
    before: &Map<String, Value>,
) -> bool {
    let known = before.get("roles").and_then(Value::as_array);
    let is_known = |held: &HeldRole| {
        known.into_iter().flatten().any(|role| {
            let text = |name: &str| role.get(name).and_then(Value::as_str);
            text("id") == Some(&held.role_id)
                && text("workspace_id") == held.workspace_id.as_deref()
        })
    };
    lost_roles(person, workspace_id).all(is_known)
}

/// Compares the fields of a change.
fn of_fields(person: &Person, before: &Map<String, Value>, after: &Map<String, Value>) -> Present {
    let Ok(user) = serde_json::from_str::<User>(&person.body) else {
        return Present::Changed("the form of the profile".to_owned());
    };
    if is_equal(&user, after) {
        return Present::Done;
    }
    let changed = after.keys().filter(|name| {
        let single = |values: &Map<String, Value>| {
            let value = values.get(*name).cloned().unwrap_or_default();
            Map::from_iter([((*name).clone(), value)])
        };
        !is_equal(&user, &single(after)) && !is_as(&user, name, &single(before))
    });
    let changed: Vec<&str> = changed.map(String::as_str).collect();
    if changed.is_empty() {
        Present::ToDo
    } else {
        Present::Changed(format!("the fields {}", changed.join(", ")))
    }
}

/// Whether a user has the values of input. What the provider may store in another form is taken as equal.
fn is_equal(user: &User, fields: &Map<String, Value>) -> bool {
    let mut fields = fields.clone();
    if fields.get("name").and_then(Value::as_str) == user.name.as_deref() {
        fields.remove("name");
    }
    has_values(user, &fields)
}

/// Whether a field of a user has the value that a plan found.
fn is_as(user: &User, name: &str, before: &Map<String, Value>) -> bool {
    let earlier = before.get(name).unwrap_or(&Value::Null);
    *earlier == present_part(user, (name, earlier))
}
