//! Slack's OAuth v2: <https://docs.slack.dev/authentication/installing-with-oauth>.
//!
//! Slack's token response differs from RFC 6749: a failure is a 200, and the user's token is inside `authed_user`.
//! [`locate_token_fields`] finds the standard's fields; a refresh response has them at the top or inside, so both are
//! read.

use std::collections::HashMap;

use http::StatusCode;
use serde_json::{Map, Value};
use url::Url;

use super::SlackConnector;
use crate::connectors::{LinkRejection, LinkedGrant, OAuthLink};
use crate::domain::account::Organization;
use crate::upstream::{CodeExchangeResponse, OAuthEndpoints, TokenCheckResponse, TokenFields};

/// The user scopes to request, all for the organization. SCIM needs `admin`.
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

/// Fields of the token response beside the standard's.
const USER_ID: &str = "user_id";
const ENTERPRISE: &str = "enterprise";
const IS_ENTERPRISE_INSTALL: &str = "is_enterprise_install";

pub(super) fn endpoints(web_url: &Url) -> Result<OAuthEndpoints, url::ParseError> {
    Ok(OAuthEndpoints {
        authorize_url: web_url.join("oauth/v2/authorize")?,
        token_url: web_url.join("api/oauth.v2.access")?,
        token_check_url: web_url.join("api/auth.test")?,
        extract_fields: locate_token_fields,
    })
}

impl OAuthLink for SlackConnector {
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
            "admin" => "Provision users and groups (SCIM)",
            "admin.users:read" | "users:read" => "View the users of the organization",
            "users:read.email" => "View e-mail addresses of users",
            "admin.users:write" => "Invite, change and remove users",
            "admin.teams:read" | "team:read" => "View workspaces",
            "admin.teams:write" => "Create and change workspaces",
            "admin.roles:read" => "View role assignments",
            "admin.roles:write" => "Assign and remove roles",
            "admin.usergroups:read" => "View user groups",
            "admin.usergroups:write" => "Change user groups",
            "auditlogs:read" => "Read the audit log",
            _ => return None,
        })
    }

    fn read_grant(&self, response: CodeExchangeResponse) -> Result<LinkedGrant, LinkRejection> {
        let CodeExchangeResponse { grant, scopes, mut extra } = response;
        if extra.get(IS_ENTERPRISE_INSTALL) != Some(&Value::Bool(true)) {
            return Err(LinkRejection::NotOrganizationWide);
        }
        let Some(Value::String(installer_id)) = extra.remove(USER_ID) else {
            return Err(LinkRejection::NoUserToken);
        };
        let enterprise = extra.remove(ENTERPRISE).ok_or(LinkRejection::Unreadable)?;
        let field = |name| enterprise.get(name).and_then(Value::as_str).map(str::to_owned);
        let id = field("id").ok_or(LinkRejection::Unreadable)?;
        let name = field("name").unwrap_or_else(|| id.clone());
        let (organization, installer_id) =
            (Organization { id: id.into(), name }, Some(installer_id));
        Ok(LinkedGrant { grant, organization, installer_id, scopes, sample: Vec::new() })
    }

    /// Reads <https://docs.slack.dev/reference/methods/auth.test>; the header `x-oauth-scopes` has the granted scopes.
    fn read_token_check(
        &self,
        response: &TokenCheckResponse,
        linked: &mut LinkedGrant,
    ) -> Result<(), LinkRejection> {
        let field = |name| response.body.get(name).and_then(Value::as_str);
        let is_ours = response.body.get("ok") == Some(&Value::Bool(true))
            && field("user_id") == linked.installer_id.as_deref()
            && field("enterprise_id").is_none_or(|id| id == &*linked.organization.id);
        if !is_ours {
            return Err(LinkRejection::NotAccepted);
        }
        let scopes = response.headers.get("x-oauth-scopes").and_then(|held| held.to_str().ok());
        if let Some(scopes) = scopes {
            let scopes = scopes.split(',').map(str::trim).filter(|scope| !scope.is_empty());
            linked.scopes = scopes.map(str::to_owned).collect();
        }
        Ok(())
    }
}

