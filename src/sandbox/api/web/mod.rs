//! The Web API: `/api/METHOD`. This file processes every call: arguments, token, rate limit and
//! scope; then it runs the method's handler. Each method family has its own file.

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
mod error;
mod files;
mod method;
mod multipart;
mod oauth;
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
use self::error::WebApiError;
use self::method::{Method, MethodAccess, MethodCall};
pub(super) use self::multipart::TYPE as FORM_DATA;
use self::registry::find;
pub(super) use self::registry::list as list_methods;
pub(in crate::sandbox) use self::user_object::{UserObjectOptions, user_object};
pub(in crate::sandbox) use self::usergroup_object::usergroup_object;
use super::fault_injection::{ApiErrorFormat, PendingResponse, handle_request};
use crate::sandbox::Sandbox;
use crate::sandbox::grants::{InstallTarget, SlackTokenType, TokenIdentity, TokenRejection};
use crate::sandbox::limits::RateBucket;
use crate::sandbox::org::OrgLevel;

const ERROR_FORMAT: ApiErrorFormat = ApiErrorFormat {
    rate_limited: || {
        let body = json!({"ok": false, "error": "ratelimited"}).to_string().into_bytes();
        PendingResponse::new(StatusCode::TOO_MANY_REQUESTS, body, Some("ratelimited".to_owned()))
    },
    server_error: || {
        let body = json!({"ok": false, "error": "internal_error"}).to_string().into_bytes();
        let error = Some("internal_error".to_owned());
        PendingResponse::new(StatusCode::INTERNAL_SERVER_ERROR, body, error)
    },
    content_type: "application/json; charset=utf-8",
};

/// Handles a call of any method, by GET or POST.
pub(super) async fn call_method(
    State(sandbox): State<Sandbox>,
    Path(name): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let args = parse_args(query.as_deref().unwrap_or_default(), &headers, body).await;
    let token = bearer(&headers)
        .map(str::to_owned)
        .or_else(|| args.as_ref().ok().and_then(|args| args.text("token")));
    let caller = authenticate(&sandbox, token.as_deref());
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
    let account_key = account.clone();
    handle_request(&sandbox, journal_name, account, ERROR_FORMAT, || {
        let Some(method) = found else {
            let refusal =
                WebApiError::new("unknown_method").with("req_method", name.clone().into());
            return refusal.into_pending_response();
        };
        let args = match &args {
            Ok(args) => args,
            Err(refusal) => return refusal.clone().into_pending_response(),
        };
        let call = MethodCall {
            sandbox: &sandbox,
            method: method.name,
            args,
            caller: caller.as_ref().map_err(|error| *error),
            token: token.as_deref(),
            basic: basic.as_ref(),
        };
        let mut outcome = execute(method, &call, account_key.as_deref());
        add_scope_headers(&mut outcome.headers, method, caller.as_ref().ok());
        outcome
    })
    .await
}

/// Parses the arguments from the query and the body.
async fn parse_args(query: &str, headers: &HeaderMap, body: Bytes) -> Result<Args, WebApiError> {
    let content_type = header(headers, &CONTENT_TYPE);
    if !content_type.starts_with(multipart::TYPE) {
        return Args::parse(query, content_type, &body);
    }
    let form = multipart::as_form(content_type, body).await?;
    Args::parse(query, "application/x-www-form-urlencoded", &form)
}

/// Checks rate limit, scope and arguments, and runs the handler.
fn execute(
    method: &'static Method,
    call: &MethodCall<'_>,
    account_key: Option<&str>,
) -> PendingResponse {
    if let Err(wait) =
        call.sandbox.take_rate_limit(&rate_buckets(method, call.caller.ok(), account_key))
    {
        return (ERROR_FORMAT.rate_limited)().retry_after(wait);
    }
    let done = method
        .access
        .check(call.caller)
        .and_then(|()| call.args.validate(method.args))
        .and_then(|()| check_admin_level(method, call))
        .and_then(|()| (method.run)(call));
    match done {
        Ok(body) => PendingResponse::new(StatusCode::OK, body, None),
        Err(refusal) => refusal.into_pending_response(),
    }
}

/// An administrator's token requires that its user still has an admin level.
fn check_admin_level(method: &'static Method, call: &MethodCall<'_>) -> Result<(), WebApiError> {
    let (MethodAccess::Admin(_), Ok(caller)) = (method.access, call.caller) else {
        return Ok(());
    };
    let ranks = call.sandbox.with_org(|org| {
        org.find(&caller.user_id).is_some_and(|(_, person)| person.org_level >= OrgLevel::Admin)
    });
    if ranks { Ok(()) } else { Err(WebApiError::new(not_admin_code(method.name))) }
}

/// Returns the method's error code for users without an admin level.
fn not_admin_code(method: &str) -> &'static str {
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

/// Returns the rate limit buckets of a call: app, organization or workspace, and method.
fn rate_buckets(
    method: &'static Method,
    caller: Option<&TokenIdentity>,
    account_key: Option<&str>,
) -> Vec<RateBucket> {
    let key = match (caller, account_key) {
        (Some(caller), _) => {
            let place = match &caller.install {
                InstallTarget::Org => "org",
                InstallTarget::Workspace(id) => id.as_str(),
            };
            format!("{} {place} {}", caller.client_id, method.name)
        }
        (None, Some(app)) => format!("{app} {}", method.name),
        (None, None) => return Vec::new(),
    };
    vec![RateBucket { key, rate_limit: method.tier.rate_limit() }]
}

/// Returns the identity behind a token if its account is active.
pub(super) fn authenticate(
    sandbox: &Sandbox,
    token: Option<&str>,
) -> Result<TokenIdentity, TokenRejection> {
    let token = token.ok_or(TokenRejection::Missing)?;
    let now = sandbox.now().unix_timestamp();
    let identity = sandbox.with_grants(|grants| grants.authenticate(token, now))?;
    let active = sandbox
        .with_org(|org| org.find(&identity.user_id).is_some_and(|(_, person)| person.is_active()));
    let is_user = identity.kind == SlackTokenType::User;
    if is_user && !active { Err(TokenRejection::Inactive) } else { Ok(identity) }
}

/// Returns the token of an `Authorization: Bearer` header.
pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = header(headers, &AUTHORIZATION).split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Returns user name and password of an `Authorization: Basic` header.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let (scheme, encoded) = header(headers, &AUTHORIZATION).split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    // RFC 6749 form-encodes both parts before they are joined.
    Some((form_decoded(user), form_decoded(password)))
}

fn form_decoded(text: &str) -> String {
    let pair = url::form_urlencoded::parse(text.as_bytes()).next();
    pair.map(|(text, _)| text.into_owned()).unwrap_or_default()
}

fn header<'a>(headers: &'a HeaderMap, name: &http::HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn add_scope_headers(
    headers: &mut HeaderMap,
    method: &'static Method,
    caller: Option<&TokenIdentity>,
) {
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
