//! The unified role assignment: a role held by a user in an organization, workspace or channel.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::role::RoleScope;
use super::user::ResourceRef;

/// One role held by one user (or group) in one organization, workspace or channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RoleAssignment {
    /// A stable id, composed of role, user and place.
    pub id: String,
    /// The user who holds the role.
    pub user_id: String,
    /// The role.
    pub role_id: String,
    /// The role's name.
    pub role_name: String,
    /// The scope of the role.
    pub scope: RoleScope,
    /// The workspace of the assignment, as a list for callers that expect one.
    pub workspace: Vec<ResourceRef>,
    /// The workspace of the assignment.
    pub workspace_id: Option<String>,
    /// The organization of the assignment.
    pub organization_id: Option<String>,
    /// The group that holds the role, at providers whose groups hold roles.
    pub group_id: Option<String>,
    /// The type of that group.
    pub group_type: Option<String>,
    /// The channel of the assignment.
    pub channel_id: Option<String>,
    /// Whether the role permits changes to other users' accounts or data.
    pub is_privileged: bool,
    /// The user who assigned it.
    pub granted_by: Option<String>,
    /// When it was assigned.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
}
