//! Whose token an account uses.

use serde::Serialize;
use utoipa::ToSchema;

use super::account::Organization;
use super::user::User;

/// The person behind an account's token, and what the token permits.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Me {
    /// The person who installed.
    pub user: Option<User>,
    /// The organization.
    pub organization: Organization,
    /// Where the organization is at the provider.
    pub url: Option<String>,
    /// Whether the token is good for the whole organization.
    pub is_organization_wide: bool,
    /// What was granted.
    pub granted_scopes: Vec<String>,
    /// What was asked for and not granted.
    pub missing_scopes: Vec<String>,
}
