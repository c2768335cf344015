//! `/api-keys`: the environment's keys. A secret is shown once, in the answer to whoever asked for it.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};

use super::answers::{Item, List};
use crate::admin::{NewKey, Permits};
use crate::domain::access::Scope;
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::api_key::ApiKey;
use crate::domain::ids::{
    AccountTokenId, ApiKeyId, EnvironmentId, IntegratedAccountId, LinkTokenId,
};
use crate::domain::networks::Networks;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::http::extract::{Access, Admin, Body, NoQuery, Params};
use crate::http::idempotency::ShownOnce;
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{Caller, EndMade, Made};

/// The longest name of a key.
const LONGEST_NAME: usize = 255;
/// The longest a key that ends by itself can last, in seconds: ten years.
const LONGEST_LIFETIME_S: u32 = 10 * 366 * 24 * 3600;
/// How long an old secret lives on when nothing is said, in seconds.
const OVERLAP_S: u32 = 3600;
/// The longest that it can, in seconds: thirty days.
const LONGEST_OVERLAP_S: u32 = 30 * 24 * 3600;

/// Lists the keys of the environment, ended ones too, the oldest first.
#[utoipa::path(get, path = "/api-keys", tag = "Administration",
    responses((status = 200, description = "All keys", body = List<ApiKey>), Problems))]
pub(in crate::http) async fn list_api_keys(
    access: Access<Admin>,
    _: NoQuery,
) -> Result<Json<List<ApiKey>>, Problem> {
    let items = access.db.api_keys().await?;
    Ok(Json(List::of(Page { items, next: None }, MAX_LIMIT)))
}

/// A key with what was made with it.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ApiKeyDetails {
    /// The key.
    #[serde(flatten)]
    key: ApiKey,
    /// What was made with it and has not ended, the newest first: a hundred of each kind at the most.
    made: MadeWithKey,
}

/// What was made with a key and has not ended.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MadeWithKey {
    /// API keys. They end with the key when it is revoked, or gets another secret, with `end_made`.
    #[schema(value_type = Vec<String>)]
    api_keys: Vec<ApiKeyId>,
    /// Account tokens. They end with the key.
    account_tokens: Vec<MadeAccountToken>,
    /// Link tokens that were not used. They end with the key.
    #[schema(value_type = Vec<String>)]
    link_tokens: Vec<LinkTokenId>,
    /// Environments. With `end_made` all their keys and tokens end.
    #[schema(value_type = Vec<String>)]
    environments: Vec<EnvironmentId>,
}

/// An account token that was made with a key.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MadeAccountToken {
    /// Its id.
    id: AccountTokenId,
    /// Its account.
    integrated_account_id: IntegratedAccountId,
}

impl From<Made> for MadeWithKey {
    fn from(made: Made) -> Self {
        let Made { api_keys, account_tokens, link_tokens, environments } = made;
        let account_tokens = account_tokens.into_iter();
        let account_tokens = account_tokens
            .map(|(id, integrated_account_id)| MadeAccountToken { id, integrated_account_id });
        Self { api_keys, account_tokens: account_tokens.collect(), link_tokens, environments }
    }
}

/// Reads one key of the environment, with what was made with it.
#[utoipa::path(get, path = "/api-keys/{id}", tag = "Administration",
    params(("id" = ApiKeyId, Path, description = "The key's id")),
    responses((status = 200, description = "The key", body = Item<ApiKeyDetails>), Problems))]
pub(in crate::http) async fn get_api_key(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<ApiKeyDetails>>, Problem> {
    let key = find(&access, &id).await?;
    let made = access.db.made_by(key.id, state.clock.now()).await?.into();
    Ok(Json(Item::of(ApiKeyDetails { key, made })))
}

/// The wish for a key.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"name": "Payroll", "scopes": ["read"], "expires_in_s": 7_776_000, "allowed_addresses": ["203.0.113.0/24"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct WantedKey {
    /// What it is for.
    #[schema(min_length = 1, max_length = 255)]
    name: String,
    /// What it may do.
    scopes: Vec<Scope>,
    /// In how many seconds it ends; with the key that makes it, or never, when nothing is said. It ends no later than the key that makes it.
    #[schema(minimum = 1, maximum = 316_224_000)]
    expires_in_s: Option<u32>,
    /// The provider's methods that it may call raw: names such as `users.info`, beginnings such as `admin.users.*`; all when nothing is said.
    allowed_methods: Option<Vec<String>>,
    /// Networks that its callers must be in, such as `203.0.113.7` or `2001:db8::/32`; all when nothing is said.
    allowed_addresses: Option<Vec<String>>,
}

/// A new key. The key is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct MadeKey {
    /// The key: what stands behind `Bearer`.
    key: String,
    /// What is shown of it from now on.
    #[serde(flatten)]
    shown: ApiKey,
}

