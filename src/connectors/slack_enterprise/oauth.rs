//! OAuth v2 of Slack: <https://docs.slack.dev/authentication/installing-with-oauth>.
//!
//! Slack's answer is no RFC 6749 answer: a failure is a 200, and the token of the person who installed
//! is inside of `authed_user`. [`normalize`] puts it into the standard's shape; a refresh answers at
//! the top or inside, so both places are read.

use std::collections::HashMap;

use http::StatusCode;
use serde_json::{Map, Value};
use url::Url;

use super::SlackEnterprise;
use crate::connectors::{LinkRefusal, LinkedGrant, OAuthLink};
use crate::domain::account::Organization;
use crate::upstream::{OAuthEndpoints, TokenAnswer, TrialAnswer};

/// The scopes of the person who installs, all on the organization. SCIM needs `admin`.
const SCOPES: &[&str] = &[
    "admin",
    "admin.users:read",
    "admin.users:write",
    "admin.teams:read",
    "admin.teams:write",
    "admin.roles:read",
    "admin.roles:write",
    "admin.usergroups:read",
    "admin.usergroups:write",
    "users:read",
    "users:read.email",
    "team:read",
    "auditlogs:read",
];

/// What the token answer keeps beside the standard's fields.
const USER_ID: &str = "user_id";
const ENTERPRISE: &str = "enterprise";
const IS_ENTERPRISE_INSTALL: &str = "is_enterprise_install";

pub(super) fn endpoints(web_url: &Url) -> Result<OAuthEndpoints, url::ParseError> {
    Ok(OAuthEndpoints {
        authorize_url: web_url.join("oauth/v2/authorize")?,
        token_url: web_url.join("api/oauth.v2.access")?,
        trial_url: web_url.join("api/auth.test")?,
        normalize,
    })
}

impl OAuthLink for SlackEnterprise {
    fn endpoints(&self) -> &OAuthEndpoints {
        &self.oauth
    }

    fn scope_parameter(&self) -> &'static str {
        "user_scope"
    }

    fn default_scopes(&self) -> &'static [&'static str] {
        SCOPES
    }

    fn describe_scope(&self, scope: &str) -> Option<&'static str> {
        Some(match scope {
            "admin" => "Provision people and groups (SCIM)",
            "admin.users:read" | "users:read" => "See the people of the organization",
            "users:read.email" => "See people's e-mail addresses",
            "admin.users:write" => "Invite, change and remove people",
            "admin.teams:read" | "team:read" => "See the workspaces",
            "admin.teams:write" => "Create and change workspaces",
            "admin.roles:read" => "See who holds which role",
            "admin.roles:write" => "Give and take roles",
            "admin.usergroups:read" => "See the user groups",
            "admin.usergroups:write" => "Change the user groups",
            "auditlogs:read" => "Read the audit log",
            _ => return None,
        })
    }

    fn read_grant(&self, answer: TokenAnswer) -> Result<LinkedGrant, LinkRefusal> {
        let TokenAnswer { grant, scopes, mut extra } = answer;
        if extra.get(IS_ENTERPRISE_INSTALL) != Some(&Value::Bool(true)) {
            return Err(LinkRefusal::NotOrganizationWide);
        }
        let Some(installer_id) = text(&mut extra, USER_ID) else {
            return Err(LinkRefusal::NoUserToken);
        };
        let enterprise = extra.remove(ENTERPRISE).ok_or(LinkRefusal::Unreadable)?;
        let field = |name| enterprise.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = field("id").ok_or(LinkRefusal::Unreadable)?;
        let name = field("name").unwrap_or_else(|| id.clone());
        let (organization, installer_id) =
            (Organization { id: id.into(), name }, Some(installer_id));
        Ok(LinkedGrant { grant, organization, installer_id, scopes })
    }

    /// <https://docs.slack.dev/reference/methods/auth.test>; the header `x-oauth-scopes` has what the
    /// token permits.
    fn read_trial(
        &self,
        answer: &TrialAnswer,
        linked: &mut LinkedGrant,
    ) -> Result<(), LinkRefusal> {
        let field = |name| answer.body.get(name).and_then(Value::as_str);
        let is_ours = answer.body.get("ok") == Some(&Value::Bool(true))
            && field("user_id") == linked.installer_id.as_deref()
            && field("enterprise_id").is_none_or(|id| id == &*linked.organization.id);
        if !is_ours {
            return Err(LinkRefusal::NotAccepted);
        }
        let scopes = answer.headers.get("x-oauth-scopes").and_then(|held| held.to_str().ok());
        if let Some(scopes) = scopes {
            let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty());
            linked.scopes = scopes.map(str::to_owned).collect();
        }
        Ok(())
    }
}

