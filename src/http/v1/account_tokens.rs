//! `/integrated-accounts/{id}/tokens`: keys bound to one account, for a provider's own SDK or an agent.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::integrated_accounts::find_managed;
use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::domain::access::{KeyKind, Scope};
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::ids::{AccountTokenId, IntegratedAccountId};
use crate::domain::page::{MAX_LIMIT, Page};
use crate::domain::patch::PatchField;
use crate::http::extract::{Access, NoQuery, OptionalJsonBody, Read, Write};
use crate::http::idempotency::SecretShownOnce;
use crate::http::problem::{Problem, ProblemKind, Problems, account_disconnected};
use crate::http::state::AppState;
use crate::store::{AccountToken, AccountTokenInsertion, NewAccountToken};

type AccountTokenList = EnvelopeSchema<ListResponse<AccountTokenView>>;
type CreatedAccountTokenResponse = EnvelopeSchema<ItemResponse<CreatedAccountToken>>;
type RevokedAccountTokenResponse = EnvelopeSchema<ItemResponse<RevokedAccountToken>>;

/// Default lifetime in seconds.
const DEFAULT_LIFETIME_S: u32 = 15 * 60;
/// Maximum lifetime of a token that expires, in seconds: one year.
const MAX_LIFETIME_S: u32 = 366 * 24 * 3600;

/// Request body for creating an account token.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"expires_in_s": 900, "scopes": ["read"], "allowed_methods": ["users.*"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateAccountTokenRequest {
    /// Lifetime in seconds; default 900. `null`: until it is revoked. It expires no later than the key that creates it.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 31_622_400)]
    expires_in_s: PatchField<u32>,
    /// Scopes; by default `read`, `write` and `proxy`, as far as the caller has them.
    scopes: Option<Vec<Scope>>,
    /// Provider methods that it may call through the proxy: names such as `users.info`, prefixes such as
    /// `admin.users.*`; by default those of the caller. The unified API depends on its scopes only.
    allowed_methods: Option<Vec<String>>,
}

/// A new account token. The secret is returned once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CreatedAccountToken {
    /// Id.
    pub id: AccountTokenId,
    /// The secret, for `Authorization: Bearer`.
    #[schema(example = "sb_acct_v1_EXAMPLE")]
    pub token: String,
    /// Scopes.
    pub scopes: Vec<Scope>,
    /// Patterns of provider methods that it may call through the proxy; `null`: all.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_methods: Option<AllowedMethods>,
    /// Expiry; `null`: until it or the key that created it is revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

/// Create an account token
///
/// The token is bound to the account: requests with it need no account parameter. The secret is returned once.
#[utoipa::path(post, path = "/integrated-accounts/{id}/tokens", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    request_body = Option<CreateAccountTokenRequest>,
    responses((status = 201, description = "The new token", body = CreatedAccountTokenResponse), Problems))]
pub(in crate::http) async fn create_account_token(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
    OptionalJsonBody(body): OptionalJsonBody<CreateAccountTokenRequest>,
) -> Result<Response, Problem> {
    // A token may not create tokens: one valid for a minute could create one valid for a year.
    let account = find_managed(&access, &id).await?;
    let scopes = scopes(&access, body.scopes)?;
    let allowed_methods = allowed_methods(&access, body.allowed_methods)?;
    let now = state.clock.now();
    let expires_at = lifetime(&body.expires_in_s)?.map(|lifetime| now + lifetime);
    let token = state.keys.issue(KeyKind::AccountToken, &*state.entropy);
    let id = AccountTokenId::generate(&*state.clock, &*state.entropy);
    let new = NewAccountToken {
        id,
        account_id: account.id,
        made_by: &access.caller.key_id,
        digest: token.digest(),
        scopes: &scopes,
        allowed_methods: allowed_methods.as_ref(),
        // The tokens of a key inherit its address restrictions.
        allowed_addresses: access.caller.allowed_addresses.as_deref(),
        created_at: now,
        expires_at,
    };
    let subject = id.to_string();
    let entry =
        access.audit_entry(&state, "account_token.created", (Some(account.id), Some(&subject)));
    let expires_at = match access.db.insert_account_token(&new, &entry).await? {
        AccountTokenInsertion::Inserted { expires_at } => expires_at,
        AccountTokenInsertion::KeyRevoked => {
            return Err(Problem::new(
                ProblemKind::Unauthorized,
                "The key was revoked during the request.",
            ));
        }
        AccountTokenInsertion::AccountDisconnected => return Err(account_disconnected()),
    };
    let result = CreatedAccountToken {
        id,
        token: token.reveal().to_owned(),
        scopes,
        allowed_methods,
        expires_at,
    };
    let shown_once = Extension(SecretShownOnce(id.to_string()));
    Ok((StatusCode::CREATED, shown_once, Json(ItemResponse::of(result))).into_response())
}

