//! Custom mappings: unified fields computed by an expression.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ids::{IntegratedAccountId, MappingId};
use super::provider::Provider;

/// A resource whose fields can be mapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MappedResource {
    /// `/users`
    Users,
    /// `/roles`
    Roles,
    /// `/role-assignments`
    RoleAssignments,
    /// `/workspaces`
    Workspaces,
    /// `/groups`
    Groups,
}

impl MappedResource {
    const ALL: [Self; 5] =
        [Self::Users, Self::Roles, Self::RoleAssignments, Self::Workspaces, Self::Groups];

    /// Returns the name in paths and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Roles => "roles",
            Self::RoleAssignments => "role-assignments",
            Self::Workspaces => "workspaces",
            Self::Groups => "groups",
        }
    }
}

impl fmt::Display for MappedResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An unknown resource name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the resources are: users, roles, role-assignments, workspaces, groups")]
pub struct UnknownResource;

impl FromStr for MappedResource {
    type Err = UnknownResource;

    fn from_str(name: &str) -> Result<Self, UnknownResource> {
        Self::ALL.into_iter().find(|one| one.name() == name).ok_or(UnknownResource)
    }
}

/// A unified field computed by an expression; it can replace a built-in field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Mapping {
    /// The mapping's id.
    pub id: MappingId,
    /// The account; `null` for all accounts of the environment.
    pub integrated_account_id: Option<IntegratedAccountId>,
    /// The kind of directory.
    pub provider: Provider,
    /// The resource.
    pub resource: MappedResource,
    /// The field.
    #[schema(example = "badge_number")]
    pub field: String,
    /// The JSONata expression. Its input has the unified fields as `unified` and the provider's objects as `remote`.
    #[schema(example = "remote.\"users.info\".user.profile.phone")]
    pub expression: String,
    /// When the mapping was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the mapping last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}
