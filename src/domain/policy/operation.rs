//! Operations on a directory, each the same as a request to the unified API: the fixes of violations and the steps of
//! plans.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::domain::user::UserType;

/// Fields of the body of a request to the unified API.
#[derive(Debug, ToSchema)]
#[schema(value_type = Object)]
pub struct RequestFields(pub Map<String, Value>);

/// An operation on the directory of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type")]
pub enum DirectoryOperation {
    /// Changes the profile, the kind of member or the status of a user.
    #[serde(rename = "user.update")]
    UpdateUser {
        /// The user.
        #[schema(example = "U0EXAMPLE")]
        user_id: String,
        /// The body of the change.
        #[schema(value_type = RequestFields)]
        changes: Map<String, Value>,
    },
    /// Assigns a role. A level replaces the user's level in the same place.
    #[serde(rename = "role_assignment.grant")]
    GrantRole {
        /// The user.
        #[schema(example = "U0EXAMPLE")]
        user_id: String,
        /// The role.
        #[schema(example = "ws:admin")]
        role_id: String,
        /// The workspace of the assignment; `null` for the organization.
        workspace_id: Option<String>,
    },
    /// Removes a role assignment.
    #[serde(rename = "role_assignment.revoke")]
    RevokeRole {
        /// The assignment's id, as in `/role-assignments`.
        #[schema(example = "org:owner.U0EXAMPLE.E0EXAMPLE")]
        id: String,
        /// The user.
        #[schema(example = "U0EXAMPLE")]
        user_id: String,
        /// The role.
        #[schema(example = "org:owner")]
        role_id: String,
        /// The workspace of the assignment; `null` for the organization.
        workspace_id: Option<String>,
    },
    /// Adds a user to a workspace.
    #[serde(rename = "workspace_member.add")]
    AddWorkspaceMember {
        /// The workspace.
        #[schema(example = "T0EXAMPLE")]
        workspace_id: String,
        /// The user.
        #[schema(example = "U0EXAMPLE")]
        user_id: String,
        /// The kind of member that the user is there.
        #[serde(default = "member", skip_serializing_if = "is_member")]
        user_type: UserType,
        /// The channels of a guest.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        channel_ids: Vec<String>,
    },
    /// Removes a user from a workspace.
    #[serde(rename = "workspace_member.remove")]
    RemoveWorkspaceMember {
        /// The workspace.
        #[schema(example = "T0EXAMPLE")]
        workspace_id: String,
        /// The user.
        #[schema(example = "U0EXAMPLE")]
        user_id: String,
    },
    /// Adds a user to a group.
    #[serde(rename = "group_member.add")]
    AddGroupMember {
        /// The group.
        #[schema(example = "S0EXAMPLE")]
        group_id: String,
        /// The user.
        #[schema(example = "U0EXAMPLE")]
        user_id: String,
    },
    /// Removes a user from a group.
    #[serde(rename = "group_member.remove")]
    RemoveGroupMember {
        /// The group.
        #[schema(example = "S0EXAMPLE")]
        group_id: String,
        /// The user.
        #[schema(example = "U0EXAMPLE")]
        user_id: String,
    },
    /// Deactivates a user.
    #[serde(rename = "user.deactivate")]
    DeactivateUser {
        /// The user.
        #[schema(example = "U0EXAMPLE")]
        user_id: String,
    },
    /// Ends the access of a guest some days after the operation is run.
    #[serde(rename = "user.expire")]
    ExpireUser {
        /// The user.
        #[schema(example = "U0EXAMPLE")]
        user_id: String,
        /// The number of days.
        in_days: u32,
    },
}

fn member() -> UserType {
    UserType::Member
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_member(user_type: &UserType) -> bool {
    *user_type == UserType::Member
}

impl DirectoryOperation {
    /// Returns the user that the operation changes.
    #[must_use]
    pub fn user_id(&self) -> &str {
        match self {
            Self::UpdateUser { user_id, .. }
            | Self::GrantRole { user_id, .. }
            | Self::RevokeRole { user_id, .. }
            | Self::AddWorkspaceMember { user_id, .. }
            | Self::RemoveWorkspaceMember { user_id, .. }
            | Self::AddGroupMember { user_id, .. }
            | Self::RemoveGroupMember { user_id, .. }
            | Self::DeactivateUser { user_id }
            | Self::ExpireUser { user_id, .. } => user_id,
        }
    }

    /// Returns the name of the operation.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::UpdateUser { .. } => "user.update",
            Self::GrantRole { .. } => "role_assignment.grant",
            Self::RevokeRole { .. } => "role_assignment.revoke",
            Self::AddWorkspaceMember { .. } => "workspace_member.add",
            Self::RemoveWorkspaceMember { .. } => "workspace_member.remove",
            Self::AddGroupMember { .. } => "group_member.add",
            Self::RemoveGroupMember { .. } => "group_member.remove",
            Self::DeactivateUser { .. } => "user.deactivate",
            Self::ExpireUser { .. } => "user.expire",
        }
    }

    /// Returns the operation on objects with other ids, as `resolve` returns them.
    ///
    /// # Errors
    ///
    /// Those of `resolve`.
    pub fn with_ids<E>(
        mut self,
        mut resolve: impl FnMut(&str) -> Result<String, E>,
    ) -> Result<Self, E> {
        let workspace = match &mut self {
            Self::GrantRole { workspace_id, .. } | Self::RevokeRole { workspace_id, .. } => {
                workspace_id.as_mut()
            }
            Self::AddWorkspaceMember { workspace_id, .. }
            | Self::RemoveWorkspaceMember { workspace_id, .. } => Some(workspace_id),
            Self::UpdateUser { .. }
            | Self::AddGroupMember { .. }
            | Self::RemoveGroupMember { .. }
            | Self::DeactivateUser { .. }
            | Self::ExpireUser { .. } => None,
        };
        if let Some(workspace) = workspace {
            *workspace = resolve(workspace)?;
        }
        let (Self::UpdateUser { user_id, .. }
        | Self::GrantRole { user_id, .. }
        | Self::RevokeRole { user_id, .. }
        | Self::AddWorkspaceMember { user_id, .. }
        | Self::RemoveWorkspaceMember { user_id, .. }
        | Self::AddGroupMember { user_id, .. }
        | Self::RemoveGroupMember { user_id, .. }
        | Self::DeactivateUser { user_id }
        | Self::ExpireUser { user_id, .. }) = &mut self;
        *user_id = resolve(user_id)?;
        Ok(self)
    }

    /// Whether the operation takes access from the user. A level that is granted may also be lower than the present
    /// one, and a change may make a guest of a member; both depend on the user.
    #[must_use]
    pub fn is_removal(&self) -> bool {
        match self {
            Self::RevokeRole { .. }
            | Self::RemoveWorkspaceMember { .. }
            | Self::RemoveGroupMember { .. }
            | Self::DeactivateUser { .. }
            | Self::ExpireUser { .. } => true,
            Self::UpdateUser { .. }
            | Self::GrantRole { .. }
            | Self::AddWorkspaceMember { .. }
            | Self::AddGroupMember { .. } => false,
        }
    }
}
