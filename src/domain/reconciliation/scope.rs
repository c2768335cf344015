//! Which workspaces, roles and groups a reconciliation owns.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::names::names;

/// Whether people who are not desired in a workspace, role or group are removed from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnershipMode {
    /// People are added and never removed.
    #[default]
    Additive,
    /// People who are not desired there are removed.
    Authoritative,
}

names! { OwnershipMode, UnknownOwnershipMode, "must be one of: additive, authoritative",
    Additive = "additive",
    Authoritative = "authoritative",
}

/// The mode of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceScope {
    /// The workspace's id or name.
    #[schema(example = "T0EXAMPLE")]
    pub id: String,
    /// The mode.
    pub mode: OwnershipMode,
}

/// The mode of a role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RoleOwnership)]
pub struct RoleScopeEntry {
    /// The role's id.
    #[schema(example = "ws:admin")]
    pub id: String,
    /// The id or name of the workspace; absent for the role in all places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace_id: Option<String>,
    /// The mode.
    pub mode: OwnershipMode,
}

/// The mode of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupScope {
    /// The group's id or name.
    #[schema(example = "S0EXAMPLE")]
    pub id: String,
    /// The mode.
    pub mode: OwnershipMode,
}

/// The modes of single workspaces, roles and groups. What is neither named here nor by the desired state is never
/// changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ReconciliationScope, example = json!({"workspaces": [{"id": "T0EXAMPLE", "mode": "authoritative"}]}))]
#[serde(deny_unknown_fields, default)]
pub struct Scope {
    /// Workspaces.
    pub workspaces: Vec<WorkspaceScope>,
    /// Roles.
    pub roles: Vec<RoleScopeEntry>,
    /// Groups.
    pub groups: Vec<GroupScope>,
}

impl Scope {
    /// Returns the number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.workspaces.len() + self.roles.len() + self.groups.len()
    }

    /// Whether there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether everything in it is additive.
    #[must_use]
    pub fn is_additive(&self) -> bool {
        let workspaces = self.workspaces.iter().map(|one| one.mode);
        let roles = self.roles.iter().map(|one| one.mode);
        let groups = self.groups.iter().map(|one| one.mode);
        workspaces.chain(roles).chain(groups).all(|mode| mode == OwnershipMode::Additive)
    }
}
