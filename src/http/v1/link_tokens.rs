//! `/link-tokens`: one-time permissions to connect, or connect again, one account.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};
use url::Url;
use utoipa::ToSchema;

use super::answers::{Item, List};
use crate::domain::ids::{IntegratedAccountId, LinkTokenId};
use crate::domain::input::Flaw;
use crate::domain::page::Page;
use crate::domain::provider::Provider;
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, Body, NoQuery, PageQuery, Params, Read, Write};
use crate::http::idempotency::ShownOnce;
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::link::LinkRequest;
use crate::store::ListedLinkToken;

/// How long a link token is good when nothing is said, in seconds: a day.
const DEFAULT_LIFETIME_S: u32 = 24 * 3600;
/// The longest a link token can be good, in seconds: a week.
const LONGEST_LIFETIME_S: u32 = 7 * 24 * 3600;

/// The wish for a link token.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"tenant_id": "acme", "context": {"plan": "gold"}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct NewLinkToken {
    /// Your own name for the customer, 1 to 255 characters.
    tenant_id: String,
    /// The kind of directory: that of the account, or `slack_enterprise`, when nothing is said.
    provider: Option<Provider>,
    /// The kinds of directory that the customer chooses from, in the place of `provider`.
    #[serde(default)]
    providers: Vec<Provider>,
    /// The account to connect again.
    integrated_account_id: Option<IntegratedAccountId>,
    /// Where the customer's browser goes at the end, with `result` and `integrated_account_id` added.
    /// `https`, or `http` on a loopback address.
    #[schema(value_type = Option<String>)]
    redirect_uri: Option<Url>,
    /// Your own data, kept on the account.
    #[serde(default)]
    context: Map<String, Value>,
    /// How long the link is good, in seconds. It ends no later than the key that makes it, and with that key.
    #[serde(default = "default_lifetime")]
    #[schema(default = 86_400, minimum = 60, maximum = 604_800)]
    expires_in_s: u32,
}

fn default_lifetime() -> u32 {
    DEFAULT_LIFETIME_S
}

/// A new link token. The token is shown this once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct ShownLinkToken {
    /// Its id.
    pub id: LinkTokenId,
    /// The token.
    pub link_token: String,
    /// The hosted page: open it in the customer's browser.
    pub link_url: String,
    /// When it ends.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Makes a link token and its page.
#[utoipa::path(post, path = "/link-tokens", tag = "Linking", request_body = NewLinkToken,
    responses((status = 201, description = "The link token, shown once", body = Item<ShownLinkToken>),
        Problems))]
pub(in crate::http) async fn create_link_token(
    State(state): State<AppState>,
    access: Access<Write>,
    _: NoQuery,
    Body(wish): Body<NewLinkToken>,
) -> Result<Response, Problem> {
    check(&wish)?;
    access.refuse_account_token("link tokens")?;
    let mut providers = wish.providers;
    providers.extend(wish.provider);
    let request = LinkRequest {
        tenant_id: &wish.tenant_id,
        providers: &providers,
        account_id: wish.integrated_account_id,
        redirect_uri: wish.redirect_uri.as_ref(),
        context: &Value::Object(wish.context),
        lifetime: Duration::seconds(wish.expires_in_s.into()),
        actor: &access.caller.key_id,
        made_by: Some(&access.caller.key_id),
        request_id: Some(access.request_id()),
    };
    let link = state.links.create(access.caller.environment_id, &request).await?;
    let result = ShownLinkToken {
        id: link.id,
        link_token: link.token.reveal().to_owned(),
        link_url: link.url.into(),
        expires_at: link.expires_at,
    };
    let shown_once = Extension(ShownOnce(link.id.to_string()));
    Ok((StatusCode::CREATED, shown_once, Json(Item::of(result))).into_response())
}

/// A link token as it is listed, without the token.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LinkToken {
    /// Its id.
    id: LinkTokenId,
    /// Your own name for the customer.
    tenant_id: String,
    /// The kinds of directory that the customer chooses from.
    providers: Vec<Provider>,
    /// The account to connect again.
    integrated_account_id: Option<IntegratedAccountId>,
    /// The id of the API key that made it.
    made_by: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When it ends, or ended.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// When it was used.
    #[serde(with = "time::serde::rfc3339::option")]
    used_at: Option<OffsetDateTime>,
    /// When it was revoked.
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// The account that came of it.
    linked_account_id: Option<IntegratedAccountId>,
}

