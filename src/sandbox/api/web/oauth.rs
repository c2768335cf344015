//! `oauth.v2.access`: exchanges a code or refresh token for tokens. `oauth.v2.exchange`: exchanges
//! a long-lived token for rotating tokens.

use serde_json::{Map, Value, json};

use super::args::{ArgType, optional, required};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, json_body};
use crate::sandbox::grants::{
    InstallTarget, Installation, OAuthErrorCode, Redemption, SlackTokenType, TokenPair,
};
use crate::sandbox::{SlackApp, Tier};

pub(super) const METHODS: &[Method] = &[ACCESS, EXCHANGE];

const EXCHANGE: Method = Method {
    name: "oauth.v2.exchange",
    tier: Tier::Three,
    access: MethodAccess::Public,
    args: &[required("client_id", ArgType::Text), required("client_secret", ArgType::Text)],
    run: exchange,
};

const ACCESS: Method = Method {
    name: "oauth.v2.access",
    tier: Tier::Special,
    access: MethodAccess::Public,
    args: &[
        optional("client_id", ArgType::Text),
        optional("client_secret", ArgType::Text),
        optional("code", ArgType::Text),
        optional("code_verifier", ArgType::Text),
        optional("grant_type", ArgType::Text),
        optional("redirect_uri", ArgType::Text),
        optional("refresh_token", ArgType::Text),
    ],
    run: access,
};

/// Authenticates the client by HTTP Basic or by arguments.
pub(super) fn authenticate_client(call: &MethodCall<'_>) -> Result<SlackApp, WebApiError> {
    let (id, secret) = match call.basic {
        Some((id, secret)) => (id.clone(), secret.clone()),
        None => (
            call.args.text("client_id").unwrap_or_default(),
            call.args.text("client_secret").unwrap_or_default(),
        ),
    };
    let app = call.sandbox.app(&id).ok_or(OAuthErrorCode::InvalidClientId)?;
    if app.client_secret != secret {
        return Err(OAuthErrorCode::BadClientSecret.into());
    }
    Ok(app)
}

/// Authenticates the client; a public client may omit its secret. Returns whether it did. A
/// verifier requires an app with PKCE enabled.
fn authenticate_client_or_public(call: &MethodCall<'_>) -> Result<(SlackApp, bool), WebApiError> {
    let secret = call.basic.is_some() || call.args.text("client_secret").is_some();
    let id = call.args.text("client_id").filter(|_| !secret);
    let app = id.and_then(|id| call.sandbox.app(&id));
    let proof =
        ["code_verifier", "refresh_token"].iter().any(|name| call.args.text(name).is_some());
    match app {
        Some(app) if app.public => Ok((app, true)),
        Some(_) if proof => Err(OAuthErrorCode::PkceNotAllowed.into()),
        Some(_) | None => {
            let app = authenticate_client(call)?;
            if !app.public && call.args.text("code_verifier").is_some() {
                return Err(OAuthErrorCode::PkceNotAllowed.into());
            }
            Ok((app, false))
        }
    }
}

fn access(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let (app, public) = authenticate_client_or_public(call)?;
    let now = call.sandbox.now().unix_timestamp();
    match call.args.text("grant_type").as_deref() {
        None | Some("authorization_code") => redeem(call, &app, public, now),
        Some("refresh_token") => refresh(call, &app, now),
        Some(_) => Err(OAuthErrorCode::InvalidGrantType.into()),
    }
}

