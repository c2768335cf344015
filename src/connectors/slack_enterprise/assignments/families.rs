//! Which of the three families of roles a filter is about, and what each is narrowed to.

use crate::connectors::slack_enterprise::roles;
use crate::domain::filter::AssignmentFilter;

/// A family of roles, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Levels of the organization.
    Organization,
    /// Levels and guests of each workspace.
    Workspaces,
    /// System roles.
    System,
}

/// What is asked of the families.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Narrow<'f> {
    /// The role.
    pub(super) role: Option<&'f str>,
    /// The organization, workspace or channel.
    pub(super) entity: Option<&'f str>,
}

impl<'f> Narrow<'f> {
    /// What a filter asks, but for the user.
    pub(super) fn of(filter: &'f AssignmentFilter) -> Self {
        let AssignmentFilter { role_id, user_id: _, workspace_id } = filter;
        Self { role: role_id.as_deref(), entity: workspace_id.as_deref() }
    }

    /// Whether a family can have what is asked for.
    pub(super) fn includes(self, family: Family, organization: &str) -> bool {
        let here = self.entity.is_none_or(|entity| entity == organization);
        let is_ours = |prefix| self.role.is_none_or(|role| is_of(role, prefix));
        match family {
            Family::Organization => here && is_ours("org:"),
            Family::Workspaces => (!here || self.entity.is_none()) && is_ours("ws:"),
            Family::System => self.role.is_none_or(roles::is_provider_id),
        }
    }

    /// The family to list after another, or the first one.
    pub(super) fn next(self, after: Option<Family>, organization: &str) -> Option<Family> {
        let all = [Family::Organization, Family::Workspaces, Family::System];
        let rest = match after {
            None => all.get(..),
            Some(Family::Organization) => all.get(1..),
            Some(Family::Workspaces) => all.get(2..),
            Some(Family::System) => None,
        };
        rest?.iter().copied().find(|family| self.includes(*family, organization))
    }

    /// Whether only guests can hold the role.
    pub(super) fn only_guests(self) -> bool {
        self.role.is_some_and(|role| role.starts_with("ws:guest_"))
    }

    /// The lists that `admin.roles.listAssignments` takes, in JSON; empty for all.
    pub(super) fn lists(self) -> (String, String) {
        let list = |one: Option<&str>| {
            one.map_or(String::new(), |one| serde_json::json!([one]).to_string())
        };
        (list(self.role), list(self.entity))
    }
}

/// Whether a role of ours is in the table and of that place.
fn is_of(role: &str, prefix: &str) -> bool {
    role.starts_with(prefix) && roles::can_be_held(role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_asks_only_the_families_that_can_have_it() {
        use Family::{Organization, System, Workspaces};
        let rows: [(Option<&str>, Option<&str>, &[Family]); 8] = [
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
            let narrow = Narrow { role, entity };
            let mut asked = Vec::new();
            while let Some(family) = narrow.next(asked.last().copied(), "E1") {
                asked.push(family);
            }
            assert_eq!(asked, expected, "{role:?} {entity:?}");
        }
    }
}
