//! `/api-keys`: the environment's API keys. A secret is returned once, when it is created.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};

use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::admin::{CreateKey, KeyRestrictions};
use crate::domain::access::Scope;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::api_key::ApiKey;
use crate::domain::ids::{
    AccountTokenId, ApiKeyId, EnvironmentId, IntegratedAccountId, LinkTokenId,
};
use crate::domain::networks::Networks;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::http::extract::{Access, Admin, JsonBody, NoQuery, OptionalJsonBody, Params};
use crate::http::idempotency::SecretShownOnce;
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::{Caller, CreatedByKey, RevocationScope};

type ApiKeyDetailsResponse = EnvelopeSchema<ItemResponse<ApiKeyDetails>>;
type ApiKeyList = EnvelopeSchema<ListResponse<ApiKey>>;
type CreatedApiKeyResponse = EnvelopeSchema<ItemResponse<CreatedApiKey>>;
type RevokedApiKeyResponse = EnvelopeSchema<ItemResponse<RevokedApiKey>>;
type RotatedApiKeyResponse = EnvelopeSchema<ItemResponse<RotatedApiKey>>;

/// Maximum length of a name, in characters.
const MAX_NAME_LENGTH: usize = 255;
/// Maximum lifetime of a key that expires, in seconds: ten years.
const MAX_LIFETIME_S: u32 = 10 * 366 * 24 * 3600;
/// Default time for which the previous secret stays valid, in seconds.
const DEFAULT_OVERLAP_S: u32 = 3600;
/// Maximum of that time, in seconds: thirty days.
const MAX_OVERLAP_S: u32 = 30 * 24 * 3600;

/// List API keys
///
/// Includes expired and revoked keys, oldest first.
#[utoipa::path(get, path = "/api-keys", tag = "Administration",
    responses((status = 200, description = "All keys", body = ApiKeyList), Problems))]
pub(in crate::http) async fn list_api_keys(
    access: Access<Admin>,
    _: NoQuery,
) -> Result<Json<ListResponse<ApiKey>>, Problem> {
    let items = access.db.api_keys().await?;
    Ok(Json(ListResponse::of(Page { items, next: None }, MAX_LIMIT)))
}

/// An API key with what was created with it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ApiKeyDetails {
    /// The key.
    #[serde(flatten)]
    key: ApiKey,
    /// Valid resources created with the key, newest first; at most 100 of each kind.
    made: CreatedWithApiKey,
}

/// Valid resources created with a key.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CreatedWithApiKey {
    /// API keys. They are revoked with the key if it is revoked or rotated with `end_made`.
    api_keys: Vec<ApiKeyId>,
    /// Account tokens. They are revoked with the key.
    account_tokens: Vec<AccountTokenRef>,
    /// Unused link tokens. They are revoked with the key.
    link_tokens: Vec<LinkTokenId>,
    /// Environments. With `end_made`, all their keys and tokens are revoked.
    environments: Vec<EnvironmentId>,
}

/// Reference to an account token.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct AccountTokenRef {
    /// Id.
    id: AccountTokenId,
    /// Integrated account.
    integrated_account_id: IntegratedAccountId,
}

impl From<CreatedByKey> for CreatedWithApiKey {
    fn from(made: CreatedByKey) -> Self {
        let CreatedByKey { api_keys, account_tokens, link_tokens, environments } = made;
        let account_tokens = account_tokens.into_iter();
        let account_tokens = account_tokens
            .map(|(id, integrated_account_id)| AccountTokenRef { id, integrated_account_id });
        Self { api_keys, account_tokens: account_tokens.collect(), link_tokens, environments }
    }
}

/// Get an API key
///
/// Includes what was created with the key.
#[utoipa::path(get, path = "/api-keys/{id}", tag = "Administration",
    params(("id" = ApiKeyId, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = ApiKeyDetailsResponse), Problems))]
