//! The unified role: a named bundle of permissions that a directory can give.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a role reaches.
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

/// Which family a role is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoleKind {
    /// A rung of the ladder member, admin, owner.
    Level,
    /// A kind of guest.
    Guest,
    /// A role for one duty, defined by the provider.
    System,
    /// A role that the customer defined.
    Custom,
}

/// A role that can be held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Role {
    /// The provider's id, or a stable one of ours where the provider has none (`ws:admin`).
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it permits, in a sentence.
    pub description: Option<String>,
    /// How far it reaches.
    pub scope: RoleScope,
    /// Which family it is of.
    pub kind: RoleKind,
    /// Whether it can be given through the API.
    pub is_assignable: bool,
    /// Whether its holder can harm others' accounts or data.
    pub is_privileged: bool,
    /// The kinds of place it can be given in.
    pub applicable_in: Vec<RoleScope>,
}
