//! The Web API: `/api/METHOD`. This file is the way every call goes: arguments, token, pace,
//! scope, and then the method's own function, one file a family.

mod admin_conversations;
mod admin_guests;
mod admin_levels;
mod admin_members;
mod admin_roles;
mod admin_sessions;
mod admin_team_settings;
mod admin_teams;
mod admin_usergroups;
mod admin_users;
mod args;
mod auth;
mod channel_object;
mod conversations;
mod files;
mod method;
mod multipart;
mod oauth;
mod refusal;
mod registry;
mod team;
mod team_admin;
mod user_object;
mod user_profile;
mod usergroup_object;
mod usergroups;
mod users;

use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::json;

use self::args::Args;
use self::method::{Access, Call, Method};
pub(super) use self::multipart::TYPE as FORM_DATA;
use self::refusal::Refusal;
use self::registry::find;
pub(super) use self::registry::list as list_methods;
pub(in crate::sandbox) use self::user_object::{View, user_object};
pub(in crate::sandbox) use self::usergroup_object::usergroup_object;
use super::exchange::{Outcome, Voice, exchange};
use crate::sandbox::Sandbox;
use crate::sandbox::grants::{Identity, Install, TokenError, TokenKind};
use crate::sandbox::limits::Budget;
use crate::sandbox::org::OrgLevel;

const VOICE: Voice = Voice {
    rate_limited: || {
        let body = json!({"ok": false, "error": "ratelimited"}).to_string().into_bytes();
        Outcome::new(StatusCode::TOO_MANY_REQUESTS, body, Some("ratelimited".to_owned()))
    },
    server_error: || {
        let body = json!({"ok": false, "error": "internal_error"}).to_string().into_bytes();
        let error = Some("internal_error".to_owned());
        Outcome::new(StatusCode::INTERNAL_SERVER_ERROR, body, error)
    },
    content_type: "application/json; charset=utf-8",
};

/// Any method, by GET or POST.
pub(super) async fn call_method(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let args = read_args(query.as_deref().unwrap_or_default(), &headers, body).await;
    let token = bearer(&headers)
        .map(str::to_owned)
        .or_else(|| args.as_ref().ok().and_then(|args| args.text("token")));
    let caller = identify(&sandbox, token.as_deref());
    let basic = basic(&headers);
    let account = match (&caller, &basic) {
        (Ok(caller), _) => Some(caller.user_id.clone()),
        (Err(_), Some((client_id, _))) => sandbox.app(client_id).map(|app| app.app_id),
        (Err(_), None) => {
            let client_id = args.as_ref().ok().and_then(|args| args.text("client_id"));
            client_id.and_then(|id| sandbox.app(&id)).map(|app| app.app_id)
        }
    };
    let found = find(&name);
    let journal_name = if found.is_some() { name.as_str() } else { "unknown_method" };
    let spender = account.clone();
    exchange(&sandbox, journal_name, account, VOICE, || {
        let Some(method) = found else {
            let refusal = Refusal::new("unknown_method").with("req_method", name.clone().into());
            return refusal.outcome();
        };
        let args = match &args {
            Ok(args) => args,
            Err(refusal) => return refusal.clone().outcome(),
        };
        let call = Call {
            sandbox: &sandbox,
            method: method.name,
            args,
            caller: caller.as_ref().map_err(|error| *error),
            token: token.as_deref(),
            basic: basic.as_ref(),
        };
        let mut outcome = perform(method, &call, spender.as_deref());
        add_scope_headers(&mut outcome.headers, method, caller.as_ref().ok());
        outcome
    })
    .await
}

/// The arguments of a call, whatever its body is.
async fn read_args(query: &str, headers: &HeaderMap, body: Bytes) -> Result<Args, Refusal> {
    let content_type = header(headers, &CONTENT_TYPE);
    if !content_type.starts_with(multipart::TYPE) {
        return Args::read(query, content_type, &body);
    }
    let form = multipart::as_form(content_type, body).await?;
    Args::read(query, "application/x-www-form-urlencoded", &form)
}

