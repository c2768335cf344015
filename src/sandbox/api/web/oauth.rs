//! `oauth.v2.access`: a code or a refresh token for tokens. `oauth.v2.exchange`: a token that lives
//! for ever for a pair that does not.

use serde_json::{Map, Value, json};

use super::args::{Form, optional, required};
use super::method::{Access, Call, Method, json_body};
use super::refusal::Refusal;
use crate::sandbox::grants::{Grant, Install, OAuthError, Redemption, TokenKind, TokenPair};
use crate::sandbox::{App, Tier};

pub(super) const METHODS: &[Method] = &[ACCESS, EXCHANGE];

const EXCHANGE: Method = Method {
    name: "oauth.v2.exchange",
    tier: Tier::Three,
    access: Access::Open,
    args: &[required("client_id", Form::Text), required("client_secret", Form::Text)],
    run: exchange,
};

const ACCESS: Method = Method {
    name: "oauth.v2.access",
    tier: Tier::Special,
    access: Access::Open,
    args: &[
        optional("client_id", Form::Text),
        optional("client_secret", Form::Text),
        optional("code", Form::Text),
        optional("code_verifier", Form::Text),
        optional("grant_type", Form::Text),
        optional("redirect_uri", Form::Text),
        optional("refresh_token", Form::Text),
    ],
    run: access,
};

/// The app that calls, by HTTP Basic or by arguments, once its secret is proven.
pub(super) fn client_of(call: &Call<'_>) -> Result<App, Refusal> {
    let (id, secret) = match call.basic {
        Some((id, secret)) => (id.clone(), secret.clone()),
        None => (
            call.args.text("client_id").unwrap_or_default(),
            call.args.text("client_secret").unwrap_or_default(),
        ),
    };
    let app = call.sandbox.app(&id).ok_or(OAuthError::InvalidClientId)?;
    if app.client_secret != secret {
        return Err(OAuthError::BadClientSecret.into());
    }
    Ok(app)
}

/// The same, but that a public client may leave its secret out. Says whether it did. Only an app that has enabled PKCE
/// may hand in a verifier.
fn client_or_public(call: &Call<'_>) -> Result<(App, bool), Refusal> {
    let secret = call.basic.is_some() || call.args.text("client_secret").is_some();
    let id = call.args.text("client_id").filter(|_| !secret);
    let app = id.and_then(|id| call.sandbox.app(&id));
    let proof =
        ["code_verifier", "refresh_token"].iter().any(|name| call.args.text(name).is_some());
    match app {
        Some(app) if app.public => Ok((app, true)),
        Some(_) if proof => Err(OAuthError::PkceNotAllowed.into()),
        Some(_) | None => {
            let app = client_of(call)?;
            if !app.public && call.args.text("code_verifier").is_some() {
                return Err(OAuthError::PkceNotAllowed.into());
            }
            Ok((app, false))
        }
    }
}

fn access(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let (app, public) = client_or_public(call)?;
    let now = call.sandbox.now().unix_timestamp();
    match call.args.text("grant_type").as_deref() {
        None | Some("authorization_code") => redeem(call, &app, public, now),
        Some("refresh_token") => refresh(call, &app, now),
        Some(_) => Err(OAuthError::InvalidGrantType.into()),
    }
}

fn redeem(call: &Call<'_>, app: &App, public: bool, now: i64) -> Result<Vec<u8>, Refusal> {
    let code = call.args.text("code").ok_or(OAuthError::InvalidCode)?;
    let redirect_uri = call.args.text("redirect_uri");
    let verifier = call.args.text("code_verifier");
    let redemption = Redemption {
        client_id: &app.client_id,
        public,
        code: &code,
        redirect_uri: redirect_uri.as_deref(),
        verifier: verifier.as_deref(),
    };
    let (grant, pairs) = call.sandbox.change_grants(|grants| {
        let (number, pairs) = grants.redeem(redemption, now)?;
        let grant = grants.grant(number).cloned().ok_or(OAuthError::InvalidCode)?;
        Ok::<_, OAuthError>((grant, pairs))
    })?;
    call.sandbox.note_app("app_installed", &grant);
    let mut body = frame(call, app, &grant);
    let mut user = Map::new();
    user.insert("id".to_owned(), json!(grant.user_id));
    for pair in pairs {
        match pair.kind {
            TokenKind::User => user.extend(token_fields(&pair, &grant)),
            TokenKind::Bot => {
                body.insert("bot_user_id".to_owned(), json!(grant.bot_user_id));
                body.extend(token_fields(&pair, &grant));
            }
        }
    }
    body.insert("authed_user".to_owned(), Value::Object(user));
    json_body(&body)
}

fn refresh(call: &Call<'_>, app: &App, now: i64) -> Result<Vec<u8>, Refusal> {
    let token = call.args.text("refresh_token").ok_or(OAuthError::InvalidRefreshToken)?;
    let grace = call.sandbox.options().refresh_grace_s;
    let (grant, pair) = call.sandbox.change_grants(|grants| {
        let (number, pair) = grants.refresh(&app.client_id, &token, grace, now)?;
        let grant = grants.grant(number).cloned().ok_or(OAuthError::InvalidRefreshToken)?;
        Ok::<_, OAuthError>((grant, pair))
    })?;
    pair_body(call, app, &grant, &pair)
}

fn exchange(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let app = client_of(call)?;
    if !app.rotation {
        return Err(OAuthError::TokenRotationNotEnabled.into());
    }
    let token = call.token.ok_or(OAuthError::InvalidToken)?;
    let now = call.sandbox.now().unix_timestamp();
    let (grant, pair) = call.sandbox.change_grants(|grants| {
        let (number, pair) = grants.exchange(&app.client_id, token, now)?;
        let grant = grants.grant(number).cloned().ok_or(OAuthError::AuthorizationNotFound)?;
        Ok::<_, OAuthError>((grant, pair))
    })?;
    pair_body(call, &app, &grant, &pair)
}

/// The answer that brings one pair.
fn pair_body(
    call: &Call<'_>,
    app: &App,
    grant: &Grant,
    pair: &TokenPair,
) -> Result<Vec<u8>, Refusal> {
    let mut body = frame(call, app, grant);
    match pair.kind {
        TokenKind::User => body.insert("id".to_owned(), json!(grant.user_id)),
        TokenKind::Bot => body.insert("bot_user_id".to_owned(), json!(grant.bot_user_id)),
    };
    body.extend(token_fields(pair, grant));
    json_body(&body)
}

/// What an answer says about the installation.
fn frame(call: &Call<'_>, app: &App, grant: &Grant) -> Map<String, Value> {
    let (team, enterprise) = call.sandbox.with_org(|org| {
        let team = match &grant.install {
            Install::Org => Value::Null,
            Install::Workspace(id) => {
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
        ("is_enterprise_install", Value::Bool(grant.install == Install::Org)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn token_fields(pair: &TokenPair, grant: &Grant) -> Map<String, Value> {
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
