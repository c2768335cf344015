//! An API key as listed: its secret is shown only once, on creation.

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
    /// The key's id.
    pub id: ApiKeyId,
    /// The key's name.
    pub name: String,
    /// Permissions of the key.
    pub scopes: Vec<Scope>,
    /// Patterns of provider methods that the key may call through the proxy; `null` for all.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_methods: Option<AllowedMethods>,
    /// Networks that callers must be in; `null` for all.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_addresses: Option<Networks>,
    /// When the key was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When the key expires.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
    /// When the key was revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub revoked_at: Option<OffsetDateTime>,
    /// When the secret from before the last rotation expires, or expired.
    #[serde(with = "time::serde::rfc3339::option")]
    pub old_secret_ends_at: Option<OffsetDateTime>,
    /// When the key was last used, to the minute.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_used_at: Option<OffsetDateTime>,
    /// The key that created it; `null` when no key did.
    pub made_by: Option<String>,
}
