//! `/integrated-accounts/{id}/tokens`: keys bound to one account, for a provider's own SDK or an agent.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::answers::{Item, List};
use super::integrated_accounts::find_managed;
use crate::domain::access::{KeyKind, Scope};
use crate::domain::allowed_methods::AllowedMethods;
use crate::domain::ids::{AccountTokenId, IntegratedAccountId};
use crate::domain::input::Field;
use crate::domain::page::{MAX_LIMIT, Page};
use crate::http::extract::{Access, Body, NoQuery, Read, Write};
use crate::http::idempotency::ShownOnce;
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind, account_disconnected};
use crate::http::state::AppState;
use crate::store::{AccountToken, AddedToken, NewAccountToken};

/// How long one lasts when nothing is said, in seconds.
const DEFAULT_LIFETIME_S: u32 = 15 * 60;
/// The longest a token that ends by itself can last, in seconds: a year.
const LONGEST_LIFETIME_S: u32 = 366 * 24 * 3600;

/// The wish for an account token.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"expires_in_s": 900, "scopes": ["read"], "allowed_methods": ["users.*"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewToken {
    /// How long it lasts, in seconds; 900 when nothing is said. `null` lasts until it is revoked. It never lasts longer than the key that makes it.
    #[serde(default)]
    #[schema(value_type = Option<u32>, minimum = 1, maximum = 31_622_400)]
    expires_in_s: Field<u32>,
    /// What it may do; `read`, `write` and `proxy`, as far as the caller may, when nothing is said.
    scopes: Option<Vec<Scope>>,
    /// The provider's methods that it may call raw, as far as the caller may: names such as `users.info`, beginnings such as `admin.users.*`; all when nothing is said. The unified API is a matter of its scopes.
    allowed_methods: Option<Vec<String>>,
}

/// A new account token. The token is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ShownToken {
    /// Its id.
    pub id: AccountTokenId,
    /// The token.
    pub token: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Patterns of the provider's methods that it may call raw; `null` for all.
    #[schema(value_type = Option<Vec<String>>)]
    pub allowed_methods: Option<AllowedMethods>,
    /// When it ends; `null` lasts until it is revoked, or the key that made it is.
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires_at: Option<OffsetDateTime>,
}

/// Makes a token that is bound to the account: no further header is needed with it.
#[utoipa::path(post, path = "/integrated-accounts/{id}/tokens", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    request_body = NewToken,
    responses((status = 201, description = "The token, shown once", body = Item<ShownToken>), Problems))]
pub(in crate::http) async fn create_account_token(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
    Body(wish): Body<NewToken>,
) -> Result<Response, Problem> {
    // Else one of a minute could make one of a year.
    let account = find_managed(&access, &id).await?;
    let scopes = scopes(&access, wish.scopes)?;
    let allowed_methods = allowed_methods(&access, wish.allowed_methods)?;
    let now = state.clock.now();
    let expires_at = lifetime(&wish.expires_in_s)?.map(|lifetime| now + lifetime);
    let token = state.keys.issue(KeyKind::AccountToken, &*state.entropy);
    let id = AccountTokenId::generate(&*state.clock, &*state.entropy);
    let new = NewAccountToken {
        id,
        account_id: account.id,
        made_by: &access.caller.key_id,
        digest: token.digest(),
        scopes: &scopes,
        allowed_methods: allowed_methods.as_ref(),
        // Where the key may not be used from, its tokens may not be either.
        allowed_addresses: access.caller.allowed_addresses.as_deref(),
        created_at: now,
        expires_at,
    };
    let subject = id.to_string();
    let entry = access.entry(&state, "account_token.created", (Some(account.id), Some(&subject)));
    let expires_at = match access.db.insert_account_token(&new, &entry).await? {
        AddedToken::Added { expires_at } => expires_at,
        AddedToken::KeyRevoked => {
            return Err(Problem::new(
                ProblemKind::Unauthorized,
                "The key was revoked a moment ago.",
            ));
        }
        AddedToken::AccountDisconnected => return Err(account_disconnected()),
    };
    let result =
        ShownToken { id, token: token.reveal().to_owned(), scopes, allowed_methods, expires_at };
    let shown_once = Extension(ShownOnce(id.to_string()));
    Ok((StatusCode::CREATED, shown_once, Json(Item::of(result))).into_response())
}

/// How long a token is to last; `None` until it is revoked.
fn lifetime(wish: &Field<u32>) -> Result<Option<Duration>, Problem> {
    let seconds = match wish {
        Field::Keep => DEFAULT_LIFETIME_S,
        Field::Clear => return Ok(None),
        Field::Set(seconds) => *seconds,
    };
    if (1..=LONGEST_LIFETIME_S).contains(&seconds) {
        return Ok(Some(Duration::seconds(seconds.into())));
    }
    Err(Problem::new(ProblemKind::InvalidBody, "The lifetime can't be used.")
        .at("/expires_in_s", format!("must be between 1 and {LONGEST_LIFETIME_S}")))
}

