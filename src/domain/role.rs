//! The unified role: a named set of permissions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::names::names;

/// The scope of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleScope {
    /// The whole organization.
    Organization,
    /// One workspace.
    Workspace,
    /// One channel.
    Channel,
}

names! { RoleScope, UnknownRoleScope, "must be one of: organization, workspace, channel",
    Organization = "organization",
    Workspace = "workspace",
    Channel = "channel",
}

/// The families of levels, of which a user holds one in a place, with their levels from the lowest to the highest.
const LEVELS: [(&str, [&str; 4]); 2] = [
    ("org", ["org:member", "org:admin", "org:owner", "org:primary_owner"]),
    ("ws", ["ws:member", "ws:admin", "ws:owner", "ws:primary_owner"]),
];

/// Returns the family of a level; `None` for a role of which a user holds several in one place.
#[must_use]
pub fn level_family(role_id: &str) -> Option<&'static str> {
    let (family, _) = role_id.split_once(':')?;
    LEVELS.iter().map(|(name, _)| *name).find(|name| *name == family)
}

/// Whether a level replaces another one in the same place.
#[must_use]
pub fn replaces_level(role_id: &str, held: &str) -> bool {
    role_id != held
        && level_family(role_id).is_some()
        && level_family(role_id) == level_family(held)
}

/// Whether a level is lower than the one that it replaces in the same place. A guest's level is the lowest.
#[must_use]
pub fn is_lower_level(role_id: &str, held: &str) -> bool {
    let rank = |id: &str| {
        let levels = LEVELS.iter().find(|(family, _)| Some(*family) == level_family(id));
        levels.and_then(|(_, levels)| levels.iter().position(|level| *level == id))
    };
    replaces_level(role_id, held) && rank(role_id) < rank(held)
}

/// Whether a role is the level that every member has.
#[must_use]
pub fn is_member_level(role_id: &str) -> bool {
    LEVELS.iter().any(|(_, levels)| levels.first() == Some(&role_id))
}

/// Whether a role is the level of a guest.
#[must_use]
pub fn is_guest_level(role_id: &str) -> bool {
    level_family(role_id).is_some()
        && role_id.split_once(':').is_some_and(|(_, level)| level.starts_with("guest"))
}

/// Whether a role is the ownership that can't be taken from its holder.
#[must_use]
pub fn is_primary_ownership(role_id: &str) -> bool {
    LEVELS.iter().any(|(_, levels)| levels.last() == Some(&role_id))
}

/// The kind of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleKind {
    /// A level: member, admin or owner.
    Level,
    /// A kind of guest.
    Guest,
    /// A role for one task, defined by the provider.
    System,
    /// A role defined by the customer.
    Custom,
}

/// A role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Role {
    /// The provider's id, or a stable id of Switchboard where the provider has none (`ws:admin`).
    pub id: String,
    /// The name.
    pub name: String,
    /// What the role permits, in a sentence.
    pub description: Option<String>,
    /// The scope.
    pub scope: RoleScope,
    /// The kind.
    pub kind: RoleKind,
    /// Whether the role can be assigned through the API.
    pub is_assignable: bool,
    /// Whether the role permits changes to other users' accounts or data.
    pub is_privileged: bool,
    /// The scopes that the role can be assigned in.
    pub applicable_in: Vec<RoleScope>,
}
