//! SCIM 1.1 and 2.0 for the same organization.
//!
//! <https://docs.slack.dev/reference/scim-api>

mod body;
mod discovery;
mod endpoint;
mod extension;
mod filter;
mod group;
mod group_writes;
mod pagination;
mod patch;
mod path;
mod schemas;
mod single_value;
mod user;
mod user_attributes;
mod user_draft;
mod user_writes;
mod value;
mod value_pair;
mod version;

use std::collections::HashMap;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Map, Value};
use time::Duration;

use self::endpoint::{ScimAction, ScimEndpoint};
use self::pagination::ListWindow;
use self::version::{ScimError, ScimVersion, created, no_content, success};
use super::fault_injection::{PendingResponse, handle_request};
use super::web::{authenticate, bearer};
use crate::sandbox::Sandbox;
use crate::sandbox::grants::{InstallTarget, TokenIdentity, TokenRejection};

/// `Retry-After` for a resource that another request is changing.
const LOCKED_RETRY_AFTER: Duration = Duration::SECOND;

/// Handles `/scim/v2` without a path.
pub(super) async fn call_root(
    sandbox: State<Sandbox>,
    Path(version): Path<String>,
    query: Query<HashMap<String, String>>,
    method: Method,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    call_path(sandbox, Path((version, String::new())), query, method, headers, body).await
}

/// Handles any endpoint of either version. A write locks its user or group until the response is
/// ready.
pub(super) async fn call_path(
    State(sandbox): State<Sandbox>,
    Path((version, path)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    method: Method,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let known = ScimVersion::parse(&version);
    let version = known.unwrap_or(ScimVersion::Two);
    let caller = authenticate(&sandbox, bearer(&headers));
    let account = caller.as_ref().ok().map(|caller| caller.user_id.clone());
    let endpoint = known.and_then(|version| ScimEndpoint::parse(version, &path));
    let action = ScimAction::from_http_method(&method);
    let name = endpoint::method_name(endpoint.as_ref(), action);
    let object = endpoint.as_ref().and_then(ScimEndpoint::resource_id);
    let object = object.filter(|_| action != Some(ScimAction::Read) && caller.is_ok());
    let turn = object.map(|id| sandbox.lock_resource(id));
    let work = || {
        let caller = authorize(&caller)?;
        let request = ScimRequest { sandbox: &sandbox, version, query: &query, caller };
        if known.is_none() {
            return Err(ScimError::not_found("unsupported_version"));
        }
        if let Err(wait) = sandbox.take_rate_limit(&endpoint::rate_buckets(&name, action)) {
            return Ok((version.error_format().rate_limited)().retry_after(wait));
        }
        let endpoint = endpoint.as_ref().ok_or_else(|| ScimError::not_found("bad_endpoint"))?;
        let action = endpoint.check(action)?;
        if let Some(None) = turn {
            return Ok(version.error(locked_error(endpoint)).retry_after(LOCKED_RETRY_AFTER));
        }
        request.handle(endpoint, action, body)
    };
    handle_request(&sandbox, &name, account, version.error_format(), || {
        work().unwrap_or_else(|error| version.error(error))
    })
    .await
}

/// Returns the error for a locked resource.
fn locked_error(endpoint: &ScimEndpoint) -> ScimError {
    let group = matches!(endpoint, ScimEndpoint::Groups(_));
    let code = if group { "resource_locked" } else { "too_many_requests" };
    ScimError(StatusCode::TOO_MANY_REQUESTS, code)
}

/// An authorized request.
struct ScimRequest<'a> {
    sandbox: &'a Sandbox,
    version: ScimVersion,
    query: &'a HashMap<String, String>,
    caller: &'a TokenIdentity,
}