/// Makes a key of the environment. It can't be used from more addresses, for more raw methods, nor for longer than the key that makes it.
#[utoipa::path(post, path = "/api-keys", tag = "Administration", request_body = WantedKey,
    responses((status = 201, description = "The key, shown once", body = Item<MadeKey>), Problems))]
pub(in crate::http) async fn create_api_key(
    State(state): State<AppState>,
    access: Access<Admin>,
    _: NoQuery,
    Body(wish): Body<WantedKey>,
) -> Result<Response, Problem> {
    let WantedKey { name, mut scopes, expires_in_s, allowed_methods, allowed_addresses } = wish;
    scopes.sort_unstable();
    scopes.dedup();
    check(&name, &scopes, expires_in_s)?;
    let allowed_methods = methods(&access.caller, allowed_methods)?;
    let allowed_addresses = addresses(&access.caller, allowed_addresses)?;
    let lifetime = expires_in_s.map(|seconds| Duration::seconds(seconds.into()));
    let expires_at = lifetime.map(|lifetime| state.clock.now() + lifetime);
    let expires_at = expires_at.or(access.caller.ends_at.as_deref().copied());
    no_longer(&access.caller, expires_at).map_err(|problem| {
        problem.at("/expires_in_s", "must end no later than the key that makes it")
    })?;
    let permits = Permits {
        scopes: &scopes,
        allowed_methods: allowed_methods.as_ref(),
        allowed_addresses: allowed_addresses.as_ref(),
    };
    let wanted = NewKey { name: &name, permits, expires_at, made_by: Some(&access.caller.key_id) };
    let made = access.administrator(&state).create_key(&state.keys, &wanted).await?;
    let shown = ApiKey {
        id: made.id,
        name,
        scopes,
        allowed_methods,
        allowed_addresses,
        created_at: made.created_at,
        expires_at,
        revoked_at: None,
        old_secret_ends_at: None,
        last_used_at: None,
        made_by: Some(access.caller.key_id.to_string()),
    };
    let key = made.secret.reveal().to_owned();
    let shown_once = ShownOnce(made.id.to_string());
    let body = Json(Item::of(MadeKey { key, shown }));
    Ok((StatusCode::CREATED, Extension(shown_once), body).into_response())
}

/// How a key gets another secret.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"overlap_s": 3600}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Rotation {
    /// How long the secret that it has lives on, in seconds. When nothing is said: 3600, or 0 with `end_made`.
    #[schema(maximum = 2_592_000)]
    overlap_s: Option<u32>,
    /// Ends all that was made with the key, and what that made: account tokens, link tokens, keys, and the keys and tokens of environments. For a secret that was stolen.
    #[serde(default)]
    end_made: bool,
}

/// A key with another secret. The key is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct NewSecret {
    /// The key's id, the same as before.
    id: ApiKeyId,
    /// The key with its new secret: what stands behind `Bearer`.
    key: String,
    /// Until when the secret lives that it had.
    #[serde(with = "time::serde::rfc3339")]
    old_secret_ends_at: OffsetDateTime,
}

/// Gives a key another secret. The one that it has lives on for a while, so that its users can change over; an older one ends immediately. With `end_made` all that was made with the key ends too.
#[utoipa::path(post, path = "/api-keys/{id}/rotate", tag = "Administration",
    params(("id" = ApiKeyId, Path, description = "The key's id")), request_body = Rotation,
    responses((status = 200, description = "The key, shown once", body = Item<NewSecret>), Problems))]
pub(in crate::http) async fn rotate_api_key(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    _: NoQuery,
    Body(Rotation { overlap_s, end_made }): Body<Rotation>,
) -> Result<Response, Problem> {
    // Who ends what was made with a key does not trust its secret any more.
    let overlap_s = overlap_s.unwrap_or(if end_made { 0 } else { OVERLAP_S });
    if overlap_s > LONGEST_OVERLAP_S {
        return Err(Problem::new(ProblemKind::InvalidBody, "The overlap can't be used.")
            .at("/overlap_s", format!("must be {LONGEST_OVERLAP_S} at most")));
    }
    let key = find(&access, &id).await?;
    no_wider(&access.caller, key.allowed_methods.as_ref(), key.allowed_addresses.as_ref())?;
    no_longer(&access.caller, key.expires_at)?;
    let overlap = Duration::seconds(overlap_s.into());
    let by_us = access.administrator(&state);
    let rotated = by_us.rotate_key(&state.keys, key.id, overlap, end_made).await?;
    let ends_at = key.expires_at.unwrap_or(rotated.old_secret_ends_at);
    let old_secret_ends_at = rotated.old_secret_ends_at.min(ends_at);
    let secret = rotated.secret.reveal().to_owned();
    let shown_once = Extension(ShownOnce(key.id.to_string()));
    let body = Json(Item::of(NewSecret { id: key.id, key: secret, old_secret_ends_at }));
    Ok((shown_once, body).into_response())
}

/// A key that was revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RevokedKey {
    /// Its id.
    id: ApiKeyId,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    revoked_at: OffsetDateTime,
}

