//! The unified workspace: a part of an organization with its own members.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

/// The primary owner of a workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct PrimaryOwner {
    /// The user's id.
    pub id: String,
    /// The user's e-mail address.
    pub email: Option<String>,
}

/// A workspace. A field that the provider's response lacks is `null`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Workspace {
    /// The provider's id.
    pub id: String,
    /// The name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The name in the workspace's URL.
    pub domain: Option<String>,
    /// The URL.
    pub url: Option<String>,
    /// The discoverability, by the provider's name.
    pub discoverability: Option<String>,
    /// The icon's URL.
    pub icon_url: Option<String>,
    /// The primary owner.
    pub primary_owner: Option<PrimaryOwner>,
    /// The ids of the owners; `null` when not requested from the provider.
    pub owner_ids: Option<Vec<String>>,
    /// The ids of the admins; `null` when not requested from the provider.
    pub admin_ids: Option<Vec<String>>,
    /// The number of members; `null` when not requested from the provider.
    pub member_count: Option<u64>,
    /// The channels that new members join; `null` when not requested from the provider.
    pub default_channels: Option<Vec<String>>,
    /// When the workspace was created.
    #[serde(with = "time::serde::rfc3339::option")]
    pub created_at: Option<OffsetDateTime>,
}
