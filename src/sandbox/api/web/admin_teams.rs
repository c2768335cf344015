//! `admin.teams.*`: the workspaces of the organization.

use serde_json::{Value, json};

use super::args::{ArgType, optional, required};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, PageSizes, json_body, take_page};
use super::team::icon;
use crate::sandbox::Tier;
use crate::sandbox::org::{GridOrganization, GridWorkspace, WorkspaceLevel};

const READ: MethodAccess = MethodAccess::Admin("admin.teams:read");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.teams.list",
        tier: Tier::Three,
        access: READ,
        args: &[optional("cursor", ArgType::Text), optional("limit", ArgType::Count)],
        run: list,
    },
    Method {
        name: "admin.teams.settings.info",
        tier: Tier::Three,
        access: READ,
        args: &[required("team_id", ArgType::Text)],
        run: settings,
    },
    Method {
        name: "admin.teams.owners.list",
        tier: Tier::Three,
        access: READ,
        args: &[
            required("team_id", ArgType::Text),
            optional("cursor", ArgType::Text),
            optional("limit", ArgType::Count),
        ],
        run: list_owners,
    },
    Method {
        name: "admin.teams.admins.list",
        tier: Tier::Three,
        access: READ,
        args: &[
            required("team_id", ArgType::Text),
            optional("cursor", ArgType::Text),
            optional("limit", ArgType::Count),
        ],
        run: list_admins,
    },
];

const SIZES: PageSizes =
    PageSizes { default: 100, max: 1_000, out_of_range_error: Some("invalid_limit") };

fn list(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    call.sandbox.with_org(|org| {
        let row = |workspace: &GridWorkspace| {
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
        let (found, next) = take_page(places, window.limit);
        let teams: Vec<Value> = found.into_iter().map(row).collect();
        json_body(&json!({
            "ok": true,
            "teams": teams,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

fn settings(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    call.sandbox.with_org(|org| {
        let (_, workspace) = requested_workspace(call, org)?;
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

fn list_owners(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    ids_with_level(call, "owner_ids", |level| level >= WorkspaceLevel::Owner)
}

fn list_admins(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    ids_with_level(call, "admin_ids", |level| level == WorkspaceLevel::Admin)
}

/// Lists the ids of the members with a level, in the method's own field.
fn ids_with_level(
    call: &MethodCall<'_>,
    field: &str,
    has: fn(WorkspaceLevel) -> bool,
) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    call.sandbox.with_org(|org| {
        let (number, workspace) = requested_workspace(call, org)?;
        let start = usize::try_from(window.start).unwrap_or(usize::MAX);
        let members = workspace.members.range(start..).filter_map(|index| {
            let person = org.person(*index).filter(|person| person.is_active())?;
            let level = person.membership(number)?.level;
            let position = u64::try_from(*index).unwrap_or(u64::MAX);
            has(level).then_some((position, person.id.as_str()))
        });
        let (ids, next) = take_page(members, window.limit);
        json_body(&json!({
            "ok": true,
            field: ids,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

/// Returns the workspace of `team_id`.
fn requested_workspace<'o>(
    call: &MethodCall<'_>,
    org: &'o GridOrganization,
) -> Result<(usize, &'o GridWorkspace), WebApiError> {
    let id = call.args.text("team_id").unwrap_or_default();
    org.workspace(&id).ok_or_else(|| WebApiError::new("team_not_found"))
}
