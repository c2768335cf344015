//! The identity behind an account's token.

use serde::Serialize;
use utoipa::ToSchema;

use super::account::Organization;
use super::user::User;

/// The user behind an account's token, and the granted scopes.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Me {
    /// The user who granted access.
    pub user: Option<User>,
    /// The organization.
    pub organization: Organization,
    /// The organization's URL at the provider.
    pub url: Option<String>,
    /// Whether the token is valid for the whole organization.
    pub is_organization_wide: bool,
    /// The granted scopes.
    pub granted_scopes: Vec<String>,
    /// Scopes that were requested and not granted.
    pub missing_scopes: Vec<String>,
}
