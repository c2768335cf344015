//! SCIM 1.1 and 2.0: two skins over the same organization. Reads only, so far.
//!
//! <https://docs.slack.dev/reference/scim-api>

mod discovery;
mod filter;
mod group;
mod schemas;
mod user;
mod version;
mod window;

use std::collections::HashMap;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, Method, StatusCode};
use serde_json::Value;

use self::version::{Schema, Trouble, Version, success};
use self::window::Window;
use super::exchange::{Outcome, exchange};
use super::web::{bearer, identify};
use crate::sandbox::grants::{Identity, Install, TokenError};
use crate::sandbox::limits::Budget;
use crate::sandbox::{Pace, Sandbox};

/// What a path and a verb ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Endpoint {
    Users,
    User(String),
    Groups,
    Group(String),
    Config,
    ResourceTypes,
    Schemas,
    UserSchema,
    GroupSchema,
}

/// `/scim/v2` without anything behind it.
pub(super) async fn call_root(
    sandbox: State<Sandbox>,
    Path(version): Path<String>,
    query: Query<HashMap<String, String>>,
    verb: Method,
    headers: HeaderMap,
) -> Response {
    call_path(sandbox, Path((version, String::new())), query, verb, headers).await
}

/// Any endpoint of either version.
pub(super) async fn call_path(
    State(sandbox): State<Sandbox>,
    Path((version, path)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
    verb: Method,
    headers: HeaderMap,
) -> Response {
    let Some(version) = Version::of(&version) else {
        return (StatusCode::NOT_FOUND, "unsupported_version").into_response();
    };
    let caller = identify(&sandbox, bearer(&headers));
    let account = caller.as_ref().ok().map(|caller| caller.user_id.clone());
    let endpoint = endpoint(version, &path);
    let name = name(endpoint.as_ref(), &verb);
    exchange(&sandbox, &name, account, version.voice(), || {
        let asked = Asked { sandbox: &sandbox, version, query: &query, verb: &verb, name: &name };
        match asked.answer(endpoint.as_ref(), &caller) {
            Ok(outcome) => outcome,
            Err(trouble) => version.error(trouble),
        }
    })
    .await
}

fn endpoint(version: Version, path: &str) -> Option<Endpoint> {
    let path = path.trim_matches('/');
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    let owned = || rest.to_owned();
    match (first, rest) {
        ("Users", "") => Some(Endpoint::Users),
        ("Users", _) => Some(Endpoint::User(owned())),
        ("Groups", "") => Some(Endpoint::Groups),
        ("Groups", _) => Some(Endpoint::Group(owned())),
        // Slack's own clients use the plural with version 2 as well.
        ("ServiceProviderConfig" | "ServiceProviderConfigs", "") => Some(Endpoint::Config),
        ("ResourceTypes", "") if version == Version::Two => Some(Endpoint::ResourceTypes),
        ("Schemas", "") if version == Version::Two => Some(Endpoint::Schemas),
        ("Schemas", "Users") => Some(Endpoint::UserSchema),
        ("Schemas", "Groups") => Some(Endpoint::GroupSchema),
        _ => None,
    }
}

/// The name of a call in the journal and for faults.
fn name(endpoint: Option<&Endpoint>, verb: &Method) -> String {
    let single = matches!(endpoint, Some(Endpoint::User(_) | Endpoint::Group(_)));
    let action = match verb.as_str() {
        "GET" if single => "get",
        "GET" => "list",
        "POST" => "create",
        "PUT" => "replace",
        "PATCH" => "update",
        "DELETE" => "delete",
        _ => "other",
    };
    let resource = match endpoint {
        Some(Endpoint::Users | Endpoint::User(_)) => "users",
        Some(Endpoint::Groups | Endpoint::Group(_)) => "groups",
        Some(Endpoint::Config) => return "scim.config.get".to_owned(),
        Some(Endpoint::ResourceTypes) => "resource_types",
        Some(Endpoint::Schemas | Endpoint::UserSchema | Endpoint::GroupSchema) => "schemas",
        None => "unknown",
    };
    format!("scim.{resource}.{action}")
}

/// A question, taken apart.
struct Asked<'a> {
    sandbox: &'a Sandbox,
    version: Version,
    query: &'a HashMap<String, String>,
    verb: &'a Method,
    name: &'a str,
}

impl Asked<'_> {
    fn answer(
        &self,
        endpoint: Option<&Endpoint>,
        caller: &Result<Identity, TokenError>,
    ) -> Result<Outcome, Trouble> {
        authorize(caller)?;
        if let Err(wait) = self.sandbox.take(&self.budgets()) {
            return Ok((self.version.voice().rate_limited)().retry_after(wait));
        }
        let endpoint = endpoint.ok_or_else(|| Trouble::missing("bad_endpoint"))?;
        if self.verb != Method::GET {
            return Err(Trouble(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed"));
        }
        self.read(endpoint).map(|body| success(&body))
    }

    fn read(&self, endpoint: &Endpoint) -> Result<Value, Trouble> {
        let base = self.sandbox.options().base_url.as_deref();
        let base = base.unwrap_or("https://api.slack.com").trim_end_matches('/');
        let version = self.version;
        self.sandbox.with_org(|org| match endpoint {
            Endpoint::Users => {
                let filter = self.query.get("filter").map(String::as_str);
                user::list(org, version, base, Window::read(self.query)?, filter)
            }
            Endpoint::User(id) => user::get(org, version, base, id),
            Endpoint::Groups => Ok(group::list(org, version, base, Window::read(self.query)?)),
            Endpoint::Group(id) => group::get(org, version, base, id),
            Endpoint::Config => Ok(discovery::service_provider_config(version)),
            Endpoint::ResourceTypes => Ok(discovery::resource_types(base)),
            Endpoint::Schemas => Ok(schemas::list(version)),
            Endpoint::UserSchema => Ok(schemas::page(version, Schema::User)),
            Endpoint::GroupSchema => Ok(schemas::page(version, Schema::Group)),
        })
    }

    /// The organization's budgets, shared by all apps: one for all calls of a sort, and one for
    /// the endpoint where Slack names one.
    fn budgets(&self) -> Vec<Budget> {
        let (sort, all) = if self.verb == Method::GET {
            ("scim reads", Pace::new(1_000, 1_000))
        } else {
            ("scim writes", Pace::new(600, 180))
        };
        let own = match self.name {
            "scim.users.get" | "scim.groups.get" => Some((self.name, Pace::new(300, 300))),
            "scim.users.create" | "scim.users.replace" | "scim.users.update"
            | "scim.users.delete" | "scim.groups.create" | "scim.groups.delete" => {
                Some((self.name, Pace::new(180, 20)))
            }
            "scim.groups.replace" | "scim.groups.update" => {
                Some(("scim.groups.update", Pace::new(180, 80)))
            }
            _ => None,
        };
        let budget = |(key, pace): (&str, Pace)| Budget { key: key.to_owned(), pace };
        std::iter::once((sort, all)).chain(own).map(budget).collect()
    }
}

/// SCIM takes user tokens with `admin` of an app installed on the organization.
fn authorize(caller: &Result<Identity, TokenError>) -> Result<(), Trouble> {
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
        return Err(Trouble(StatusCode::FORBIDDEN, "permission_denied"));
    }
    Ok(())
}
