//! `api.test`, `auth.*` and `apps.uninstall`.

use serde_json::{Value, json};

use super::args::{ArgType, optional, required};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, PageSizes, json_body, take_page};
use super::oauth::authenticate_client;
use super::team::icon;
use crate::sandbox::Tier;
use crate::sandbox::grants::{InstallTarget, SlackTokenType};
use crate::sandbox::org::GridWorkspace;

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "api.test",
        tier: Tier::Four,
        access: MethodAccess::Public,
        args: &[optional("error", ArgType::Text)],
        run: api_test,
    },
    Method {
        name: "auth.test",
        tier: Tier::Special,
        access: MethodAccess::AnyToken,
        args: &[],
        run: auth_test,
    },
    Method {
        name: "auth.revoke",
        tier: Tier::Three,
        access: MethodAccess::Public,
        args: &[optional("test", ArgType::Flag)],
        run: auth_revoke,
    },
    Method {
        name: "auth.teams.list",
        tier: Tier::Two,
        access: MethodAccess::AnyToken,
        args: &[
            optional("cursor", ArgType::Text),
            optional("include_icon", ArgType::Flag),
            optional("limit", ArgType::Count),
        ],
        run: teams_list,
    },
    Method {
        name: "apps.uninstall",
        tier: Tier::One,
        access: MethodAccess::AnyToken,
        args: &[required("client_id", ArgType::Text), required("client_secret", ArgType::Text)],
        run: apps_uninstall,
    },
];

fn api_test(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let args = Value::Object(call.args.echo());
    match call.args.text("error") {
        Some(error) => Err(WebApiError::from_code(error).with("args", args)),
        None => json_body(&json!({"ok": true, "args": args})),
    }
}

fn auth_test(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let caller = call.caller?;
    let app = call.sandbox.app(&caller.client_id);
    let now = call.sandbox.now().unix_timestamp();
    let mut body = call.sandbox.with_org(|org| {
        let user = org.find(&caller.user_id).map(|(_, person)| person.username.clone());
        let place = match &caller.install {
            InstallTarget::Org => None,
            InstallTarget::Workspace(id) => org.workspace(id).map(|(_, workspace)| workspace),
        };
        let (url, team, team_id) = match place {
            None => (org.url(), &org.name, &org.id),
            Some(workspace) => (workspace.url(), &workspace.name, &workspace.id),
        };
        json!({
            "ok": true,
            "url": url,
            "team": team,
            "user": user,
            "team_id": team_id,
            "user_id": caller.user_id,
            "enterprise_id": org.id,
            "is_enterprise_install": caller.install == InstallTarget::Org,
        })
    });
    if let Some(fields) = body.as_object_mut() {
        if caller.kind == SlackTokenType::Bot {
            fields.insert("bot_id".to_owned(), json!(format!("B{}", id_suffix(&caller.user_id))));
        }
        if let Some(app) = app {
            fields.insert("app_id".to_owned(), json!(app.app_id));
            fields.insert("app_name".to_owned(), json!(app.name));
        }
        if let Some(at) = caller.expires_at {
            fields.insert("expires_in".to_owned(), json!(at - now));
        }
    }
    json_body(&body)
}

/// Returns an id without its type letter.
fn id_suffix(id: &str) -> &str {
    id.get(1..).unwrap_or_default()
}

fn auth_revoke(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let is_test = call.args.flag("test").unwrap_or(false);
    // A refresh token has no identity but can be revoked too.
    if let (Err(error), Some(token)) = (call.caller, call.token) {
        let is_back = !is_test && call.sandbox.change_grants(|grants| grants.revoke_refresh(token));
        return if is_back {
            json_body(&json!({"ok": true, "revoked": true}))
        } else {
            Err(error.into())
        };
    }
    call.caller?;
    if let (false, Some(token)) = (is_test, call.token)
        && let Some((grant, kind)) = call.sandbox.change_grants(|grants| grants.revoke(token))
    {
        call.sandbox.emit_tokens_revoked(&grant, &[kind]);
    }
    json_body(&json!({"ok": true, "revoked": !is_test}))
}

fn apps_uninstall(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let caller = call.caller?;
    let app = authenticate_client(call)?;
    if app.client_id != caller.client_id {
        return Err(WebApiError::new("client_id_token_mismatch"));
    }
    for grant in call.sandbox.change_grants(|grants| grants.uninstall(&app.client_id)) {
        call.sandbox.record_app_event("app_uninstalled", &grant);
        call.sandbox.emit_tokens_revoked(&grant, &[SlackTokenType::User, SlackTokenType::Bot]);
        call.sandbox.emit_app_uninstalled(&grant);
    }
    json_body(&json!({"ok": true}))
}

/// Lists the workspaces of the app's installation: all of them for one on the organization.
fn teams_list(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let caller = call.caller?;
    let window = call.window(TEAM_PAGE_SIZES)?;
    let icons = call.args.flag("include_icon").unwrap_or(false);
    call.sandbox.with_org(|org| {
        let teams = (0_u64..).zip(&org.workspaces).filter(|(position, team)| {
            let installed = match &caller.install {
                InstallTarget::Org => true,
                InstallTarget::Workspace(id) => team.id == *id,
            };
            installed && *position >= window.start
        });
        let (found, next) = take_page(teams, window.limit);
        let row = |team: &GridWorkspace| {
            let mut row = json!({"id": team.id, "name": team.name});
            if let (true, Some(fields)) = (icons, row.as_object_mut()) {
                fields.insert("icon".to_owned(), icon(&team.id, team.icon.as_deref()));
            }
            row
        };
        let rows: Vec<Value> = found.into_iter().map(row).collect();
        json_body(&json!({
            "ok": true,
            "teams": rows,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

const TEAM_PAGE_SIZES: PageSizes =
    PageSizes { default: 100, max: 1_000, out_of_range_error: Some("invalid_limit") };