impl ScimRequest<'_> {
    fn handle(
        &self,
        endpoint: &ScimEndpoint,
        action: ScimAction,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<PendingResponse, ScimError> {
        let base = self.sandbox.options().base_url.as_deref();
        let base = base.unwrap_or("https://api.slack.com").trim_end_matches('/');
        match action {
            ScimAction::Read => self.read(endpoint, base).map(|body| success(&body)),
            ScimAction::Delete => self.delete(endpoint).map(|()| no_content()),
            ScimAction::Create | ScimAction::Replace | ScimAction::Patch => {
                let body = body::parse_body(body)?;
                let shown = self.write(endpoint, action, base, &body)?;
                Ok(if action == ScimAction::Create { created(&shown) } else { success(&shown) })
            }
        }
    }

    fn read(&self, endpoint: &ScimEndpoint, base: &str) -> Result<Value, ScimError> {
        let version = self.version;
        let window = || ListWindow::parse(self.query);
        self.sandbox.with_org(|org| match endpoint {
            ScimEndpoint::Users(Some(id)) => user::get(org, version, base, id),
            ScimEndpoint::Users(None) => {
                let filter = self.query.get("filter").map(String::as_str);
                user::list(org, version, base, window()?, filter)
            }
            ScimEndpoint::Groups(Some(id)) => group::get(org, version, base, id),
            ScimEndpoint::Groups(None) => Ok(group::list(org, version, base, window()?)),
            ScimEndpoint::Discovery(about) => {
                let page = discovery::page(version, base, about);
                page.ok_or_else(|| ScimError::not_found("bad_endpoint"))
            }
        })
    }

    fn write(
        &self,
        endpoint: &ScimEndpoint,
        action: ScimAction,
        base: &str,
        body: &Map<String, Value>,
    ) -> Result<Value, ScimError> {
        let version = self.version;
        let replaces = action == ScimAction::Replace;
        self.sandbox.change_org_on_behalf_of(self.caller, |edit| match endpoint {
            ScimEndpoint::Users(None) => user_writes::create(edit, version, base, body),
            ScimEndpoint::Users(Some(id)) if replaces => {
                user_writes::replace(edit, version, base, id, body)
            }
            ScimEndpoint::Users(Some(id)) => user_writes::change(edit, version, base, id, body),
            ScimEndpoint::Groups(None) => group_writes::create(edit, version, base, body),
            ScimEndpoint::Groups(Some(id)) if replaces => {
                group_writes::replace(edit, version, base, id, body)
            }
            ScimEndpoint::Groups(Some(id)) => group_writes::change(edit, version, base, id, body),
            ScimEndpoint::Discovery(_) => Err(ScimError::method_not_allowed()),
        })
    }

    fn delete(&self, endpoint: &ScimEndpoint) -> Result<(), ScimError> {
        self.sandbox.change_org_on_behalf_of(self.caller, |edit| match endpoint {
            ScimEndpoint::Users(Some(id)) => user_writes::deactivate(edit, id),
            ScimEndpoint::Groups(Some(id)) => group_writes::delete(edit, id),
            ScimEndpoint::Users(None) | ScimEndpoint::Groups(None) | ScimEndpoint::Discovery(_) => {
                Err(ScimError::method_not_allowed())
            }
        })
    }
}

/// Requires a user token with `admin` of an app installed on the organization.
fn authorize(caller: &Result<TokenIdentity, TokenRejection>) -> Result<&TokenIdentity, ScimError> {
    let caller = match caller {
        Ok(caller) => caller,
        Err(TokenRejection::Missing) => {
            return Err(ScimError(StatusCode::UNAUTHORIZED, "missing_authentication"));
        }
        Err(
            TokenRejection::Unknown
            | TokenRejection::Expired
            | TokenRejection::Revoked
            | TokenRejection::Inactive,
        ) => return Err(ScimError(StatusCode::UNAUTHORIZED, "invalid_authentication")),
    };
    if caller.install != InstallTarget::Org {
        return Err(ScimError(StatusCode::FORBIDDEN, "non_org_teams_only"));
    }
    if !caller.scopes.iter().any(|scope| scope == "admin") {
        return Err(ScimError(StatusCode::UNAUTHORIZED, "invalid_authentication"));
    }
    Ok(caller)
}
