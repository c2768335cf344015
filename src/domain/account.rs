//! The integrated account: one tenant's connection to one provider.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ids::{EnvironmentId, IntegratedAccountId, ProviderAppId};
use super::provider::Provider;

/// The status of an integrated account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// The grant is valid.
    Active,
    /// The provider rejected the grant: the customer must link again.
    NeedsReauth,
    /// Disconnected permanently; the tokens are erased.
    Disconnected,
}

impl AccountStatus {
    /// Every status.
    pub const ALL: [Self; 3] = [Self::Active, Self::NeedsReauth, Self::Disconnected];

    /// Returns the name in the API and the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::NeedsReauth => "needs_reauth",
            Self::Disconnected => "disconnected",
        }
    }
}

impl fmt::Display for AccountStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An unknown status name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown account status; the known ones are: active, needs_reauth, disconnected")]
pub struct UnknownAccountStatus;

impl FromStr for AccountStatus {
    type Err = UnknownAccountStatus;

    fn from_str(name: &str) -> Result<Self, UnknownAccountStatus> {
        Self::ALL.into_iter().find(|status| status.name() == name).ok_or(UnknownAccountStatus)
    }
}

/// The organization at the provider that an account is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Organization {
    /// The id at the provider, such as `E0123`.
    #[schema(value_type = String)]
    pub id: Arc<str>,
    /// The name at the provider.
    pub name: String,
}

/// OAuth scopes, by the provider's names. Accounts with equal scopes share one allocation.
pub type Scopes = Arc<[String]>;

/// One tenant's connection to one provider, without secrets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IntegratedAccount {
    /// The account's id.
    pub id: IntegratedAccountId,
    /// The environment that the account belongs to.
    pub environment_id: EnvironmentId,
    /// Your id of the customer.
    pub tenant_id: String,
    /// The kind of directory.
    pub provider: Provider,
    /// The OAuth client that the account was linked with; `null` for a provider without OAuth.
    pub provider_app_id: Option<ProviderAppId>,
    /// The provider's base URL, for providers with one per customer: `https://…/`.
    pub base_url: Option<String>,
    /// Whether the account can be used.
    pub status: AccountStatus,
    /// The reason for a status other than `active`.
    pub status_reason: Option<String>,
    /// The organization at the provider.
    pub organization: Organization,
    /// The provider's id of the person who granted access; `null` when no person did.
    pub installer_id: Option<String>,
    /// Scopes that the customer granted.
    #[schema(value_type = Vec<String>)]
    pub granted_scopes: Scopes,
    /// Scopes that were requested and not granted.
    #[schema(value_type = Vec<String>)]
    pub missing_scopes: Scopes,
    /// Your own data about this connection.
    pub context: serde_json::Value,
    /// Settings for the provider, such as where roles come from; `null` for the defaults.
    #[schema(value_type = Option<Object>)]
    pub provider_settings: Option<Arc<serde_json::Value>>,
    /// What the connector found out about the provider's server, in the connector's own format. Lists lack it.
    #[serde(skip)]
    pub discovery: Option<Arc<serde_json::Value>>,
    /// When that was last read.
    #[serde(skip)]
    pub discovered_at: Option<OffsetDateTime>,
    /// When the current access token expires.
    #[serde(with = "time::serde::rfc3339::option")]
    pub token_expires_at: Option<OffsetDateTime>,
    /// When the account was first linked.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the account last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}
