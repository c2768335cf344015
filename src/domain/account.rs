//! The integrated account: one tenant's connection to one provider.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ids::{EnvironmentId, IntegratedAccountId, ProviderAppId};
use super::provider::Provider;

/// Whether an account can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    /// Its grant works.
    Active,
    /// The provider refused its grant: the customer must link again.
    NeedsReauth,
    /// Disconnected for good; its tokens are erased.
    Disconnected,
}

impl AccountStatus {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Active, Self::NeedsReauth, Self::Disconnected];

    /// The name in the API and in the database.
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

/// A name that is no status.
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
    /// Its id at the provider, such as `E0123`.
    #[schema(value_type = String)]
    pub id: Arc<str>,
    /// Its name at the provider.
    pub name: String,
}

/// Permissions at a provider, by its names. Accounts that have the same ones share them.
pub type Scopes = Arc<[String]>;

/// One tenant's connection to one provider, without its secrets.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct IntegratedAccount {
    /// The account's id.
    pub id: IntegratedAccountId,
    /// The environment it belongs to.
    pub environment_id: EnvironmentId,
    /// The SaaS's own name for its customer.
    pub tenant_id: String,
    /// The kind of directory.
    pub provider: Provider,
    /// The OAuth client it was linked with; `null` for a provider without one.
    pub provider_app_id: Option<ProviderAppId>,
    /// Where its provider is, when every customer has one of their own: `https://…/`.
    pub base_url: Option<String>,
    /// Whether it can be used.
    pub status: AccountStatus,
    /// Why it can't be used, when it can't.
    pub status_reason: Option<String>,
    /// The organization at the provider.
    pub organization: Organization,
    /// The person at the provider whose grant this is; `null` when it is nobody's.
    pub installer_id: Option<String>,
    /// What the customer granted.
    #[schema(value_type = Vec<String>)]
    pub granted_scopes: Scopes,
    /// What we asked for and did not get.
    #[schema(value_type = Vec<String>)]
    pub missing_scopes: Scopes,
    /// The SaaS's own data about this connection.
    pub context: serde_json::Value,
    /// When the present access token ends.
    #[serde(with = "time::serde::rfc3339::option")]
    pub token_expires_at: Option<OffsetDateTime>,
    /// When it was first linked.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}