fn text(extra: &mut HashMap<String, Value>, name: &str) -> Option<String> {
    match extra.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Slack's answer in the shape of RFC 6749 §5. What can't be read stays as it is, for the crate to
/// refuse.
fn normalize(answer: http::Response<Vec<u8>>) -> http::Response<Vec<u8>> {
    let (mut head, body) = answer.into_parts();
    if head.status == StatusCode::TOO_MANY_REQUESTS {
        return refused(head, "ratelimited");
    }
    if head.status.is_server_error() {
        return refused(head, "server_error");
    }
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(&body) else {
        return http::Response::from_parts(head, body);
    };
    if fields.get("ok") != Some(&Value::Bool(true)) {
        let code = fields.get("error").and_then(Value::as_str).unwrap_or("unknown_error");
        return refused(head, code);
    }
    head.status = StatusCode::OK;
    http::Response::from_parts(head, Value::Object(standard(&mut fields)).to_string().into_bytes())
}

/// The token of the person, with the standard's names; nothing of the bot's.
fn standard(fields: &mut Map<String, Value>) -> Map<String, Value> {
    let mut kept = Map::new();
    for name in [ENTERPRISE, IS_ENTERPRISE_INSTALL] {
        if let Some(value) = fields.remove(name) {
            kept.insert(name.to_owned(), value);
        }
    }
    let mut holder = match fields.remove("authed_user") {
        Some(Value::Object(user)) if user.contains_key("access_token") => user,
        _ => std::mem::take(fields),
    };
    for name in ["access_token", "refresh_token", "expires_in", "token_type"] {
        if let Some(value) = holder.remove(name).filter(|value| !value.is_null()) {
            kept.insert(name.to_owned(), value);
        }
    }
    if let Some(Value::String(scopes)) = holder.remove("scope") {
        kept.insert("scope".to_owned(), scopes.replace(',', " ").into());
    }
    if let Some(id) = holder.remove("id") {
        kept.insert(USER_ID.to_owned(), id);
    }
    kept
}

fn refused(mut head: http::response::Parts, code: &str) -> http::Response<Vec<u8>> {
    head.status = StatusCode::BAD_REQUEST;
    http::Response::from_parts(head, serde_json::json!({ "error": code }).to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normalized(status: u16, body: &Value) -> (u16, Value) {
        let mut answer = http::Response::new(body.to_string().into_bytes());
        *answer.status_mut() = status.try_into().unwrap();
        let answer = normalize(answer);
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap())
    }

    #[test]
    fn the_token_of_the_person_is_taken_and_the_bots_is_not() {
        let (status, body) = normalized(
            200,
            &serde_json::json!({
                "ok": true, "access_token": "bot", "token_type": "bot", "scope": "chat:write",
                "authed_user": {"id": "U1", "access_token": "person", "token_type": "user",
                    "refresh_token": "next", "expires_in": 43200, "scope": "admin,users:read"},
                "team": null, "enterprise": {"id": "E1", "name": "Org"}, "is_enterprise_install": true,
            }),
        );
        assert_eq!(status, 200);
        assert_eq!(
            body,
            serde_json::json!({
                "access_token": "person", "token_type": "user", "refresh_token": "next",
                "expires_in": 43200, "scope": "admin users:read", "user_id": "U1",
                "enterprise": {"id": "E1", "name": "Org"}, "is_enterprise_install": true,
            })
        );
    }

    #[test]
    fn a_refreshed_token_is_read_at_the_top() {
        let (_, body) = normalized(
            200,
            &serde_json::json!({"ok": true, "access_token": "a", "refresh_token": "r",
                "token_type": "user", "expires_in": 43200, "scope": "admin"}),
        );
        assert_eq!(body.get("access_token"), Some(&"a".into()));
        assert_eq!(body.get("refresh_token"), Some(&"r".into()));
    }

    #[test]
    fn a_refusal_becomes_the_standards() {
        let refusal = serde_json::json!({"ok": false, "error": "invalid_refresh_token"});
        assert_eq!(
            normalized(200, &refusal),
            (400, serde_json::json!({"error": "invalid_refresh_token"}))
        );
        let (status, body) = normalized(503, &Value::Null);
        assert_eq!((status, body), (400, serde_json::json!({"error": "server_error"})));
    }
}
