//! The unified role: a named set of permissions.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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
