//! `/link-tokens`: one-time tokens to connect or reconnect one account.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};
use url::Url;
use utoipa::ToSchema;

use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::domain::ids::{IntegratedAccountId, LinkTokenId};
use crate::domain::page::Page;
use crate::domain::patch::ValidationError;
use crate::domain::provider::Provider;
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, JsonBody, NoQuery, PageQuery, Params, Read, Write};
use crate::http::idempotency::SecretShownOnce;
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::link::LinkRequest;
use crate::store::LinkTokenSummary;

type CreatedLinkTokenResponse = EnvelopeSchema<ItemResponse<CreatedLinkToken>>;
type LinkTokenList = EnvelopeSchema<ListResponse<LinkToken>>;
type RevokedLinkTokenResponse = EnvelopeSchema<ItemResponse<RevokedLinkToken>>;

/// Default lifetime in seconds: one day.
const DEFAULT_LIFETIME_S: u32 = 24 * 3600;
/// Maximum lifetime in seconds: one week.
const MAX_LIFETIME_S: u32 = 7 * 24 * 3600;

/// Request body for creating a link token.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"tenant_id": "acme", "context": {"plan": "gold"}}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct CreateLinkTokenRequest {
    /// The caller's own id of the customer.
    #[schema(min_length = 1, max_length = 255)]
    tenant_id: String,
    /// Provider; by default that of the account, or `slack_enterprise`.
    provider: Option<Provider>,
    /// Providers for the customer to choose from, instead of `provider`.
    #[serde(default)]
    providers: Vec<Provider>,
    /// Account to reconnect.
    integrated_account_id: Option<IntegratedAccountId>,
    /// Where the customer's browser is redirected at the end, with `result` and `integrated_account_id` in the query.
    /// `https`, or `http` on a loopback address.
    #[schema(value_type = Option<String>)]
    redirect_uri: Option<Url>,
    /// The caller's own data, stored with the account.
    #[serde(default)]
    context: Map<String, Value>,
    /// Lifetime in seconds. The token expires no later than the key that creates it, and is revoked with it.
    #[serde(default = "default_lifetime")]
    #[schema(default = 86_400, minimum = 60, maximum = 604_800)]
    expires_in_s: u32,
}

fn default_lifetime() -> u32 {
    DEFAULT_LIFETIME_S
}

/// A new link token. The secret is returned once.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct CreatedLinkToken {
    /// Id.
    pub id: LinkTokenId,
    /// The secret.
    #[schema(example = "lt_EXAMPLE")]
    pub link_token: String,
    /// URL of the hosted link page, for the customer's browser.
    #[schema(example = "https://gateway.example.com/link/lt_EXAMPLE")]
    pub link_url: String,
    /// Expiry.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Create a link token
///
/// Returns the URL of the hosted link page. The secret is returned once.
#[utoipa::path(post, path = "/link-tokens", tag = "Linking", request_body = CreateLinkTokenRequest,
    responses((status = 201, description = "The new link token", body = CreatedLinkTokenResponse),
        Problems))]
pub(in crate::http) async fn create_link_token(
    State(state): State<AppState>,
    access: Access<Write>,
    _: NoQuery,
    JsonBody(body): JsonBody<CreateLinkTokenRequest>,
) -> Result<Response, Problem> {
    check(&body)?;
    access.reject_account_token("link tokens")?;
    let mut providers = body.providers;
    providers.extend(body.provider);
    let request = LinkRequest {
        tenant_id: &body.tenant_id,
        providers: &providers,
        account_id: body.integrated_account_id,
        redirect_uri: body.redirect_uri.as_ref(),
        context: &Value::Object(body.context),
        lifetime: Duration::seconds(body.expires_in_s.into()),
        actor: &access.caller.key_id,
        created_by: Some(&access.caller.key_id),
        request_id: Some(access.request_id()),
    };
    let link = state.links.create(access.caller.environment_id, &request).await?;
    let result = CreatedLinkToken {
        id: link.id,
        link_token: link.token.reveal().to_owned(),
        link_url: link.url.into(),
        expires_at: link.expires_at,
    };
    let shown_once = Extension(SecretShownOnce(link.id.to_string()));
    Ok((StatusCode::CREATED, shown_once, Json(ItemResponse::of(result))).into_response())
}

