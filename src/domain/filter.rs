//! What the rows of a list must be like. A connector asks the provider for as much of a filter as it
//! understands; whatever comes back is held against the whole filter once more.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::assignment::RoleAssignment;
use super::group::Group;
use super::role::{Role, RoleScope};
use super::user::{User, UserStatus, UserType};
use super::workspace::Workspace;

/// A thing whose lists can be filtered.
pub trait Filtered: Sized + Send + Sync {
    /// What can be asked of its lists.
    type Filter: Filter<Self>;
    /// What its lists can bring beyond the fields that come for nothing.
    const EXPANSIONS: &'static [Expansion];
}

impl Filtered for User {
    type Filter = UserFilter;
    const EXPANSIONS: &'static [Expansion] =
        &[Expansion::Profile, Expansion::Groups, Expansion::Roles];
}

impl Filtered for Role {
    type Filter = RoleFilter;
    const EXPANSIONS: &'static [Expansion] = &[];
}

impl Filtered for RoleAssignment {
    type Filter = AssignmentFilter;
    const EXPANSIONS: &'static [Expansion] = &[];
}

impl Filtered for Group {
    type Filter = GroupFilter;
    const EXPANSIONS: &'static [Expansion] = &[];
}

impl Filtered for Workspace {
    type Filter = WorkspaceFilter;
    const EXPANSIONS: &'static [Expansion] = &[Expansion::Owners, Expansion::Settings];
}

/// A filter of a list.
pub trait Filter<T>: Default + std::fmt::Debug + PartialEq + Serialize + Send + Sync {
    /// Whether a row is wanted.
    fn admits(&self, row: &T) -> bool;
}

/// Which users are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct UserFilter {
    /// One of the addresses, in any case.
    pub email: Option<String>,
    /// The short name, in any case.
    pub username: Option<String>,
    /// Whether they can sign in.
    pub status: Option<UserStatus>,
    /// A workspace they are in.
    pub workspace_id: Option<String>,
    /// A role they hold.
    pub role_id: Option<String>,
    /// The kind of member.
    pub user_type: Option<UserType>,
    /// Changed after this moment.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_after: Option<OffsetDateTime>,
    /// A part of a name, an address or the title, in any case.
    pub search: Option<String>,
}

impl Filter<User> for UserFilter {
    fn admits(&self, user: &User) -> bool {
        let mut addresses = user.emails.iter().map(|email| email.email.as_str());
        is_wanted(self.email.as_ref(), |email| addresses.any(|one| same(one, email)))
            && is_wanted(self.username.as_ref(), |name| {
                user.username.as_deref().is_some_and(|own| same(own, name))
            })
            && is_wanted(self.status.as_ref(), |status| user.status == *status)
            && is_wanted(self.workspace_id.as_ref(), |id| {
                user.workspaces.iter().any(|one| one.id == *id)
            })
            && is_wanted(self.role_id.as_ref(), |id| user.roles.iter().any(|one| one.id == *id))
            && is_wanted(self.user_type.as_ref(), |kind| user.user_type == *kind)
            && is_wanted(self.updated_after.as_ref(), |moment| {
                user.updated_at.is_some_and(|at| at > *moment)
            })
            && is_wanted(self.search.as_ref(), |part| has(user, part))
    }
}

/// Which roles are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RoleFilter {
    /// The place they can be given in.
    pub scope: Option<RoleScope>,
    /// A workspace they can be given in, which is any.
    pub workspace_id: Option<String>,
}

impl Filter<Role> for RoleFilter {
    fn admits(&self, role: &Role) -> bool {
        is_wanted(self.scope.as_ref(), |scope| role.applicable_in.contains(scope))
            && is_wanted(self.workspace_id.as_ref(), |_| {
                role.applicable_in.contains(&RoleScope::Workspace)
            })
    }
}

/// Which role assignments are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AssignmentFilter {
    /// The role.
    pub role_id: Option<String>,
    /// Who holds it.
    pub user_id: Option<String>,
    /// The workspace it is held in.
    pub workspace_id: Option<String>,
}

impl Filter<RoleAssignment> for AssignmentFilter {
    fn admits(&self, held: &RoleAssignment) -> bool {
        is_wanted(self.role_id.as_ref(), |id| held.role_id == *id)
            && is_wanted(self.user_id.as_ref(), |id| held.user_id == *id)
            && is_wanted(self.workspace_id.as_ref(), |id| held.workspace_id.as_ref() == Some(id))
    }
}

/// Which groups are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GroupFilter {
    /// The name, in any case.
    pub name: Option<String>,
    /// Who is in it.
    pub user_id: Option<String>,
}

impl Filter<Group> for GroupFilter {
    fn admits(&self, group: &Group) -> bool {
        is_wanted(self.name.as_ref(), |name| same(&group.name, name))
            && is_wanted(self.user_id.as_ref(), |id| group.members.iter().any(|one| one.id == *id))
    }
}

/// Which workspaces are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct WorkspaceFilter {
    /// The name, in any case.
    pub name: Option<String>,
    /// Who can find and join it, in the provider's word.
    pub discoverability: Option<String>,
}

impl Filter<Workspace> for WorkspaceFilter {
    fn admits(&self, workspace: &Workspace) -> bool {
        is_wanted(self.name.as_ref(), |name| same(&workspace.name, name))
            && is_wanted(self.discoverability.as_ref(), |word| {
                workspace.discoverability.as_ref() == Some(word)
            })
    }
}

/// Whether a condition holds; one that isn't there does.
fn is_wanted<T>(condition: Option<&T>, holds: impl FnOnce(&T) -> bool) -> bool {
    condition.is_none_or(holds)
}

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.trim().to_lowercase()
}

fn has(user: &User, part: &str) -> bool {
    let part = part.trim().to_lowercase();
    let names = [&user.name, &user.first_name, &user.last_name, &user.username, &user.title];
    let names = names.into_iter().flatten();
    let mut texts = names.chain(user.emails.iter().map(|email| &email.email));
    texts.any(|text| text.to_lowercase().contains(&part))
}

/// What a list can bring beyond the fields that come for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Expansion {
    /// The users' full profiles.
    Profile,
    /// The users' groups.
    Groups,
    /// Where the users hold their roles.
    Roles,
    /// The workspaces' owners and admins.
    Owners,
    /// The workspaces' settings.
    Settings,
}

/// Arguments that go to the provider's own list call untouched: names and values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RemoteQuery(pub Vec<(String, String)>);

impl RemoteQuery {
    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }
}

/// What a list is to bring beyond the fields that come for nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expand(pub BTreeSet<Expansion>);

impl Expand {
    /// Whether one of these was asked for.
    #[must_use]
    pub fn asks_for(&self, any: &[Expansion]) -> bool {
        any.iter().any(|one| self.0.contains(one))
    }
}