/// Returns the requested lifetime; `None`: until the token is revoked.
fn lifetime(body: &PatchField<u32>) -> Result<Option<Duration>, Problem> {
    let seconds = match body {
        PatchField::Absent => DEFAULT_LIFETIME_S,
        PatchField::Clear => return Ok(None),
        PatchField::Set(seconds) => *seconds,
    };
    if (1..=MAX_LIFETIME_S).contains(&seconds) {
        return Ok(Some(Duration::seconds(seconds.into())));
    }
    Err(Problem::new(ProblemKind::InvalidBody, "The lifetime is out of range.")
        .with_error("/expires_in_s", format!("must be between 1 and {MAX_LIFETIME_S}")))
}

/// An account token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AccountToken)]
pub(in crate::http) struct AccountTokenView {
    /// Id.
    id: AccountTokenId,
    /// Scopes.
    scopes: Vec<Scope>,
    /// Patterns of provider methods that it may call through the proxy; `null`: all.
    #[schema(value_type = Option<Vec<String>>)]
    allowed_methods: Option<AllowedMethods>,
    /// Creation time.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Expiry; `null`: until it is revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Time of revocation.
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// Last use, to the minute.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
}

impl From<AccountToken> for AccountTokenView {
    fn from(token: AccountToken) -> Self {
        let AccountToken {
            id,
            scopes,
            allowed_methods,
            created_at,
            expires_at,
            revoked_at,
            last_used_at,
        } = token;
        Self { id, scopes, allowed_methods, created_at, expires_at, revoked_at, last_used_at }
    }
}

/// List account tokens
///
/// Returns valid tokens and those that ended less than a day ago, oldest first.
#[utoipa::path(get, path = "/integrated-accounts/{id}/tokens", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The tokens", body = AccountTokenList), Problems))]
pub(in crate::http) async fn list_account_tokens(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ListResponse<AccountTokenView>>, Problem> {
    let account = find_managed(&access, &id).await?;
    let tokens = access.db.account_tokens(account.id, state.clock.now()).await?;
    let items = tokens.into_iter().map(Into::into).collect();
    Ok(Json(ListResponse::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Revoke an account token
///
/// Requests with the token fail from then on.
#[utoipa::path(delete, path = "/integrated-accounts/{id}/tokens/{token_id}",
    tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id"),
        ("token_id" = AccountTokenId, Path, description = "The token's id")),
    responses((status = 200, description = "The token is revoked", body = RevokedAccountTokenResponse), Problems))]
pub(in crate::http) async fn revoke_account_token(
    State(state): State<AppState>,
    access: Access<Write>,
    Path((id, token_id)): Path<(String, String)>,
    _: NoQuery,
) -> Result<Json<ItemResponse<RevokedAccountToken>>, Problem> {
    let account = find_managed(&access, &id).await?;
    let now = state.clock.now();
    let known = access.db.account_tokens(account.id, now).await?;
    let token = known.into_iter().find(|token| token.id.to_string() == token_id);
    let token = token.ok_or_else(|| {
        Problem::new(
            ProblemKind::NotFound,
            "The account has no such token, or the token ended more than one day ago.",
        )
    })?;
    let what = (Some(account.id), Some(token_id.as_str()));
    let entry = access.audit_entry(&state, "account_token.revoked", what);
    access.db.revoke_account_token(account.id, token.id, now, &entry).await?;
    let revoked_at = token.revoked_at.unwrap_or(now);
    Ok(Json(ItemResponse::of(RevokedAccountToken { id: token.id, revoked_at })))
}

/// A revoked account token.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RevokedAccountToken {
    /// Id.
    id: AccountTokenId,
    /// Time of revocation.
    #[serde(with = "time::serde::rfc3339")]
    revoked_at: OffsetDateTime,
}

/// Returns the requested methods; fails if they exceed those of the caller.
fn allowed_methods(
    access: &Access<Read>,
    requested: Option<Vec<String>>,
) -> Result<Option<AllowedMethods>, Problem> {
    let own = access.caller.allowed_methods.as_deref();
    let Some(requested) = requested else { return Ok(own.cloned()) };
    let requested = AllowedMethods::new(requested).map_err(|error| {
        Problem::new(ProblemKind::InvalidBody, "The list of methods is invalid.")
            .with_error("/allowed_methods", error.to_string())
    })?;
    if own.is_some_and(|own| !own.covers(&requested)) {
        return Err(Problem::new(
            ProblemKind::MethodForbidden,
            "An account token can't have methods that the key creating it does not have.",
        ));
    }
    Ok(Some(requested))
}

/// Returns the requested scopes; fails if they exceed those of the caller or include `admin`.
fn scopes(access: &Access<Read>, requested: Option<Vec<Scope>>) -> Result<Vec<Scope>, Problem> {
    let may = |scope: &Scope| *scope != Scope::Admin && access.caller.scopes.contains(scope);
    let Some(mut requested) = requested else {
        return Ok(Scope::ACCOUNT.iter().copied().filter(may).collect());
    };
    requested.sort_unstable();
    requested.dedup();
    if let Some(excess) = requested.iter().find(|scope| !may(scope)) {
        return Err(Problem::new(
            ProblemKind::InsufficientScope,
            format!("An account token of this key can't have the scope `{excess}`."),
        ));
    }
    if requested.is_empty() {
        return Err(Problem::new(ProblemKind::InvalidBody, "The token has no scope.")
            .with_error("/scopes", "must name at least one scope"));
    }
    Ok(requested)
}
