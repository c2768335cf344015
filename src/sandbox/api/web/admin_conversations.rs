//! `admin.conversations.search`: the channels of the whole organization.

use serde_json::{Value, json};

use super::args::{Form, optional};
use super::json_body;
use super::method::{Access, Call, Method, Sizes, page};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::{Channel, Organization};

pub(super) const METHODS: &[Method] = &[Method {
    name: "admin.conversations.search",
    tier: Tier::Two,
    access: Access::Admin("admin.conversations:read"),
    args: &[
        optional("connected_team_ids", Form::List),
        optional("cursor", Form::Text),
        optional("limit", Form::Count),
        optional("query", Form::Text),
        optional("search_channel_types", Form::List),
        optional("sort", Form::Text),
        optional("sort_dir", Form::Text),
        optional("team_ids", Form::List),
        optional("total_count_only", Form::Flag),
    ],
    run: search,
}];

const SIZES: Sizes = Sizes { default: 10, most: 20, refuse: None };

/// The types that can be asked for; those that tell of sharing with others find nothing here.
const TYPES: &[&str] = &[
    "archived",
    "exclude_archived",
    "external_shared",
    "external_shared_exclude",
    "external_shared_private",
    "external_shared_archived",
    "multi_workspace",
    "org_wide",
    "private",
    "private_exclude",
];

/// A channel and how many are in it.
type Found<'o> = (usize, &'o Channel, usize);

fn search(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    let types = call.args.list("search_channel_types");
    if types.iter().any(|kind| !TYPES.contains(&kind.as_str())) {
        return Err(Refusal::new("invalid_search_channel_type"));
    }
    let descends = match call.args.text("sort_dir").as_deref() {
        None | Some("desc") => true,
        Some("asc") => false,
        Some(_) => return Err(Refusal::new("invalid_sort_dir")),
    };
    call.sandbox.with_org(|org| {
        let mut found = matches(call, org, &types)?;
        match call.args.text("sort").as_deref() {
            None | Some("member_count" | "relevant") => found.sort_by_key(|(_, _, count)| *count),
            Some("name") => found.sort_by(|a, b| a.1.name.cmp(&b.1.name)),
            Some("created") => found.sort_by_key(|(_, channel, _)| channel.created),
            Some(_) => return Err(Refusal::new("invalid_sort")),
        }
        if descends {
            found.reverse();
        }
        let total = found.len();
        if call.args.flag("total_count_only").unwrap_or(false) {
            return json_body(&json!({"ok": true, "total_count": total}));
        }
        let rows = (0_u64..).zip(found).skip_while(|(position, _)| *position < window.start);
        let (rows, next) = page(rows, window.limit);
        let rows: Vec<Value> = rows.into_iter().map(|found| conversation(org, found)).collect();
        json_body(&json!({
            "ok": true,
            "conversations": rows,
            "total_count": total,
            "next_cursor": call.next_cursor(next),
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

fn matches<'o>(
    call: &Call<'_>,
    org: &'o Organization,
    types: &[String],
) -> Result<Vec<Found<'o>>, Refusal> {
    let teams = call.args.list("team_ids");
    if teams.iter().any(|id| org.workspace(id).is_none()) {
        return Err(Refusal::new("team_not_found"));
    }
    let query = call.args.text("query").unwrap_or_default().to_lowercase();
    let has = |name: &str| types.iter().any(|kind| kind == name);
    let elsewhere = types.iter().any(|kind| {
        kind.starts_with("external_shared") && !kind.ends_with("exclude")
            || matches!(kind.as_str(), "multi_workspace" | "org_wide")
    });
    let wanted = |channel: &Channel| {
        !elsewhere
            && channel.name.contains(&query)
            && (channel.is_private || !has("private"))
            && (!channel.is_private || !has("private_exclude"))
            && (channel.is_archived || !has("archived"))
            && (!channel.is_archived || !has("exclude_archived"))
    };
    let all = org.workspaces.iter().enumerate();
    let all = all.filter(|(_, team)| teams.is_empty() || teams.contains(&team.id));
    let all = all.flat_map(|(at, team)| team.channels.iter().map(move |channel| (at, channel)));
    let found = all.filter(|(_, channel)| wanted(channel));
    Ok(found
        .map(|(at, channel)| (at, channel, org.channel_members(at, channel, 0).count()))
        .collect())
}

fn conversation(org: &Organization, (team, channel, count): Found<'_>) -> Value {
    let workspace = org.workspaces.get(team);
    let team_id = workspace.map(|workspace| &workspace.id);
    let owner = workspace.and_then(|workspace| org.person(workspace.primary_owner));
    let nothing = json!({"total_count": 0, "ownership_details": []});
    json!({
        "id": channel.id,
        "name": channel.name,
        "purpose": channel.purpose,
        "member_count": count,
        "created": channel.created,
        "creator_id": owner.map(|person| &person.id),
        "is_private": channel.is_private,
        "is_archived": channel.is_archived,
        "is_general": channel.is_general(),
        "last_activity_ts": channel.created,
        "is_ext_shared": false,
        "is_global_shared": false,
        "is_org_default": false,
        "is_org_mandatory": false,
        "is_org_shared": false,
        "is_frozen": false,
        "is_pending_ext_shared": false,
        "is_disconnect_in_progress": false,
        "internal_team_ids_count": 1,
        "internal_team_ids_sample_team": team_id,
        "internal_team_ids": [team_id],
        "pending_connected_team_ids": [],
        "connected_team_ids": [],
        "connected_limited_team_ids": [],
        "conversation_host_id": team_id,
        "context_team_id": team_id,
        "channel_email_addresses": [],
        "channel_manager_count": 0,
        "external_user_count": 0,
        "canvas": nothing,
        "lists": nothing,
        "properties": {},
    })
}
