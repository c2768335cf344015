//! `admin.teams.*`: the workspaces of the organization.

use serde_json::{Value, json};

use super::args::{Form, optional, required};
use super::method::{Access, Call, Method, Sizes, json_body, page};
use super::refusal::Refusal;
use super::team::icon;
use crate::sandbox::Tier;
use crate::sandbox::org::{Level, Organization, Workspace};

const READ: Access = Access::Admin("admin.teams:read");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.teams.list",
        tier: Tier::Three,
        access: READ,
        args: &[optional("cursor", Form::Text), optional("limit", Form::Count)],
        run: list,
    },
    Method {
        name: "admin.teams.settings.info",
        tier: Tier::Three,
        access: READ,
        args: &[required("team_id", Form::Text)],
        run: settings,
    },
    Method {
        name: "admin.teams.owners.list",
        tier: Tier::Three,
        access: READ,
        args: &[
            required("team_id", Form::Text),
            optional("cursor", Form::Text),
            optional("limit", Form::Count),
        ],
        run: list_owners,
    },
    Method {
        name: "admin.teams.admins.list",
        tier: Tier::Three,
        access: READ,
        args: &[
            required("team_id", Form::Text),
            optional("cursor", Form::Text),
            optional("limit", Form::Count),
        ],
        run: list_admins,
    },
];

const SIZES: Sizes = Sizes { default: 100, most: 1_000, refuse: Some("invalid_limit") };

fn list(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    call.sandbox.with_org(|org| {
        let row = |workspace: &Workspace| {
            let owner = org.person(workspace.primary_owner);
            json!({
                "id": workspace.id,
                "name": workspace.name,
                "discoverability": workspace.discoverability.as_str(),
                "primary_owner": {
                    "user_id": owner.map(|person| &person.id),
                    "email": owner.map(|person| &person.email),
                },
                "team_url": workspace.url(),
            })
        };
        let start = usize::try_from(window.start).unwrap_or(usize::MAX);
        let places = (0_u64..).zip(&org.workspaces).skip(start);
        let (found, next) = page(places, window.limit);
        let teams: Vec<Value> = found.into_iter().map(row).collect();
        json_body(&json!({
            "ok": true,
            "teams": teams,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

fn settings(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    call.sandbox.with_org(|org| {
        let (_, workspace) = wanted(call, org)?;
        let channels: Vec<&str> =
            workspace.default_channels().map(|channel| channel.id.as_str()).collect();
        json_body(&json!({
            "ok": true,
            "team": {
                "id": workspace.id,
                "name": workspace.name,
                "url": workspace.url(),
                "domain": workspace.domain,
                "email_domain": org.email_domain,
                "icon": icon(&workspace.id, workspace.icon.as_deref()),
                "avatar_base_url": "https://ca.slack-edge.example/",
                "is_verified": false,
                "enterprise_id": org.id,
                "enterprise_name": org.name,
                "enterprise_domain": org.domain,
                "default_channels": channels,
            },
        }))
    })
}

fn list_owners(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    ranked(call, "owner_ids", |level| level >= Level::Owner)
}

fn list_admins(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    ranked(call, "admin_ids", |level| level == Level::Admin)
}

/// The ids of the members with a rank, under the name that the method gives them.
fn ranked(call: &Call<'_>, field: &str, has: fn(Level) -> bool) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    call.sandbox.with_org(|org| {
        let (number, workspace) = wanted(call, org)?;
        let start = usize::try_from(window.start).unwrap_or(usize::MAX);
        let members = workspace.members.range(start..).filter_map(|index| {
            let person = org.person(*index).filter(|person| person.is_active())?;
            let level = person.membership(number)?.level;
            let position = u64::try_from(*index).unwrap_or(u64::MAX);
            has(level).then_some((position, person.id.as_str()))
        });
        let (ids, next) = page(members, window.limit);
        json_body(&json!({
            "ok": true,
            field: ids,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

/// The workspace that `team_id` names.
fn wanted<'o>(call: &Call<'_>, org: &'o Organization) -> Result<(usize, &'o Workspace), Refusal> {
    let id = call.args.text("team_id").unwrap_or_default();
    org.workspace(&id).ok_or_else(|| Refusal::new("team_not_found"))
}
