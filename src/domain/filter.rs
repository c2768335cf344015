//! Filters and expansions of lists. A connector passes as much of a filter to the provider as the provider supports;
//! the whole filter is then applied to the rows that come back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::assignment::RoleAssignment;
use super::group::Group;
use super::role::{Role, RoleScope};
use super::user::{User, UserStatus, UserType};
use super::workspace::Workspace;

/// A resource whose lists can be filtered.
pub trait Filterable: Sized + Send + Sync {
    /// The filter of its lists.
    type Filter: Filter<Self>;
    /// The expansions that its lists support.
    const EXPANSIONS: &'static [Expansion];
}

impl Filterable for User {
    type Filter = UserFilter;
    const EXPANSIONS: &'static [Expansion] =
        &[Expansion::Profile, Expansion::Groups, Expansion::Roles];
}

impl Filterable for Role {
    type Filter = RoleFilter;
    const EXPANSIONS: &'static [Expansion] = &[];
}

impl Filterable for RoleAssignment {
    type Filter = AssignmentFilter;
    const EXPANSIONS: &'static [Expansion] = &[];
}

impl Filterable for Group {
    type Filter = GroupFilter;
    const EXPANSIONS: &'static [Expansion] = &[];
}

impl Filterable for Workspace {
    type Filter = WorkspaceFilter;
    const EXPANSIONS: &'static [Expansion] = &[Expansion::Owners, Expansion::Settings];
}

/// A filter of a list.
pub trait Filter<T>: Default + std::fmt::Debug + PartialEq + Serialize + Send + Sync {
    /// Whether a row matches.
    fn matches(&self, row: &T) -> bool;
}

/// A filter of users.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UserFilter {
    /// One of the e-mail addresses, case-insensitive.
    pub email: Option<String>,
    /// The username, case-insensitive.
    pub username: Option<String>,
    /// The status.
    pub status: Option<UserStatus>,
    /// A workspace of the user.
    pub workspace_id: Option<String>,
    /// A role of the user.
    pub role_id: Option<String>,
    /// The kind of member.
    pub user_type: Option<UserType>,
    /// Changed after this time.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_after: Option<OffsetDateTime>,
    /// A substring of a name, an e-mail address or the title, case-insensitive.
    pub search: Option<String>,
}

impl Filter<User> for UserFilter {
    fn matches(&self, user: &User) -> bool {
        let mut addresses = user.emails.iter().map(|email| email.email.as_str());
        is_met(self.email.as_ref(), |email| addresses.any(|one| eq_ignore_case(one, email)))
            && is_met(self.username.as_ref(), |name| {
                user.username.as_deref().is_some_and(|own| eq_ignore_case(own, name))
            })
            && is_met(self.status.as_ref(), |status| user.status == *status)
            && is_met(self.workspace_id.as_ref(), |id| {
                user.workspaces.iter().any(|one| one.id == *id)
            })
            && is_met(self.role_id.as_ref(), |id| user.roles.iter().any(|one| one.id == *id))
            && is_met(self.user_type.as_ref(), |kind| user.user_type == *kind)
            && is_met(self.updated_after.as_ref(), |moment| {
                user.updated_at.is_some_and(|at| at > *moment)
            })
            && is_met(self.search.as_ref(), |part| matches_search(user, part))
    }
}

/// A filter of roles.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RoleFilter {
    /// A scope that the role can be assigned in.
    pub scope: Option<RoleScope>,
    /// A workspace that the role can be assigned in; all workspaces are alike.
    pub workspace_id: Option<String>,
}

impl Filter<Role> for RoleFilter {
    fn matches(&self, role: &Role) -> bool {
        is_met(self.scope.as_ref(), |scope| role.applicable_in.contains(scope))
            && is_met(self.workspace_id.as_ref(), |_| {
                role.applicable_in.contains(&RoleScope::Workspace)
            })
    }
}

/// A filter of role assignments.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AssignmentFilter {
    /// The role.
    pub role_id: Option<String>,
    /// The user.
    pub user_id: Option<String>,
    /// The workspace.
    pub workspace_id: Option<String>,
}

impl Filter<RoleAssignment> for AssignmentFilter {
    fn matches(&self, held: &RoleAssignment) -> bool {
        is_met(self.role_id.as_ref(), |id| held.role_id == *id)
            && is_met(self.user_id.as_ref(), |id| held.user_id == *id)
            && is_met(self.workspace_id.as_ref(), |id| held.workspace_id.as_ref() == Some(id))
    }
}

/// A filter of groups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GroupFilter {
    /// The name, case-insensitive.
    pub name: Option<String>,
    /// A member.
    pub user_id: Option<String>,
}

impl Filter<Group> for GroupFilter {
    fn matches(&self, group: &Group) -> bool {
        is_met(self.name.as_ref(), |name| eq_ignore_case(&group.name, name))
            && is_met(self.user_id.as_ref(), |id| group.members.iter().any(|one| one.id == *id))
    }
}

/// A filter of workspaces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WorkspaceFilter {
    /// The name, case-insensitive.
    pub name: Option<String>,
    /// The discoverability, by the provider's name.
    pub discoverability: Option<String>,
}

impl Filter<Workspace> for WorkspaceFilter {
    fn matches(&self, workspace: &Workspace) -> bool {
        is_met(self.name.as_ref(), |name| eq_ignore_case(&workspace.name, name))
            && is_met(self.discoverability.as_ref(), |word| {
                workspace.discoverability.as_ref() == Some(word)
            })
    }
}

/// Whether a condition is absent or holds.
fn is_met<T>(condition: Option<&T>, holds: impl FnOnce(&T) -> bool) -> bool {
    condition.is_none_or(holds)
}

fn eq_ignore_case(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.trim().to_lowercase()
}

fn matches_search(user: &User, part: &str) -> bool {
    let part = part.trim().to_lowercase();
    let names = [&user.name, &user.first_name, &user.last_name, &user.username, &user.title];
    let names = names.into_iter().flatten();
    let mut texts = names.chain(user.emails.iter().map(|email| &email.email));
    texts.any(|text| text.to_lowercase().contains(&part))
}

/// Additional data that a list can include at the cost of further provider calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expansion {
    /// The users' full profiles.
    Profile,
    /// The users' groups.
    Groups,
    /// The workspaces and channels of the users' roles.
    Roles,
    /// The workspaces' owners and admins.
    Owners,
    /// The workspaces' settings.
    Settings,
}

/// Arguments passed unchanged to the provider's own list call: names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RemoteQuery(pub Vec<(String, String)>);

impl RemoteQuery {
    /// Returns the names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// The expansions requested of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expand(pub BTreeSet<Expansion>);

impl Expand {
    /// Whether one of these was requested.
    #[must_use]
    pub fn includes_any(&self, any: &[Expansion]) -> bool {
        any.iter().any(|one| self.0.contains(one))
    }
}