pub(in crate::http) async fn get_api_key(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<ApiKeyDetails>>, Problem> {
    let key = find(&access, &id).await?;
    let made = access.db.created_by(key.id, state.clock.now()).await?.into();
    Ok(Json(ItemResponse::of(ApiKeyDetails { key, made })))
}

/// Request body for creating an API key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Payroll", "scopes": ["read"], "expires_in_s": 7_776_000, "allowed_addresses": ["203.0.113.0/24"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateApiKeyRequest {
    /// Name: a label for its purpose.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// Scopes.
    scopes: Vec<Scope>,
    /// Lifetime in seconds; by default that of the key that creates it. It expires no later than that key.
    #[schema(minimum = 1, maximum = 316_224_000)]
    expires_in_s: Option<u32>,
    /// Provider methods that it may call through the proxy: names such as `users.info`, prefixes such as
    /// `admin.users.*`; by default all.
    allowed_methods: Option<Vec<String>>,
    /// Networks that it may be used from, such as `203.0.113.7` or `2001:db8::/32`; by default all.
    allowed_addresses: Option<Vec<String>>,
}

/// A new API key. The secret is returned once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CreatedApiKey {
    /// The secret, for `Authorization: Bearer`.
    #[schema(example = "sb_live_v1_EXAMPLE")]
    key: String,
    /// The key, as later reads return it.
    #[serde(flatten)]
    details: ApiKey,
}

/// Create an API key
///
/// The new key can't have more addresses, more provider methods or a later expiry than the key that creates it. The
/// secret is returned once.
#[utoipa::path(post, path = "/api-keys", tag = "Administration", request_body = CreateApiKeyRequest,
    responses((status = 201, description = "The key with its new secret", body = CreatedApiKeyResponse), Problems))]
pub(in crate::http) async fn create_api_key(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    JsonBody(body): JsonBody<CreateApiKeyRequest>,
) -> Result<Response, Problem> {
    let CreateApiKeyRequest { name, mut scopes, expires_in_s, allowed_methods, allowed_addresses } =
        body;
    scopes.sort_unstable();
    scopes.dedup();
    check(&name, &scopes, expires_in_s)?;
    let allowed_methods = methods(&access.caller, allowed_methods)?;
    let allowed_addresses = addresses(&access.caller, allowed_addresses)?;
    let lifetime = expires_in_s.map(|seconds| Duration::seconds(seconds.into()));
    let expires_at = lifetime.map(|lifetime| state.clock.now() + lifetime);
    let expires_at = expires_at.or(access.caller.expires_at.as_deref().copied());
    check_expiry(&access.caller, expires_at).map_err(|problem| {
        problem.with_error("/expires_in_s", "must end no later than the key that creates it")
    })?;
    let permits = KeyRestrictions {
        scopes: &scopes,
        allowed_methods: allowed_methods.as_ref(),
        allowed_addresses: allowed_addresses.as_ref(),
    };
    let new =
        CreateKey { name: &name, permits, expires_at, created_by: Some(&access.caller.key_id) };
    let created = access.administrator(&state).create_key(&state.keys, &new).await?;
    let details = ApiKey {
        id: created.id,
        name,
        scopes,
        allowed_methods,
        allowed_addresses,
        created_at: created.created_at,
        expires_at,
        revoked_at: None,
        old_secret_ends_at: None,
        last_used_at: None,
        made_by: Some(access.caller.key_id.to_string()),
    };
    let key = created.secret.reveal().to_owned();
    let shown_once = SecretShownOnce(created.id.to_string());
    let body = Json(ItemResponse::of(CreatedApiKey { key, details }));
    Ok((StatusCode::CREATED, Extension(shown_once), body).into_response())
}

/// Request body for rotating an API key.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"overlap_s": 3600}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RotateApiKeyRequest {
    /// Seconds the current secret stays valid; default 3600, or 0 with `end_made`.
    #[schema(maximum = 2_592_000)]
    overlap_s: Option<u32>,
    /// Revokes everything created with the key, recursively: account tokens, link tokens, keys, and the keys and
    /// tokens of environments. For a stolen secret.
    #[serde(default)]
    end_made: bool,
}