fn redeem(
    call: &MethodCall<'_>,
    app: &SlackApp,
    public: bool,
    now: i64,
) -> Result<Vec<u8>, WebApiError> {
    let code = call.args.text("code").ok_or(OAuthErrorCode::InvalidCode)?;
    let redirect_uri = call.args.text("redirect_uri");
    let verifier = call.args.text("code_verifier");
    let redemption = Redemption {
        client_id: &app.client_id,
        without_secret: public,
        code: &code,
        redirect_uri: redirect_uri.as_deref(),
        verifier: verifier.as_deref(),
    };
    let (grant, pairs) = call.sandbox.change_grants(|grants| {
        let (number, pairs) = grants.redeem(redemption, now)?;
        let grant = grants.installation(number).cloned().ok_or(OAuthErrorCode::InvalidCode)?;
        Ok::<_, OAuthErrorCode>((grant, pairs))
    })?;
    call.sandbox.record_app_event("app_installed", &grant);
    let mut body = installation_fields(call, app, &grant);
    let mut user = Map::new();
    user.insert("id".to_owned(), json!(grant.user_id));
    for pair in pairs {
        match pair.kind {
            SlackTokenType::User => user.extend(token_fields(&pair, &grant)),
            SlackTokenType::Bot => {
                body.insert("bot_user_id".to_owned(), json!(grant.bot_user_id));
                body.extend(token_fields(&pair, &grant));
            }
        }
    }
    body.insert("authed_user".to_owned(), Value::Object(user));
    json_body(&body)
}

fn refresh(call: &MethodCall<'_>, app: &SlackApp, now: i64) -> Result<Vec<u8>, WebApiError> {
    let token = call.args.text("refresh_token").ok_or(OAuthErrorCode::InvalidRefreshToken)?;
    let grace = call.sandbox.options().refresh_grace_s;
    let (grant, pair) = call.sandbox.change_grants(|grants| {
        let (number, pair) = grants.refresh(&app.client_id, &token, grace, now)?;
        let grant =
            grants.installation(number).cloned().ok_or(OAuthErrorCode::InvalidRefreshToken)?;
        Ok::<_, OAuthErrorCode>((grant, pair))
    })?;
    pair_body(call, app, &grant, &pair)
}

fn exchange(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let app = authenticate_client(call)?;
    if !app.rotation {
        return Err(OAuthErrorCode::TokenRotationNotEnabled.into());
    }
    let token = call.token.ok_or(OAuthErrorCode::InvalidToken)?;
    let now = call.sandbox.now().unix_timestamp();
    let (grant, pair) = call.sandbox.change_grants(|grants| {
        let (number, pair) = grants.exchange_long_lived(&app.client_id, token, now)?;
        let grant =
            grants.installation(number).cloned().ok_or(OAuthErrorCode::AuthorizationNotFound)?;
        Ok::<_, OAuthErrorCode>((grant, pair))
    })?;
    pair_body(call, &app, &grant, &pair)
}

/// Returns the response with one token pair.
fn pair_body(
    call: &MethodCall<'_>,
    app: &SlackApp,
    grant: &Installation,
    pair: &TokenPair,
) -> Result<Vec<u8>, WebApiError> {
    let mut body = installation_fields(call, app, grant);
    match pair.kind {
        SlackTokenType::User => body.insert("id".to_owned(), json!(grant.user_id)),
        SlackTokenType::Bot => body.insert("bot_user_id".to_owned(), json!(grant.bot_user_id)),
    };
    body.extend(token_fields(pair, grant));
    json_body(&body)
}

/// Returns the installation fields of a response.
fn installation_fields(
    call: &MethodCall<'_>,
    app: &SlackApp,
    grant: &Installation,
) -> Map<String, Value> {
    let (team, enterprise) = call.sandbox.with_org(|org| {
        let team = match &grant.install {
            InstallTarget::Org => Value::Null,
            InstallTarget::Workspace(id) => {
                let name = org.workspace(id).map(|(_, workspace)| workspace.name.as_str());
                json!({"id": id, "name": name})
            }
        };
        (team, json!({"id": org.id, "name": org.name}))
    });
    let fields = [
        ("ok", Value::Bool(true)),
        ("app_id", json!(app.app_id)),
        ("team", team),
        ("enterprise", enterprise),
        ("is_enterprise_install", Value::Bool(grant.install == InstallTarget::Org)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn token_fields(pair: &TokenPair, grant: &Installation) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut add = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    add("scope", json!(grant.scopes(pair.kind).join(",")));
    add("access_token", json!(pair.access_token));
    add("token_type", json!(pair.kind));
    if let (Some(token), Some(expires_in)) = (&pair.refresh_token, pair.expires_in) {
        add("refresh_token", json!(token));
        add("expires_in", json!(expires_in));
    }
    fields
}
