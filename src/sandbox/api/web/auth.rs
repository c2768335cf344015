//! `api.test`, `auth.*` and `apps.uninstall`.

use serde_json::{Value, json};

use super::args::{Form, optional, required};
use super::method::{Access, Call, Method, Sizes, json_body, page};
use super::oauth::client_of;
use super::refusal::Refusal;
use super::team::icon;
use crate::sandbox::Tier;
use crate::sandbox::grants::{Install, TokenKind};
use crate::sandbox::org::Workspace;

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "api.test",
        tier: Tier::Four,
        access: Access::Open,
        args: &[optional("error", Form::Text)],
        run: api_test,
    },
    Method {
        name: "auth.test",
        tier: Tier::Special,
        access: Access::AnyToken,
        args: &[],
        run: auth_test,
    },
    Method {
        name: "auth.revoke",
        tier: Tier::Three,
        access: Access::Open,
        args: &[optional("test", Form::Flag)],
        run: auth_revoke,
    },
    Method {
        name: "auth.teams.list",
        tier: Tier::Two,
        access: Access::AnyToken,
        args: &[
            optional("cursor", Form::Text),
            optional("include_icon", Form::Flag),
            optional("limit", Form::Count),
        ],
        run: teams_list,
    },
    Method {
        name: "apps.uninstall",
        tier: Tier::One,
        access: Access::AnyToken,
        args: &[required("client_id", Form::Text), required("client_secret", Form::Text)],
        run: apps_uninstall,
    },
];

fn api_test(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let args = Value::Object(call.args.echo());
    match call.args.text("error") {
        Some(error) => Err(Refusal::spoken(error).with("args", args)),
        None => json_body(&json!({"ok": true, "args": args})),
    }
}

fn auth_test(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let caller = call.caller?;
    let app = call.sandbox.app(&caller.client_id);
    let now = call.sandbox.now().unix_timestamp();
    let mut body = call.sandbox.with_org(|org| {
        let user = org.find(&caller.user_id).map(|(_, person)| person.username.clone());
        let place = match &caller.install {
            Install::Org => None,
            Install::Workspace(id) => org.workspace(id).map(|(_, workspace)| workspace),
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
            "is_enterprise_install": caller.install == Install::Org,
        })
    });
    if let Some(fields) = body.as_object_mut() {
        if caller.kind == TokenKind::Bot {
            fields.insert("bot_id".to_owned(), json!(format!("B{}", tail(&caller.user_id))));
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

/// An id without the letter of its kind.
fn tail(id: &str) -> &str {
    id.get(1..).unwrap_or_default()
}

fn auth_revoke(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let rehearsal = call.args.flag("test").unwrap_or(false);
    // A refresh token speaks for nobody, and can be taken back all the same.
    if let (Err(error), Some(token)) = (call.caller, call.token) {
        let is_back =
            !rehearsal && call.sandbox.change_grants(|grants| grants.revoke_refresh(token));
        return if is_back {
            json_body(&json!({"ok": true, "revoked": true}))
        } else {
            Err(error.into())
        };
    }
    call.caller?;
    if let (false, Some(token)) = (rehearsal, call.token)
        && let Some((grant, kind)) = call.sandbox.change_grants(|grants| grants.revoke(token))
    {
        call.sandbox.announce_revoked(&grant, &[kind]);
    }
    json_body(&json!({"ok": true, "revoked": !rehearsal}))
}

fn apps_uninstall(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let caller = call.caller?;
    let app = client_of(call)?;
    if app.client_id != caller.client_id {
        return Err(Refusal::new("client_id_token_mismatch"));
    }
    for grant in call.sandbox.change_grants(|grants| grants.uninstall(&app.client_id)) {
        call.sandbox.note_app("app_uninstalled", &grant);
        call.sandbox.announce_revoked(&grant, &[TokenKind::User, TokenKind::Bot]);
        call.sandbox.announce_uninstalled(&grant);
    }
    json_body(&json!({"ok": true}))
}

/// The workspaces that the app is installed on: all of them, for an installation on the organization.
fn teams_list(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let caller = call.caller?;
    let window = call.window(TEAMS)?;
    let icons = call.args.flag("include_icon").unwrap_or(false);
    call.sandbox.with_org(|org| {
        let teams = (0_u64..).zip(&org.workspaces).filter(|(position, team)| {
            let installed = match &caller.install {
                Install::Org => true,
                Install::Workspace(id) => team.id == *id,
            };
            installed && *position >= window.start
        });
        let (found, next) = page(teams, window.limit);
        let row = |team: &Workspace| {
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

const TEAMS: Sizes = Sizes { default: 100, most: 1_000, refuse: Some("invalid_limit") };