/// A rotated API key. The secret is returned once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RotatedApiKey {
    /// Id; it does not change.
    id: ApiKeyId,
    /// The new secret, for `Authorization: Bearer`.
    #[schema(example = "sb_live_v1_EXAMPLE")]
    key: String,
    /// Expiry of the previous secret.
    #[serde(with = "time::serde::rfc3339")]
    old_secret_ends_at: OffsetDateTime,
}

/// Rotate an API key
///
/// The current secret stays valid for `overlap_s`; any older secret is revoked immediately. With `end_made`,
/// everything created with the key is revoked too.
#[utoipa::path(post, path = "/api-keys/{id}/rotate", tag = "Administration",
    params(("id" = ApiKeyId, Path, description = "The key's id")), request_body = Option<RotateApiKeyRequest>,
    responses((status = 200, description = "The key with its new secret", body = RotatedApiKeyResponse), Problems))]
pub(in crate::http) async fn rotate_api_key(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    OptionalJsonBody(RotateApiKeyRequest { overlap_s, end_made }): OptionalJsonBody<
        RotateApiKeyRequest,
    >,
) -> Result<Response, Problem> {
    // A caller who revokes everything created with the key no longer trusts its secret.
    let overlap_s = overlap_s.unwrap_or(if end_made { 0 } else { DEFAULT_OVERLAP_S });
    if overlap_s > MAX_OVERLAP_S {
        return Err(Problem::new(ProblemKind::InvalidBody, "The overlap is out of range.")
            .with_error("/overlap_s", format!("must be at most {MAX_OVERLAP_S}")));
    }
    let key = find(&access, &id).await?;
    check_restrictions(
        &access.caller,
        key.allowed_methods.as_ref(),
        key.allowed_addresses.as_ref(),
    )?;
    check_expiry(&access.caller, key.expires_at)?;
    let overlap = Duration::seconds(overlap_s.into());
    let by_us = access.administrator(&state);
    let rotated = by_us.rotate_key(&state.keys, key.id, overlap, end_made).await?;
    let ends_at = key.expires_at.unwrap_or(rotated.old_secret_ends_at);
    let old_secret_ends_at = rotated.old_secret_ends_at.min(ends_at);
    let secret = rotated.secret.reveal().to_owned();
    let shown_once = Extension(SecretShownOnce(key.id.to_string()));
    let body =
        Json(ItemResponse::of(RotatedApiKey { id: key.id, key: secret, old_secret_ends_at }));
    Ok((shown_once, body).into_response())
}

/// A revoked API key.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RevokedApiKey {
    /// Id.
    id: ApiKeyId,
    /// Time of revocation.
    #[serde(with = "time::serde::rfc3339")]
    revoked_at: OffsetDateTime,
}

/// Query of the revocation.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RevokeQuery {
    /// Revokes everything created with the key, recursively: keys, and the keys and tokens of environments. For a
    /// stolen key.
    #[param(value_type = Option<bool>, default = false)]
    end_made: bool,
}

/// Revoke an API key
///
/// Revokes all secrets of the key, and the account tokens and link tokens created with it. A key can revoke itself.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "Administration",
    params(("id" = ApiKeyId, Path, description = "The key's id"), RevokeQuery),
    responses((status = 200, description = "The key is revoked", body = RevokedApiKeyResponse), Problems))]
pub(in crate::http) async fn revoke_api_key(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<ItemResponse<RevokedApiKey>>, Problem> {
    let mut params = Params::of(&uri);
    let query = RevokeQuery { end_made: params.parse("end_made")?.unwrap_or(false) };
    params.finish()?;
    let key = find(&access, &id).await?;
    let now = state.clock.now();
    let what = if query.end_made { RevocationScope::All } else { RevocationScope::Tokens };
    access.administrator(&state).revoke_key(key.id, what).await?;
    let revoked_at = key.revoked_at.unwrap_or(now);
    Ok(Json(ItemResponse::of(RevokedApiKey { id: key.id, revoked_at })))
}

async fn find(access: &Access<Admin>, id: &str) -> Result<ApiKey, Problem> {
    let keys = access.db.api_keys().await?;
    keys.into_iter().find(|key| key.id.to_string() == id).ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, "No such key exists in this environment.")
    })
}

