//! `/link-tokens`: one-time permissions to connect, or connect again, one account.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::{Duration, OffsetDateTime};
use url::Url;
use utoipa::ToSchema;

use super::answers::Item;
use crate::domain::ids::{IntegratedAccountId, LinkTokenId};
use crate::domain::provider::Provider;
use crate::http::extract::{Access, Body, NoQuery, Write};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::link::LinkRequest;

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
    /// How long the link is good, in seconds.
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
) -> Result<(StatusCode, Json<Item<ShownLinkToken>>), Problem> {
    check(&wish)?;
    if access.caller.account_id.is_some() {
        return Err(Problem::new(
            ProblemKind::InsufficientScope,
            "An account token can't make link tokens: use an API key.",
        ));
    }
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
        request_id: Some(access.request_id()),
    };
    let link = state.links.create(access.caller.environment_id, &request).await?;
    let result = ShownLinkToken {
        id: link.id,
        link_token: link.token.reveal().to_owned(),
        link_url: link.url.into(),
        expires_at: link.expires_at,
    };
    Ok((StatusCode::CREATED, Json(Item::of(result))))
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
        return invalid("/providers", "goes without provider: one of both says it");
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