/// What ends with a key.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct RevokeQuery {
    /// Ends all that was made with the key, and what that made: keys, and the keys and tokens of environments too. For a key that was stolen.
    #[param(value_type = Option<bool>, default = false)]
    end_made: bool,
}

/// Revokes a key with all its secrets, and the account tokens and link tokens that were made with it: nothing answers to them any more. A key can revoke itself.
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "Administration",
    params(("id" = ApiKeyId, Path, description = "The key's id"), RevokeQuery),
    responses((status = 200, description = "It is revoked, now or before", body = Item<RevokedKey>), Problems))]
pub(in crate::http) async fn revoke_api_key(
    State(state): State<AppState>,
    access: Access<Admin>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Item<RevokedKey>>, Problem> {
    let mut params = Params::of(&uri);
    let query = RevokeQuery { end_made: params.parse("end_made")?.unwrap_or(false) };
    params.finish()?;
    let key = find(&access, &id).await?;
    let now = state.clock.now();
    let what = if query.end_made { EndMade::All } else { EndMade::Tokens };
    access.administrator(&state).revoke_key(key.id, what).await?;
    let revoked_at = key.revoked_at.unwrap_or(now);
    Ok(Json(Item::of(RevokedKey { id: key.id, revoked_at })))
}

async fn find(access: &Access<Admin>, id: &str) -> Result<ApiKey, Problem> {
    let keys = access.db.api_keys().await?;
    keys.into_iter().find(|key| key.id.to_string() == id).ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, "There is no such key in this environment.")
    })
}

fn check(name: &str, scopes: &[Scope], expires_in_s: Option<u32>) -> Result<(), Problem> {
    let refused = |pointer: &str, message: String| {
        Err(Problem::new(ProblemKind::InvalidBody, "A value of the body can't be used.")
            .at(pointer, message))
    };
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) {
        return refused("/name", format!("must have 1 to {LONGEST_NAME} characters"));
    }
    if scopes.is_empty() {
        return refused("/scopes", "must name at least one scope".to_owned());
    }
    if expires_in_s.is_some_and(|seconds| !(1..=LONGEST_LIFETIME_S).contains(&seconds)) {
        return refused("/expires_in_s", format!("must be between 1 and {LONGEST_LIFETIME_S}"));
    }
    Ok(())
}

/// The methods asked for; the maker's own when nothing is said.
fn methods(maker: &Caller, wanted: Option<Vec<String>>) -> Result<Option<AllowedMethods>, Problem> {
    let Some(wanted) = wanted else { return Ok(maker.allowed_methods.as_deref().cloned()) };
    let wanted = AllowedMethods::new(wanted).map_err(|error| {
        Problem::new(ProblemKind::InvalidBody, "The list of methods can't be used.")
            .at("/allowed_methods", error.to_string())
    })?;
    no_wider(maker, Some(&wanted), maker.allowed_addresses.as_deref())?;
    Ok(Some(wanted))
}

/// The addresses asked for; the maker's own when nothing is said.
fn addresses(maker: &Caller, wanted: Option<Vec<String>>) -> Result<Option<Networks>, Problem> {
    let Some(wanted) = wanted else { return Ok(maker.allowed_addresses.as_deref().cloned()) };
    let wanted = Networks::new(&wanted).map_err(|error| {
        Problem::new(ProblemKind::InvalidBody, "The list of addresses can't be used.")
            .at("/allowed_addresses", error.to_string())
    })?;
    no_wider(maker, maker.allowed_methods.as_deref(), Some(&wanted))?;
    Ok(Some(wanted))
}

/// Refuses a key that would end later than the one which gets its secret.
fn no_longer(maker: &Caller, expires_at: Option<OffsetDateTime>) -> Result<(), Problem> {
    let Some(end) = maker.ends_at.as_deref() else { return Ok(()) };
    if expires_at.is_some_and(|expires_at| expires_at <= *end) {
        return Ok(());
    }
    let end = end.format(&Rfc3339).unwrap_or_default();
    let detail = format!(
        "The other key would be good for longer than this one, which ends at {end}. Use a key without an end."
    );
    Err(Problem::new(ProblemKind::InvalidBody, detail))
}

/// Refuses a key that could do what whoever gets its secret can't.
fn no_wider(
    maker: &Caller,
    methods: Option<&AllowedMethods>,
    addresses: Option<&Networks>,
) -> Result<(), Problem> {
    let own = maker.allowed_methods.as_deref();
    if own.is_some_and(|own| !methods.is_some_and(|methods| own.covers(methods))) {
        return Err(Problem::new(
            ProblemKind::MethodForbidden,
            "The other key would have methods that this key may not call.",
        ));
    }
    let own = maker.allowed_addresses.as_deref();
    if own.is_some_and(|own| !addresses.is_some_and(|addresses| own.cover(addresses))) {
        return Err(Problem::new(
            ProblemKind::AddressNotAllowed,
            "The other key could be used from addresses that this key may not be used from.",
        ));
    }
    Ok(())
}