impl From<ListedLinkToken> for LinkToken {
    fn from(token: ListedLinkToken) -> Self {
        Self {
            id: token.id,
            tenant_id: token.tenant_id,
            providers: token.providers,
            integrated_account_id: token.account_id,
            made_by: token.made_by,
            created_at: token.created_at,
            expires_at: token.expires_at,
            used_at: token.used_at,
            revoked_at: token.revoked_at,
            linked_account_id: token.linked_account_id,
        }
    }
}

/// Lists the link tokens of the environment that are good, or ended or were used less than a day ago, the oldest first.
#[utoipa::path(get, path = "/link-tokens", tag = "Linking", params(PageQuery),
    responses((status = 200, description = "A page", body = List<LinkToken>), Problems))]
pub(in crate::http) async fn list_link_tokens(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: axum::http::Uri,
) -> Result<Json<List<LinkToken>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    params.finish()?;
    access.refuse_account_token("link tokens")?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "link-tokens", &());
    let after = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let most = i64::from(page.limit) + 1;
    let mut items = access.db.link_tokens(after, most, state.clock.now()).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    let items = items.into_iter().map(Into::into).collect();
    Ok(Json(List::of(Page { items, next }, page.limit)))
}

/// A link token that was revoked.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RevokedLinkToken {
    /// Its id.
    id: LinkTokenId,
    /// Since when.
    #[serde(with = "time::serde::rfc3339")]
    revoked_at: OffsetDateTime,
}

/// Revokes a link token: its page leads nowhere any more, and a browser at the provider's consent comes back in vain.
#[utoipa::path(delete, path = "/link-tokens/{id}", tag = "Linking",
    params(("id" = LinkTokenId, Path, description = "The link token's id")),
    responses((status = 200, description = "It is revoked, now or before", body = Item<RevokedLinkToken>), Problems))]
pub(in crate::http) async fn revoke_link_token(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<Item<RevokedLinkToken>>, Problem> {
    access.refuse_account_token("link tokens")?;
    let not_found =
        || Problem::new(ProblemKind::NotFound, "There is no such link token in this environment.");
    let token: LinkTokenId = id.parse().map_err(|_| not_found())?;
    let entry = access.entry(&state, "link_token.revoked", (None, Some(&id)));
    let revoked = access.db.revoke_link_token(token, state.clock.now(), &entry).await?;
    let revoked_at = revoked.ok_or_else(not_found)?;
    Ok(Json(Item::of(RevokedLinkToken { id: token, revoked_at })))
}

fn check(wish: &NewLinkToken) -> Result<(), Problem> {
    let invalid = |pointer: &str, message: &str| {
        Err(Problem::new(ProblemKind::InvalidBody, "A value of the body can't be used.")
            .at(pointer, message))
    };
    if !(1..=255).contains(&wish.tenant_id.chars().count()) {
        return invalid("/tenant_id", "must have 1 to 255 characters");
    }
    if !(60..=LONGEST_LIFETIME_S).contains(&wish.expires_in_s) {
        return invalid("/expires_in_s", "must be between 60 and 604800");
    }
    if wish.provider.is_some() && !wish.providers.is_empty() {
        let flaws = Flaw::pair("/provider", "/providers");
        return Err(Problem::flawed(flaws.into()));
    }
    let is_repeated =
        |one: &Provider| wish.providers.iter().filter(|other| *other == one).count() > 1;
    if wish.providers.iter().any(is_repeated) {
        return invalid("/providers", "names a provider twice");
    }
    if wish.redirect_uri.as_ref().is_some_and(|uri| !may_redirect(uri)) {
        return invalid("/redirect_uri", "must be https, or http on a loopback address");
    }
    Ok(())
}

fn may_redirect(uri: &Url) -> bool {
    match (uri.scheme(), uri.host()) {
        ("https", Some(_)) => uri.username().is_empty() && uri.password().is_none(),
        ("http", Some(url::Host::Domain(host))) => host == "localhost",
        ("http", Some(url::Host::Ipv4(host))) => host.is_loopback(),
        ("http", Some(url::Host::Ipv6(host))) => host.is_loopback(),
        _ => false,
    }
}
