//! Families of roles, and the query of each that a filter needs.

use crate::connectors::slack_enterprise::roles;
use crate::domain::filter::AssignmentFilter;

/// A family of roles, in list order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoleFamily {
    /// Levels of the organization.
    Organization,
    /// Levels and guest types of each workspace.
    Workspaces,
    /// System roles.
    System,
}

/// The query of role assignments, without the user.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct AssignmentQuery<'f> {
    /// The role.
    pub(super) role_id: Option<&'f str>,
    /// The organization, workspace or channel.
    pub(super) entity_id: Option<&'f str>,
}

impl<'f> AssignmentQuery<'f> {
    /// Returns the query of a filter.
    pub(super) fn from_filter(filter: &'f AssignmentFilter) -> Self {
        let AssignmentFilter { role_id, user_id: _, workspace_id } = filter;
        Self { role_id: role_id.as_deref(), entity_id: workspace_id.as_deref() }
    }

    /// Whether a family can have matching assignments.
    pub(super) fn includes(self, family: RoleFamily, organization: &str) -> bool {
        let here = self.entity_id.is_none_or(|entity| entity == organization);
        let is_ours = |prefix| self.role_id.is_none_or(|role| is_of(role, prefix));
        match family {
            RoleFamily::Organization => here && is_ours("org:"),
            RoleFamily::Workspaces => (!here || self.entity_id.is_none()) && is_ours("ws:"),
            RoleFamily::System => self.role_id.is_none_or(roles::is_provider_id),
        }
    }

    /// Returns the family to list after another, or the first one.
    pub(super) fn next(self, after: Option<RoleFamily>, organization: &str) -> Option<RoleFamily> {
        let all = [RoleFamily::Organization, RoleFamily::Workspaces, RoleFamily::System];
        let rest = match after {
            None => all.get(..),
            Some(RoleFamily::Organization) => all.get(1..),
            Some(RoleFamily::Workspaces) => all.get(2..),
            Some(RoleFamily::System) => None,
        };
        rest?.iter().copied().find(|family| self.includes(*family, organization))
    }

    /// Whether only guests can hold the role.
    pub(super) fn only_guests(self) -> bool {
        self.role_id.is_some_and(|role| role.starts_with("ws:guest_"))
    }

    /// Returns the arguments `role_ids` and `entity_ids` of `admin.roles.listAssignments`, in JSON; empty for all.
    pub(super) fn lists(self) -> (String, String) {
        let list = |one: Option<&str>| {
            one.map_or(String::new(), |one| serde_json::json!([one]).to_string())
        };
        (list(self.role_id), list(self.entity_id))
    }
}

/// Whether a level or guest role is in the table and has the prefix.
fn is_of(role: &str, prefix: &str) -> bool {
    role.starts_with(prefix) && roles::can_be_held(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_reads_only_the_families_that_can_match() {
        use RoleFamily::{Organization, System, Workspaces};
        let rows: [(Option<&str>, Option<&str>, &[RoleFamily]); 8] = [
            (None, None, &[Organization, Workspaces, System]),
            (Some("org:admin"), None, &[Organization]),
            (Some("org:admin"), Some("T1"), &[]),
            (Some("ws:admin"), Some("T1"), &[Workspaces]),
            (None, Some("T1"), &[Workspaces, System]),
            (Some("Rl01"), None, &[System]),
            (None, Some("E1"), &[Organization, System]),
            (Some("ws:king"), None, &[]),
        ];
        for (role, entity, expected) in rows {
            let narrow = AssignmentQuery { role_id: role, entity_id: entity };
            let mut asked = Vec::new();
            while let Some(family) = narrow.next(asked.last().copied(), "E1") {
                asked.push(family);
            }
            assert_eq!(asked, expected, "{role:?} {entity:?}");
        }
    }
}
