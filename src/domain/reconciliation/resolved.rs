//! A desired state whose workspaces, roles and groups are found in the directory, and what a reconciliation owns.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::scope::OwnershipMode;
use crate::domain::role::{is_lower_level, replaces_level};

/// A workspace that a person is to be a member of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedWorkspace {
    /// The id, or `new:` and the key of a workspace that the plan creates.
    pub id: String,
    /// The name.
    pub name: Option<String>,
    /// The channels of a guest who is added.
    pub channel_ids: Vec<String>,
}

/// A role that a person is to hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResolvedRole {
    /// The role's id.
    pub id: String,
    /// The workspace.
    pub workspace_id: Option<String>,
}

/// A group that a person is to be a member of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedGroup {
    /// The id.
    pub id: String,
    /// The name.
    pub name: Option<String>,
}

/// A person of a desired state. `None` leaves a list as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ResolvedUser {
    /// The value by which the person is matched.
    pub key: String,
    /// Where the person is desired, for reasons: a row or a rule.
    pub source: String,
    /// The attributes, as in the body of a user's creation.
    pub fields: Map<String, Value>,
    /// The workspaces.
    pub workspaces: Option<Vec<ResolvedWorkspace>>,
    /// The roles.
    pub roles: Option<Vec<ResolvedRole>>,
    /// The groups.
    pub groups: Option<Vec<ResolvedGroup>>,
}

impl ResolvedUser {
    /// Returns two levels of which the person can hold only one: they are in the same place.
    #[must_use]
    pub fn contradicting_levels(&self) -> Option<(&ResolvedRole, &ResolvedRole)> {
        let roles = || self.roles.iter().flatten();
        roles().enumerate().find_map(|(index, role)| {
            let other = roles().take(index).find(|other| other.excludes(role))?;
            Some((other, role))
        })
    }

    /// Leaves the highest of the levels in each place.
    pub fn keep_highest_levels(&mut self) {
        let Some(roles) = &mut self.roles else { return };
        let all = roles.clone();
        roles.retain(|role| {
            let is_lower = |other: &ResolvedRole| is_lower_level(&role.id, &other.id);
            !all.iter().any(|other| other.excludes(role) && is_lower(other))
        });
    }
}

impl ResolvedRole {
    /// Whether a person who holds this role can't hold the other one.
    fn excludes(&self, other: &Self) -> bool {
        self.workspace_id == other.workspace_id && replaces_level(&self.id, &other.id)
    }
}

/// The workspaces, roles and groups that people who are not desired there are removed from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ownership {
    workspaces: HashSet<String>,
    /// Roles in one place; `None` stands for the organization.
    roles: HashSet<(String, Option<String>)>,
    /// Roles in all places.
    everywhere: HashSet<String>,
    groups: HashSet<String>,
    /// What `scope` declares additive.
    additive: HashSet<Owned>,
}

/// Something that can be owned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Owned {
    /// A workspace.
    Workspace(String),
    /// A role in one place; `None` stands for the organization.
    Role(String, Option<String>),
    /// A role in all places.
    RoleEverywhere(String),
    /// A group.
    Group(String),
}

impl Ownership {
    /// Declares the mode of one of them. What was declared before has precedence.
    pub fn declare(&mut self, owned: Owned, mode: OwnershipMode) {
        if self.additive.contains(&owned) {
            return;
        }
        match (mode, owned) {
            (OwnershipMode::Additive, owned) => {
                if !self.contains(&owned) {
                    self.additive.insert(owned);
                }
            }
            (OwnershipMode::Authoritative, Owned::Workspace(id)) => {
                self.workspaces.insert(id);
            }
            (OwnershipMode::Authoritative, Owned::Role(id, place)) => {
                if !self.additive.contains(&Owned::RoleEverywhere(id.clone())) {
                    self.roles.insert((id, place));
                }
            }
            (OwnershipMode::Authoritative, Owned::RoleEverywhere(id)) => {
                self.everywhere.insert(id);
            }
            (OwnershipMode::Authoritative, Owned::Group(id)) => {
                self.groups.insert(id);
            }
        }
    }

    fn contains(&self, owned: &Owned) -> bool {
        match owned {
            Owned::Workspace(id) => self.workspaces.contains(id),
            Owned::Role(id, place) => self.roles.contains(&(id.clone(), place.clone())),
            Owned::RoleEverywhere(id) => self.everywhere.contains(id),
            Owned::Group(id) => self.groups.contains(id),
        }
    }

    /// Whether people who are not desired in a workspace are removed from it.
    #[must_use]
    pub fn owns_workspace(&self, id: &str) -> bool {
        self.workspaces.contains(id)
    }

    /// Whether a role is taken from people who are not to hold it.
    #[must_use]
    pub fn owns_role(&self, id: &str, workspace_id: Option<&str>) -> bool {
        let place = (id.to_owned(), workspace_id.map(str::to_owned));
        self.roles.contains(&place)
            || self.everywhere.contains(id)
                && !self.additive.contains(&Owned::Role(place.0, place.1))
    }

    /// Whether people who are not desired in a group are removed from it.
    #[must_use]
    pub fn owns_group(&self, id: &str) -> bool {
        self.groups.contains(id)
    }

    /// Whether no one is removed from anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.workspaces.is_empty()
            && self.roles.is_empty()
            && self.everywhere.is_empty()
            && self.groups.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_declared_first_has_precedence() {
        use OwnershipMode::{Additive, Authoritative};
        let mut owned = Ownership::default();
        owned.declare(Owned::Workspace("T1".to_owned()), Additive);
        owned.declare(Owned::Workspace("T1".to_owned()), Authoritative);
        owned.declare(Owned::Workspace("T2".to_owned()), Authoritative);
        owned.declare(Owned::Workspace("T2".to_owned()), Additive);
        assert!(!owned.owns_workspace("T1") && owned.owns_workspace("T2"));

        owned.declare(Owned::Role("ws:admin".to_owned(), Some("T3".to_owned())), Additive);
        owned.declare(Owned::RoleEverywhere("ws:admin".to_owned()), Authoritative);
        assert!(owned.owns_role("ws:admin", Some("T1")));
        assert!(!owned.owns_role("ws:admin", Some("T3")) && !owned.owns_role("ws:owner", None));
    }
}
