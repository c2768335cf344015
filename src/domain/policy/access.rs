//! What a person may do where: roles, memberships of workspaces and of groups, and filters of them.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::person::{Grant, PersonProfile, Removal};
use crate::domain::names::names;
use crate::domain::role::RoleScope;
use crate::domain::user::{UserStatus, UserType};

/// What access consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccessType {
    /// A role in the organization, a workspace or a channel.
    Role,
    /// The membership of a workspace.
    Workspace,
    /// The membership of a group.
    Group,
}

names! { AccessType, UnknownAccessType, "must be one of: role, workspace, group",
    Role = "role",
    Workspace = "workspace",
    Group = "group",
}

/// Access of a person, and who granted it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessGrant {
    /// What it consists of.
    pub access_type: AccessType,
    /// The id of the role assignment or membership.
    pub object_id: String,
    /// The id of the role, workspace or group.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Where it applies. Groups are those of the organization.
    pub scope: RoleScope,
    /// The workspace that it applies to.
    pub workspace_id: Option<String>,
    /// The workspace's name.
    pub workspace_name: Option<String>,
    /// The channel that it applies to.
    pub channel_id: Option<String>,
    /// Whether it permits changes to other users' accounts or data.
    pub is_privileged: bool,
    /// Who granted it.
    pub grant: Grant,
}

/// The access of one user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserAccess {
    /// What the user has: roles first, then workspaces, then groups.
    pub grants: Vec<AccessGrant>,
    /// The roles that were removed and not granted again.
    pub lost_roles: Vec<(AccessGrant, Removal)>,
}

/// A person with the access that an access review lists.
#[derive(Debug, Clone)]
pub struct ReviewedPerson {
    /// The user's id.
    pub id: String,
    /// The profile.
    pub profile: PersonProfile,
    /// When the person was last active.
    pub last_activity_at: Option<OffsetDateTime>,
    /// The access: roles first, then workspaces, then groups.
    pub grants: Vec<AccessGrant>,
}

/// Which people and which access an access review lists; `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessFilter {
    /// The status of the person.
    pub status: Option<UserStatus>,
    /// The types of the person: one of these.
    pub user_types: Option<Vec<UserType>>,
    /// The department, in lower case.
    pub department: Option<String>,
    /// Last active before this time, or never.
    pub inactive_since: Option<OffsetDateTime>,
    /// What the access consists of.
    pub access_type: Option<AccessType>,
    /// The role.
    pub role_id: Option<String>,
    /// The workspace that the access applies to.
    pub workspace_id: Option<String>,
    /// Whether the access is privileged.
    pub is_privileged: Option<bool>,
}

impl AccessFilter {
    /// Whether the filter selects access. Otherwise people without any access match too.
    #[must_use]
    pub fn selects_access(&self) -> bool {
        self.access_type.is_some()
            || self.role_id.is_some()
            || self.workspace_id.is_some()
            || self.is_privileged.is_some()
    }

    /// Whether access of a type can match: memberships have no role and are not privileged, groups have no workspace.
    #[must_use]
    pub fn allows(&self, access_type: AccessType) -> bool {
        let is_role = access_type == AccessType::Role;
        self.access_type.is_none_or(|wanted| wanted == access_type)
            && (is_role || self.role_id.is_none() && self.is_privileged != Some(true))
            && (access_type != AccessType::Group || self.workspace_id.is_none())
    }

    /// Whether access matches.
    #[must_use]
    pub fn matches(&self, grant: &AccessGrant) -> bool {
        let is_workspace = |wanted: &String| grant.workspace_id.as_ref() == Some(wanted);
        self.allows(grant.access_type)
            && self.role_id.as_ref().is_none_or(|wanted| grant.id == *wanted)
            && self.workspace_id.as_ref().is_none_or(is_workspace)
            && self.is_privileged.is_none_or(|wanted| grant.is_privileged == wanted)
    }
}
