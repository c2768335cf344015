//! An API key as it is shown: whoever has its secret has it from when it was made.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::access::Scope;
use super::allowed_methods::AllowedMethods;
use super::ids::ApiKeyId;
use super::networks::Networks;

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Patterns of the provider's methods that it may call raw; `null` for all.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_methods: Option<AllowedMethods>,
    /// Networks that its callers must be in; `null` for all.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_addresses: Option<Networks>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it ends by itself.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    /// Until when the secret lives, or lived, that it had before the last rotation.
    #[serde(with = "time::serde::rfc3339::option")]
    pub old_secret_ends_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// The key that made it; `null` when none did.
    pub made_by: Option<String>,
}