fn text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    match fields.remove(name) {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

/// Finds the standard's fields in Slack's object. It is an error response by `"ok": false`, or by RFC 6749 §5.2; an
/// object without either, and without tokens, is not Slack's.
fn locate_token_fields(status: StatusCode, object: &mut Value) -> TokenFields {
    let Value::Object(top) = object else { return TokenFields::default() };
    let ok = top.remove("ok");
    let says_no = match &ok {
        Some(Value::Bool(ok)) => !ok,
        Some(Value::String(ok)) => ok.eq_ignore_ascii_case("false"),
        _ => matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED),
    };
    let code = text(top, "error").filter(|code| !code.trim().is_empty());
    if let Some(code) = code.filter(|_| says_no) {
        return TokenFields { error_code: Some(code), ..TokenFields::default() };
    }
    let mut extra: HashMap<String, Value> = [ENTERPRISE, IS_ENTERPRISE_INSTALL]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), top.remove(name)?)))
        .collect();
    let mut user = match top.remove("authed_user") {
        Some(Value::Object(user)) => user,
        _ => Map::new(),
    };
    let (person, bot) = (has_token(&user), has_token(top));
    let mut field = |name: &str| {
        let take = |map: &mut Map<String, Value>| map.remove(name).filter(|value| !value.is_null());
        match (person, bot) {
            // Fields beside the bot's token belong to the bot.
            (true, true) => take(&mut user),
            (true, false) => take(&mut user).or_else(|| take(top)),
            (false, _) => take(top).or_else(|| take(&mut user)),
        }
        .unwrap_or_default()
    };
    let fields = TokenFields {
        access_token: field("access_token"),
        refresh_token: field("refresh_token"),
        expires_in: field("expires_in"),
        scope: field("scope"),
        ..TokenFields::default()
    };
    if let id @ Value::String(_) = field("id") {
        extra.insert(USER_ID.to_owned(), id);
    }
    // Fields that were not taken are wiped with the rest.
    top.insert("authed_user".to_owned(), Value::Object(user));
    TokenFields { extra, ..fields }
}

/// Whether an object has an access token.
fn has_token(object: &Map<String, Value>) -> bool {
    let token = object.get("access_token").and_then(Value::as_str);
    token.is_some_and(|token| !token.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn located(status: u16, mut object: Value) -> TokenFields {
        locate_token_fields(status.try_into().unwrap(), &mut object)
    }

    #[test]
    fn reads_the_user_token_and_not_the_bot_token() {
        let fields = located(
            200,
            json!({
                "ok": true, "access_token": "bot", "token_type": "bot", "scope": "chat:write",
                "refresh_token": "bots", "expires_in": 100,
                "authed_user": {"id": "U1", "access_token": "person", "token_type": "user",
                    "scope": "admin,users:read"},
                "team": null, "enterprise": {"id": "E1", "name": "Org"}, "is_enterprise_install": true,
            }),
        );
        assert_eq!(fields.access_token, "person");
        assert_eq!((&fields.refresh_token, &fields.expires_in), (&Value::Null, &Value::Null));
        assert_eq!(fields.scope, "admin,users:read");
        assert_eq!(fields.extra[USER_ID], "U1");
        assert_eq!(fields.extra[ENTERPRISE], json!({"id": "E1", "name": "Org"}));
        assert_eq!(fields.extra[IS_ENTERPRISE_INSTALL], true);
    }

    #[test]
    fn reads_a_refreshed_token_at_the_top_and_inside() {
        let top = json!({"ok": true, "access_token": "a", "refresh_token": "r", "expires_in": 5});
        let inside =
            json!({"authed_user": {"access_token": "a", "refresh_token": "r"}, "expires_in": 5});
        let hollow = json!({"ok": true, "authed_user": {"id": "U1", "access_token": ""},
            "access_token": "a", "refresh_token": "r", "expires_in": 5});
        for object in [top, inside, hollow] {
            let fields = located(200, object);
            assert_eq!((&fields.access_token, &fields.refresh_token), (&json!("a"), &json!("r")));
            assert_eq!(fields.expires_in, 5);
        }
    }

    #[test]
    fn only_an_error_response_is_a_rejection() {
        let code = "invalid_refresh_token";
        for (status, object, expected) in [
            (200, json!({"ok": false, "error": code}), Some(code)),
            (400, json!({"error": code}), Some(code)),
            (401, json!({"error": code}), Some(code)),
            (200, json!({"error": code}), None),
            (403, json!({"error": "forbidden"}), None),
            (200, json!({"ok": false}), None),
            (200, json!({"ok": false, "error": " "}), None),
            (200, json!({"ok": true, "error": code}), None),
            (200, json!({}), None),
        ] {
            let fields = located(status, object.clone());
            assert_eq!(fields.error_code.as_deref(), expected, "{status} {object}");
        }
    }
}
