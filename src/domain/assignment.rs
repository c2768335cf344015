//! The unified role assignment: who holds which role, and where.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::role::RoleScope;
use super::user::Reference;

/// One role held by one user (or group) in one place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RoleAssignment {
    /// Stable, made of role, user and place.
    pub id: String,
    /// Who holds the role.
    pub user_id: String,
    /// The role.
    pub role_id: String,
    /// The role's name.
    pub role_name: String,
    /// How far it reaches.
    pub scope: RoleScope,
    /// The workspace it is held in, as a list for callers that expect one.
    pub workspace: Vec<Reference>,
    /// The workspace it is held in.
    pub workspace_id: Option<String>,
    /// The organization it is held in.
    pub organization_id: Option<String>,
    /// The group that holds the role, where groups can.
    pub group_id: Option<String>,
    /// The kind of that group.
    pub group_type: Option<String>,
    /// The channel it is held in.
    pub channel_id: Option<String>,
    /// Whether its holder can harm others' accounts or data.
    pub is_privileged: bool,
    /// Who gave it.
    pub granted_by: Option<String>,
    /// When it was given.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}
