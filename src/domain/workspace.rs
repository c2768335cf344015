//! The unified workspace: a part of an organization with members of its own.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// Who answers for a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PrimaryOwner {
    /// The user's id.
    pub id: String,
    /// The user's e-mail address.
    pub email: Option<String>,
}

/// A workspace. A field that the provider's answer didn't have is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Workspace {
    /// The provider's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// The name in its address.
    pub domain: Option<String>,
    /// Its address.
    pub url: Option<String>,
    /// Who can find and join it, in the provider's word.
    pub discoverability: Option<String>,
    /// Its picture.
    pub icon_url: Option<String>,
    /// Who answers for it.
    pub primary_owner: Option<PrimaryOwner>,
    /// The users who own it; `null` when not asked of the provider.
    pub owner_ids: Option<Vec<String>>,
    /// The users who administer it; `null` when not asked of the provider.
    pub admin_ids: Option<Vec<String>>,
    /// How many members it has; `null` when not asked of the provider.
    pub member_count: Option<u64>,
    /// The channels new members join; `null` when not asked of the provider.
    pub default_channels: Option<Vec<String>>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
}
