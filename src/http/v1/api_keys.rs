//! `/api-keys`: the environment's keys, without their secrets.

use axum::Json;
use axum::extract::Path;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::answers::{Item, List};
use crate::domain::access::Scope;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::ids::ApiKeyId;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::http::extract::{Access, Admin, NoQuery};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::store::ApiKey;

/// A key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ApiKey)]
pub(in crate::http) struct ShownKey {
    /// Its id.
    id: ApiKeyId,
    /// Its name.
    name: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// Patterns of the provider's methods that it may call raw; `null` for all.
    #[schema(value_type = Option<Vec<String>>)]
    allowed_methods: Option<AllowedMethods>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it ends by itself.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
}

impl From<ApiKey> for ShownKey {
    fn from(key: ApiKey) -> Self {
        let ApiKey { id, name, scopes, allowed_methods, created_at, expires_at, revoked_at } = key;
        Self { id, name, scopes, allowed_methods, created_at, expires_at, revoked_at }
    }
}

/// Lists the keys of the environment, ended ones too, the oldest first.
#[utoipa::path(get, path = "/api-keys", tag = "Administration",
    responses((status = 200, description = "All keys", body = List<ShownKey>), Problems))]
pub(in crate::http) async fn list_api_keys(
    access: Access<Admin>,
    _: NoQuery,
) -> Result<Json<List<ShownKey>>, Problem> {
    let items = access.db.api_keys().await?.into_iter().map(ShownKey::from).collect();
    Ok(Json(List::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Reads one key of the environment.
#[utoipa::path(get, path = "/api-keys/{id}", tag = "Administration",
    params(("id" = ApiKeyId, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = Item<ShownKey>), Problems))]
pub(in crate::http) async fn get_api_key(
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<ShownKey>>, Problem> {
    let keys = access.db.api_keys().await?;
    let key = keys.into_iter().find(|key| key.id.to_string() == id);
    let key = key.ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, "There is no such key in this environment.")
    })?;
    Ok(Json(Item::of(key.into())))
}
