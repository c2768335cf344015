//! SCIM 1.1 and 2.0: two skins over the same organization.
//!
//! <https://docs.slack.dev/reference/scim-api>

mod body;
mod discovery;
mod draft;
mod endpoint;
mod extension;
mod filter;
mod group;
mod membership;
mod pair;
mod patch;
mod path;
mod provision;
mod schemas;
mod single;
mod user;
mod value;
mod version;
mod window;

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};
use time::Duration;

use self::endpoint::{Action, Endpoint};
use self::version::{Trouble, Version, created, nothing, success};
use self::window::Window;
use super::exchange::{Outcome, exchange};
use super::web::{bearer, identify};
use crate::sandbox::Sandbox;
use crate::sandbox::grants::{Identity, Install, TokenError};

/// How long somebody is asked to wait whose user or group is being changed.
const PATIENCE: Duration = Duration::SECOND;

/// `/scim/v2` without anything behind it.
pub(super) async fn call_root(
    sandbox: State<Sandbox>,
    Path(version): Path<String>,
    query: Query<HashMap<String, String>>,
    verb: Method,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    call_path(sandbox, Path((version, String::new())), query, verb, headers, body).await
}

/// Any endpoint of either version. Whatever changes a user or a group keeps others from changing
/// it until it is answered.
pub(super) async fn call_path(
    State(sandbox): State<Sandbox>,
    Path((version, path)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    verb: Method,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let known = Version::of(&version);
    let version = known.unwrap_or(Version::Two);
    let caller = identify(&sandbox, bearer(&headers));
    let account = caller.as_ref().ok().map(|caller| caller.user_id.clone());
    let endpoint = known.and_then(|version| Endpoint::of(version, &path));
    let action = Action::of(&verb);
    let name = endpoint::name(endpoint.as_ref(), action);
    let object = endpoint.as_ref().and_then(Endpoint::object);
    let object = object.filter(|_| action != Some(Action::Read) && caller.is_ok());
    let turn = object.map(|id| sandbox.begin_change(id));
    let work = || {
        let caller = authorize(&caller)?;
        let asked = Asked { sandbox: &sandbox, version, query: &query, caller };
        if known.is_none() {
            return Err(Trouble::missing("unsupported_version"));
        }
        if let Err(wait) = sandbox.take(&endpoint::budgets(&name, action)) {
            return Ok((version.voice().rate_limited)().retry_after(wait));
        }
        let endpoint = endpoint.as_ref().ok_or_else(|| Trouble::missing("bad_endpoint"))?;
        let action = endpoint.check(action)?;
        if let Some(None) = turn {
            return Ok(version.error(locked(endpoint)).retry_after(PATIENCE));
        }
        asked.answer(endpoint, action, body)
    };
    exchange(&sandbox, &name, account, version.voice(), || {
        work().unwrap_or_else(|trouble| version.error(trouble))
    })
    .await
}

/// Somebody else is changing it.
fn locked(endpoint: &Endpoint) -> Trouble {
    let group = matches!(endpoint, Endpoint::Groups(_));
    let code = if group { "resource_locked" } else { "too_many_requests" };
    Trouble(StatusCode::TOO_MANY_REQUESTS, code)
}

/// A question of somebody who may ask.
struct Asked<'a> {
    sandbox: &'a Sandbox,
    version: Version,
    query: &'a HashMap<String, String>,
    caller: &'a Identity,
}

impl Asked<'_> {
    fn answer(
        &self,
        endpoint: &Endpoint,
        action: Action,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Outcome, Trouble> {
        let base = self.sandbox.options().base_url.as_deref();
        let base = base.unwrap_or("https://api.slack.com").trim_end_matches('/');
        match action {
            Action::Read => self.read(endpoint, base).map(|body| success(&body)),
            Action::Delete => self.delete(endpoint).map(|()| nothing()),
            Action::Create | Action::Replace | Action::Change => {
                let body = body::read(body)?;
                let shown = self.write(endpoint, action, base, &body)?;
                Ok(if action == Action::Create { created(&shown) } else { success(&shown) })
            }
        }
    }

    fn read(&self, endpoint: &Endpoint, base: &str) -> Result<Value, Trouble> {
        let version = self.version;
        let window = || Window::read(self.query);
        self.sandbox.with_org(|org| match endpoint {
            Endpoint::Users(Some(id)) => user::get(org, version, base, id),
            Endpoint::Users(None) => {
                let filter = self.query.get("filter").map(String::as_str);
                user::list(org, version, base, window()?, filter)
            }
            Endpoint::Groups(Some(id)) => group::get(org, version, base, id),
            Endpoint::Groups(None) => Ok(group::list(org, version, base, window()?)),
            Endpoint::About(about) => {
                let page = discovery::page(version, base, about);
                page.ok_or_else(|| Trouble::missing("bad_endpoint"))
            }
        })
    }

    fn write(
        &self,
        endpoint: &Endpoint,
        action: Action,
        base: &str,
        body: &Map<String, Value>,
    ) -> Result<Value, Trouble> {
        let version = self.version;
        let replaces = action == Action::Replace;
        self.sandbox.change_org_as(self.caller, |edit| match endpoint {
            Endpoint::Users(None) => provision::create(edit, version, base, body),
            Endpoint::Users(Some(id)) if replaces => {
                provision::replace(edit, version, base, id, body)
            }
            Endpoint::Users(Some(id)) => provision::change(edit, version, base, id, body),
            Endpoint::Groups(None) => membership::create(edit, version, base, body),
            Endpoint::Groups(Some(id)) if replaces => {
                membership::replace(edit, version, base, id, body)
            }
            Endpoint::Groups(Some(id)) => membership::change(edit, version, base, id, body),
            Endpoint::About(_) => Err(Trouble::method()),
        })
    }

    fn delete(&self, endpoint: &Endpoint) -> Result<(), Trouble> {
        self.sandbox.change_org_as(self.caller, |edit| match endpoint {
            Endpoint::Users(Some(id)) => provision::switch_off(edit, id),
            Endpoint::Groups(Some(id)) => membership::delete(edit, id),
            Endpoint::Users(None) | Endpoint::Groups(None) | Endpoint::About(_) => {
                Err(Trouble::method())
            }
        })
    }
}

/// SCIM takes user tokens with `admin` of an app installed on the organization.
fn authorize(caller: &Result<Identity, TokenError>) -> Result<&Identity, Trouble> {
    let caller = match caller {
        Ok(caller) => caller,
        Err(TokenError::Missing) => {
            return Err(Trouble(StatusCode::UNAUTHORIZED, "missing_authentication"));
        }
        Err(
            TokenError::Unknown | TokenError::Expired | TokenError::Revoked | TokenError::Inactive,
        ) => return Err(Trouble(StatusCode::UNAUTHORIZED, "invalid_authentication")),
    };
    if caller.install != Install::Org {
        return Err(Trouble(StatusCode::FORBIDDEN, "non_org_teams_only"));
    }
    if !caller.scopes.iter().any(|scope| scope == "admin") {
        return Err(Trouble(StatusCode::UNAUTHORIZED, "invalid_authentication"));
    }
    Ok(caller)
}