fn check(name: &str, scopes: &[Scope], expires_in_s: Option<u32>) -> Result<(), Problem> {
    let invalid = |pointer: &str, message: String| {
        Err(Problem::new(ProblemKind::InvalidBody, "The request body is invalid; see `errors`.")
            .with_error(pointer, message))
    };
    if !(1..=MAX_NAME_LENGTH).contains(&name.chars().count()) {
        return invalid("/name", format!("must have 1 to {MAX_NAME_LENGTH} characters"));
    }
    if scopes.is_empty() {
        return invalid("/scopes", "must name at least one scope".to_owned());
    }
    if expires_in_s.is_some_and(|seconds| !(1..=MAX_LIFETIME_S).contains(&seconds)) {
        return invalid("/expires_in_s", format!("must be between 1 and {MAX_LIFETIME_S}"));
    }
    Ok(())
}

/// Returns the requested methods, by default those of the caller; fails if they exceed them.
fn methods(
    maker: &Caller,
    requested: Option<Vec<String>>,
) -> Result<Option<AllowedMethods>, Problem> {
    let Some(requested) = requested else { return Ok(maker.allowed_methods.as_deref().cloned()) };
    let requested = AllowedMethods::new(requested).map_err(|error| {
        Problem::new(ProblemKind::InvalidBody, "The list of methods is invalid.")
            .with_error("/allowed_methods", error.to_string())
    })?;
    check_restrictions(maker, Some(&requested), maker.allowed_addresses.as_deref())?;
    Ok(Some(requested))
}

/// Returns the requested networks, by default those of the caller; fails if they exceed them.
fn addresses(maker: &Caller, requested: Option<Vec<String>>) -> Result<Option<Networks>, Problem> {
    let Some(requested) = requested else { return Ok(maker.allowed_addresses.as_deref().cloned()) };
    let requested = Networks::new(&requested).map_err(|error| {
        Problem::new(ProblemKind::InvalidBody, "The list of addresses is invalid.")
            .with_error("/allowed_addresses", error.to_string())
    })?;
    check_restrictions(maker, maker.allowed_methods.as_deref(), Some(&requested))?;
    Ok(Some(requested))
}

/// Fails if a key expires later than the caller's, who gets its secret.
fn check_expiry(maker: &Caller, expires_at: Option<OffsetDateTime>) -> Result<(), Problem> {
    let Some(end) = maker.expires_at.as_deref() else { return Ok(()) };
    if expires_at.is_some_and(|expires_at| expires_at <= *end) {
        return Ok(());
    }
    let end = end.format(&Rfc3339).unwrap_or_default();
    let detail = format!(
        "The other key would expire later than this one, which expires at {end}. Use a key without an expiry."
    );
    Err(Problem::new(ProblemKind::InvalidBody, detail))
}

/// Fails if a key has methods or addresses beyond those of the caller, who gets its secret.
fn check_restrictions(
    maker: &Caller,
    methods: Option<&AllowedMethods>,
    addresses: Option<&Networks>,
) -> Result<(), Problem> {
    let own = maker.allowed_methods.as_deref();
    if own.is_some_and(|own| !methods.is_some_and(|methods| own.covers(methods))) {
        return Err(Problem::new(
            ProblemKind::MethodForbidden,
            "The other key would have methods that this key does not have.",
        ));
    }
    let own = maker.allowed_addresses.as_deref();
    if own.is_some_and(|own| !addresses.is_some_and(|addresses| own.covers(addresses))) {
        return Err(Problem::new(
            ProblemKind::AddressNotAllowed,
            "The other key would have addresses that this key does not have.",
        ));
    }
    Ok(())
}