/// A token that was made before, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct KnownToken {
    /// Its id.
    id: AccountTokenId,
    /// What it may do.
    scopes: Vec<Scope>,
    /// Patterns of the provider's methods that it may call raw; `null` for all.
    #[schema(value_type = Option<Vec<String>>)]
    allowed_methods: Option<AllowedMethods>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it ends by itself; `null` lasts until it is revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// When it was revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// When it was last used, to the minute.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
}

impl From<AccountToken> for KnownToken {
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

/// Lists the tokens of the account that live, or ended less than a day ago, the oldest first.
#[utoipa::path(get, path = "/integrated-accounts/{id}/tokens", tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id")),
    responses((status = 200, description = "The tokens", body = List<KnownToken>), Problems))]
pub(in crate::http) async fn list_account_tokens(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<List<KnownToken>>, Problem> {
    let account = find_managed(&access, &id).await?;
    let tokens = access.db.account_tokens(account.id, state.clock.now()).await?;
    let items = tokens.into_iter().map(Into::into).collect();
    Ok(Json(List::of(Page { items, next: None }, MAX_LIMIT)))
}

/// Revokes a token of the account: nothing answers to it any more.
#[utoipa::path(delete, path = "/integrated-accounts/{id}/tokens/{token_id}",
    tag = "Integrated accounts",
    params(("id" = IntegratedAccountId, Path, description = "The account's id"),
        ("token_id" = AccountTokenId, Path, description = "The token's id")),
    responses((status = 200, description = "It is revoked, now or before", body = Item<Revoked>), Problems))]
pub(in crate::http) async fn revoke_account_token(
    State(state): State<AppState>,
    access: Access<Write>,
    Path((id, token_id)): Path<(String, String)>,
    _: NoQuery,
) -> Result<Json<Item<Revoked>>, Problem> {
    let account = find_managed(&access, &id).await?;
    let now = state.clock.now();
    let known = access.db.account_tokens(account.id, now).await?;
    let token = known.into_iter().find(|token| token.id.to_string() == token_id);
    let token = token.ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, "The account has no such token, or it ended long ago.")
    })?;
    let what = (Some(account.id), Some(token_id.as_str()));
    let entry = access.entry(&state, "account_token.revoked", what);
    access.db.revoke_account_token(account.id, token.id, now, &entry).await?;
    let revoked_at = token.revoked_at.unwrap_or(now);
    Ok(Json(Item::of(Revoked { id: token.id, revoked_at })))
}

/// A token that was revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct Revoked {
    /// Its id.
    id: AccountTokenId,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    revoked_at: OffsetDateTime,
}

/// The methods asked for: no more than whoever makes the token may call.
fn allowed_methods(
    access: &Access<Read>,
    wanted: Option<Vec<String>>,
) -> Result<Option<AllowedMethods>, Problem> {
    let own = access.caller.allowed_methods.as_deref();
    let Some(wanted) = wanted else { return Ok(own.cloned()) };
    let wanted = AllowedMethods::new(wanted).map_err(|error| {
        Problem::new(ProblemKind::InvalidBody, "The list of methods can't be used.")
            .at("/allowed_methods", error.to_string())
    })?;
    if own.is_some_and(|own| !own.covers(&wanted)) {
        return Err(Problem::new(
            ProblemKind::MethodForbidden,
            "An account token can't have methods that the key which makes it may not call.",
        ));
    }
    Ok(Some(wanted))
}

/// The scopes asked for: an account token can do no more than who makes it, and never `admin`.
fn scopes(access: &Access<Read>, wanted: Option<Vec<Scope>>) -> Result<Vec<Scope>, Problem> {
    let may = |scope: &Scope| *scope != Scope::Admin && access.caller.scopes.contains(scope);
    let Some(mut wanted) = wanted else {
        return Ok(Scope::ACCOUNT.iter().copied().filter(may).collect());
    };
    wanted.sort_unstable();
    wanted.dedup();
    if let Some(excess) = wanted.iter().find(|scope| !may(scope)) {
        return Err(Problem::new(
            ProblemKind::InsufficientScope,
            format!("An account token of this key can't have the scope `{excess}`."),
        ));
    }
    if wanted.is_empty() {
        return Err(Problem::new(ProblemKind::InvalidBody, "The token could do nothing.")
            .at("/scopes", "must name at least one scope"));
    }
    Ok(wanted)
}
