//! Roles that users hold, by the account's settings: values of `roles` and `entitlements`, and groups.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::features::{RoleSource, ScimFeatures, ScimSettings};
use super::map::{group_name, non_blank};
use super::role_id::{parse_role_id, role_id};
use super::wire::{MultiValue, UserResource};
use crate::domain::assignment::{RoleAssignment, assignment_id};
use crate::domain::role::{Role, RoleKind, RoleScope};
use crate::domain::user::{ResourceRef, UserRole};

/// A role that a user holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HeldRole {
    /// The role's id.
    pub(super) id: String,
    /// The role's name.
    pub(super) name: String,
    /// The group that the role is.
    pub(super) group_id: Option<String>,
}

impl HeldRole {
    /// Returns the role of a value of `roles` or `entitlements`.
    pub(super) fn of_value(source: RoleSource, value: &str, name: Option<String>) -> Self {
        let name = name.unwrap_or_else(|| value.to_owned());
        Self { id: role_id(source, value), name, group_id: None }
    }

    /// Returns the role that a group is.
    pub(super) fn of_group(id: &str, name: Option<String>) -> Self {
        let name = group_name(id, name);
        Self { id: role_id(RoleSource::Groups, id), name, group_id: Some(id.to_owned()) }
    }
}

/// Returns the roles that are attributes of a user.
pub(super) fn attribute_roles(user: &UserResource, settings: &ScimSettings) -> Vec<HeldRole> {
    let sources =
        [(RoleSource::Roles, &user.roles), (RoleSource::Entitlements, &user.entitlements)];
    let sources = sources.into_iter().filter(|(source, _)| settings.roles_from.contains(source));
    let roles = sources.flat_map(|(source, values)| {
        values.iter().filter_map(move |one| {
            let MultiValue { value, display, .. } = one.clone();
            let display = non_blank(display);
            // Some servers have the name alone.
            let value = non_blank(value).or_else(|| display.clone())?;
            Some(HeldRole::of_value(source, &value, display))
        })
    });
    distinct(roles)
}

/// Returns the roles that groups are.
pub(super) fn group_roles(groups: &[ResourceRef], settings: &ScimSettings) -> Vec<HeldRole> {
    let is_role = |group: &&ResourceRef| {
        settings.is_role_group(&group.id, group.name.as_deref().unwrap_or_default())
    };
    let roles = groups.iter().filter(is_role);
    distinct(roles.map(|group| HeldRole::of_group(&group.id, group.name.clone())))
}

fn distinct(roles: impl Iterator<Item = HeldRole>) -> Vec<HeldRole> {
    let mut seen = BTreeSet::new();
    roles.filter(|role| seen.insert(role.id.clone())).collect()
}

/// Returns a role of a user.
pub(super) fn user_role(held: HeldRole, organization: &Arc<str>) -> UserRole {
    UserRole {
        id: held.id.into(),
        name: held.name.into(),
        scope: RoleScope::Organization,
        workspace_id: None,
        organization: Some(Arc::clone(organization)),
    }
}

/// Returns the assignment of a role to a user.
pub(super) fn assignment(held: HeldRole, user_id: &str, organization: &str) -> RoleAssignment {
    RoleAssignment {
        id: assignment_id(&held.id, user_id, organization),
        user_id: user_id.to_owned(),
        role_id: held.id,
        role_name: held.name,
        scope: RoleScope::Organization,
        workspace: Vec::new(),
        workspace_id: None,
        organization_id: Some(organization.to_owned()),
        group_id: held.group_id,
        group_type: None,
        channel_id: None,
        is_privileged: false,
        granted_by: None,
        created_at: None,
        updated_at: None,
    }
}

/// Returns a role.
pub(super) fn role(held: HeldRole, features: &ScimFeatures) -> Role {
    let is_assignable = match parse_role_id(&held.id) {
        Some((RoleSource::Roles, _)) => features.user.can_write("roles"),
        Some((RoleSource::Entitlements, _)) => features.user.can_write("entitlements"),
        Some((RoleSource::Groups, _)) => {
            features.group.as_ref().is_some_and(|group| group.can_write("members"))
        }
        None => false,
    };
    Role {
        id: held.id,
        name: held.name,
        description: None,
        scope: RoleScope::Organization,
        kind: RoleKind::Custom,
        is_assignable,
        is_privileged: false,
        applicable_in: vec![RoleScope::Organization],
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn roles_come_from_the_sources_of_the_settings() {
        let user = json!({"id": "1", "roles": [{"value": "a", "display": "A"}, "b", {"value": "a"},
            {"value": null}, {"display": "C"}], "entitlements": "a"});
        let user: UserResource = serde_json::from_value(user).unwrap();
        let names = |settings: &ScimSettings| {
            let held = attribute_roles(&user, settings).into_iter();
            held.map(|role| (role.id, role.name)).collect::<Vec<_>>()
        };
        let pairs = |pairs: &[(&str, &str)]| {
            let pairs = pairs.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned()));
            pairs.collect::<Vec<_>>()
        };
        let all = [("roles:a", "A"), ("roles:b", "b"), ("roles:C", "C"), ("entitlements:a", "a")];
        assert_eq!(names(&ScimSettings::default()), pairs(&all));
        let roles_from = BTreeSet::from([RoleSource::Entitlements]);
        let settings = ScimSettings { roles_from, ..ScimSettings::default() };
        assert_eq!(names(&settings), pairs(&[("entitlements:a", "a")]));

        let groups = [("g1", Some("app-x")), ("g2", None), ("g3", Some("team"))];
        let groups = groups
            .map(|(id, name)| ResourceRef { id: id.to_owned(), name: name.map(str::to_owned) });
        let settings = ScimSettings {
            roles_from: BTreeSet::from([RoleSource::Groups]),
            role_group_prefix: Some("app-".to_owned()),
            role_group_ids: BTreeSet::from(["g2".to_owned()]),
            ..ScimSettings::default()
        };
        let held = group_roles(&groups, &settings);
        let held: Vec<_> = held.iter().map(|role| (&*role.id, &*role.name)).collect();
        assert_eq!(held, [("groups:g1", "app-x"), ("groups:g2", "g2")]);
    }
}