/// A link token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct LinkToken {
    /// Id.
    id: LinkTokenId,
    /// The caller's own id of the customer.
    #[schema(example = "acme")]
    tenant_id: String,
    /// Providers for the customer to choose from.
    providers: Vec<Provider>,
    /// Account to reconnect.
    integrated_account_id: Option<IntegratedAccountId>,
    /// Id of the API key that created it.
    made_by: Option<String>,
    /// Creation time.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Expiry.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// Time of use.
    #[serde(with = "time::serde::rfc3339::option")]
    used_at: Option<OffsetDateTime>,
    /// Time of revocation.
    #[serde(with = "time::serde::rfc3339::option")]
    revoked_at: Option<OffsetDateTime>,
    /// Account linked with it.
    linked_account_id: Option<IntegratedAccountId>,
}

impl From<LinkTokenSummary> for LinkToken {
    fn from(token: LinkTokenSummary) -> Self {
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

/// List link tokens
///
/// Returns valid link tokens and those that ended or were used less than a day ago, oldest first.
#[utoipa::path(get, path = "/link-tokens", tag = "Linking", params(PageQuery),
    responses((status = 200, description = "A page of link tokens", body = LinkTokenList), Problems))]
pub(in crate::http) async fn list_link_tokens(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: axum::http::Uri,
) -> Result<Json<ListResponse<LinkToken>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    params.finish()?;
    access.reject_account_token("link tokens")?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "link-tokens", &());
    let after = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let most = i64::from(page.limit) + 1;
    let mut items = access.db.link_tokens(after, most, state.clock.now()).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    let items = items.into_iter().map(Into::into).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// A revoked link token.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct RevokedLinkToken {
    /// Id.
    id: LinkTokenId,
    /// Time of revocation.
    #[serde(with = "time::serde::rfc3339")]
    revoked_at: OffsetDateTime,
}

/// Revoke a link token
///
/// Its link page stops working, and a consent in progress at the provider can't be completed.
#[utoipa::path(delete, path = "/link-tokens/{id}", tag = "Linking",
    params(("id" = LinkTokenId, Path, description = "The link token's id")),
    responses((status = 200, description = "The link token is revoked", body = RevokedLinkTokenResponse), Problems))]
pub(in crate::http) async fn revoke_link_token(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<RevokedLinkToken>>, Problem> {
    access.reject_account_token("link tokens")?;
    let not_found =
        || Problem::new(ProblemKind::NotFound, "No such link token exists in this environment.");
    let token: LinkTokenId = id.parse().map_err(|_| not_found())?;
    let entry = access.audit_entry(&state, "link_token.revoked", (None, Some(&id)));
    let revoked = access.db.revoke_link_token(token, state.clock.now(), &entry).await?;
    let revoked_at = revoked.ok_or_else(not_found)?;
    Ok(Json(ItemResponse::of(RevokedLinkToken { id: token, revoked_at })))
}

fn check(body: &CreateLinkTokenRequest) -> Result<(), Problem> {
    let invalid = |pointer: &str, message: &str| {
        Err(Problem::new(ProblemKind::InvalidBody, "The request body is invalid; see `errors`.")
            .with_error(pointer, message))
    };
    if !(1..=255).contains(&body.tenant_id.chars().count()) {
        return invalid("/tenant_id", "must have 1 to 255 characters");
    }
    if !(60..=MAX_LIFETIME_S).contains(&body.expires_in_s) {
        return invalid("/expires_in_s", "must be between 60 and 604800");
    }
    if body.provider.is_some() && !body.providers.is_empty() {
        let errors = ValidationError::conflict("/provider", "/providers");
        return Err(Problem::invalid(errors.into()));
    }
    let is_repeated =
        |one: &Provider| body.providers.iter().filter(|other| *other == one).count() > 1;
    if body.providers.iter().any(is_repeated) {
        return invalid("/providers", "must not repeat a provider");
    }
    if body.redirect_uri.as_ref().is_some_and(|uri| !is_allowed_redirect(uri)) {
        return invalid("/redirect_uri", "must be https, or http on a loopback address");
    }
    Ok(())
}

fn is_allowed_redirect(uri: &Url) -> bool {
    match (uri.scheme(), uri.host()) {
        ("https", Some(_)) => uri.username().is_empty() && uri.password().is_none(),
        ("http", Some(url::Host::Domain(host))) => host == "localhost",
        ("http", Some(url::Host::Ipv4(host))) => host.is_loopback(),
        ("http", Some(url::Host::Ipv6(host))) => host.is_loopback(),
        _ => false,
    }
}
