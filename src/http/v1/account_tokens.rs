//! `/integrated-accounts/{id}/tokens`: keys bound to one account, for a provider's own SDK or an agent.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::answers::Item;
use super::integrated_accounts::find;
use crate::domain::access::Scope;
use crate::domain::ids::{AccountTokenId, IntegratedAccountId};
use crate::http::extract::{Access, Body, NoQuery, Read};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{NewAccountToken, Outcome};
use crate::vault::issue;

/// How account tokens begin.
const PREFIX: &str = "sb_acct_";
/// How long one lasts when nothing is said, in seconds.
const DEFAULT_LIFETIME_S: u32 = 15 * 60;
/// The longest a token that ends by itself can last, in seconds: a year.
const LONGEST_LIFETIME_S: u32 = 366 * 24 * 3600;

/// The wish for an account token.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"expires_in_s": 900, "scopes": ["read"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewToken {
    /// How long it lasts, in seconds.
    #[serde(default = "default_lifetime")]
    #[schema(default = 900, minimum = 1, maximum = 31_622_400)]
    expires_in_s: u32,
    /// What it may do; `read`, `write` and `proxy`, as far as the caller may, when nothing is said.
    scopes: Option<Vec<Scope>>,
}

fn default_lifetime() -> u32 {
    DEFAULT_LIFETIME_S
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
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
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
) -> Result<(StatusCode, Json<Item<ShownToken>>), Problem> {
    let account = find(&access, &id).await?;
    if access.caller.account_id.is_some() {
        // Else one of a minute could make one of a year.
        return Err(Problem::new(
            ProblemKind::InsufficientScope,
            "An account token can't make further tokens: use an API key.",
        ));
    }
    let scopes = scopes(&access, wish.scopes)?;
    if !(1..=LONGEST_LIFETIME_S).contains(&wish.expires_in_s) {
        return Err(Problem::new(ProblemKind::InvalidBody, "The lifetime can't be used.")
            .at("/expires_in_s", format!("must be between 1 and {LONGEST_LIFETIME_S}")));
    }
    let now = state.clock.now();
    let expires_at = now + Duration::seconds(wish.expires_in_s.into());
    let token = issue(PREFIX, &*state.entropy);
    let id = AccountTokenId::generate(&*state.clock, &*state.entropy);
    access
        .db
        .insert_account_token(&NewAccountToken {
            id,
            account_id: account.id,
            digest: token.digest(),
            scopes: &scopes,
            created_at: now,
            expires_at: Some(expires_at),
        })
        .await?;
    access
        .audit(
            &state,
            "account_token.created",
            (Some(account.id), Some(&id.to_string())),
            Outcome::Done,
        )
        .await?;
    let result = ShownToken { id, token: token.reveal().to_owned(), scopes, expires_at };
    Ok((StatusCode::CREATED, Json(Item::of(result))))
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