/// Pace, scope, arguments, and the work.
fn perform(method: &'static Method, call: &Call<'_>, spender: Option<&str>) -> Outcome {
    if let Err(wait) = call.sandbox.take(&budgets(method, call.caller.ok(), spender)) {
        return (VOICE.rate_limited)().retry_after(wait);
    }
    let done = method
        .access
        .check(call.caller)
        .and_then(|()| call.args.check(method.args))
        .and_then(|()| still_admin(method, call))
        .and_then(|()| (method.run)(call));
    match done {
        Ok(body) => Outcome::new(StatusCode::OK, body, None),
        Err(refusal) => refusal.outcome(),
    }
}

/// The power of an administrator's token goes with the rank of who gave it.
fn still_admin(method: &'static Method, call: &Call<'_>) -> Result<(), Refusal> {
    let (Access::Admin(_), Ok(caller)) = (method.access, call.caller) else {
        return Ok(());
    };
    let ranks = call.sandbox.with_org(|org| {
        org.find(&caller.user_id).is_some_and(|(_, person)| person.org_level >= OrgLevel::Admin)
    });
    if ranks { Ok(()) } else { Err(Refusal::new(unranked(method.name))) }
}

/// What a method says to somebody without rank: its own code, where its page has one.
fn unranked(method: &str) -> &'static str {
    match method {
        "admin.roles.addAssignments"
        | "admin.roles.listAssignments"
        | "admin.roles.removeAssignments" => "invalid_actor",
        "admin.users.getExpiration" => "no_perms",
        "admin.users.remove" => "invalid_permissions",
        "admin.teams.settings.info"
        | "admin.teams.settings.setDescription"
        | "admin.teams.settings.setDiscoverability"
        | "admin.teams.settings.setName"
        | "admin.users.list"
        | "admin.users.setExpiration" => "feature_not_enabled",
        _ => "not_an_admin",
    }
}

/// Who pays for a call: app, organization or workspace, and method.
fn budgets(
    method: &'static Method,
    caller: Option<&Identity>,
    spender: Option<&str>,
) -> Vec<Budget> {
    let key = match (caller, spender) {
        (Some(caller), _) => {
            let place = match &caller.install {
                Install::Org => "org",
                Install::Workspace(id) => id.as_str(),
            };
            format!("{} {place} {}", caller.client_id, method.name)
        }
        (None, Some(app)) => format!("{app} {}", method.name),
        (None, None) => return Vec::new(),
    };
    vec![Budget { key, pace: method.tier.pace() }]
}

/// Whom a token speaks for, and whether that account is still there.
pub(super) fn identify(sandbox: &Sandbox, token: Option<&str>) -> Result<Identity, TokenError> {
    let token = token.ok_or(TokenError::Missing)?;
    let now = sandbox.now().unix_timestamp();
    let identity = sandbox.with_grants(|grants| grants.identify(token, now))?;
    let active = sandbox
        .with_org(|org| org.find(&identity.user_id).is_some_and(|(_, person)| person.is_active()));
    let is_user = identity.kind == TokenKind::User;
    if is_user && !active { Err(TokenError::Inactive) } else { Ok(identity) }
}

/// The token of an `Authorization: Bearer` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header(headers, &AUTHORIZATION).split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// User and password of an `Authorization: Basic` header.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = header(headers, &AUTHORIZATION).split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // RFC 6749 has both parts form-encoded before they are put together.
    Some((form_decoded(user), form_decoded(password)))
}

fn form_decoded(text: &str) -> String {
    let pair = url::form_urlencoded::parse(text.as_bytes()).next();
    pair.map(|(text, _)| text.into_owned()).unwrap_or_default()
}

fn header<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn add_scope_headers(headers: &mut HeaderMap, method: &'static Method, caller: Option<&Identity>) {
    let Some(caller) = caller else { return };
    if let Ok(held) = HeaderValue::from_str(&caller.scopes.join(",")) {
        headers.insert("x-oauth-scopes", held);
    }
    let accepted = method.access.scopes();
    if let (false, Ok(accepted)) = (accepted.is_empty(), HeaderValue::from_str(&accepted.join(",")))
    {
        headers.insert("x-accepted-oauth-scopes", accepted);
    }
}
