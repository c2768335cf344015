//! `admin.conversations.search`: the channels of the whole organization.

use serde_json::{Value, json};

use super::args::{Form, optional};
use super::method::{Access, Call, Method, Sizes, json_body, page};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::{Channel, OrgLevel, Organization};

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

const SIZES: Sizes = Sizes { default: 10, most: 20, refuse: Some("invalid_arguments") };

/// Whether a channel is of a type.
type Fits = fn(&Channel) -> bool;

/// The types that can be asked for. No channel here is shared with others.
const TYPES: &[(&str, Fits)] = &[
    ("archived", |one| one.is_archived),
    ("exclude_archived", |one| !one.is_archived),
    ("exclude_org_shared", |_| true),
    ("external_shared", |_| false),
    ("external_shared_archived", |_| false),
    ("external_shared_exclude", |_| true),
    ("external_shared_private", |_| false),
    ("multi_workspace", |_| false),
    ("org_wide", |_| false),
    ("private", |one| one.is_private),
    ("private_exclude", |one| !one.is_private),
    ("private_exclude_archived", |one| one.is_private && !one.is_archived),
];

/// A channel and how many are in it.
type Found<'o> = (usize, &'o Channel, usize);

fn search(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    let types = types(call)?;
    let descends = match call.args.text("sort_dir").as_deref() {
        None | Some("desc") => true,
        Some("asc") => false,
        Some(_) => return Err(Refusal::new("invalid_sort_dir")),
    };
    call.sandbox.with_org(|org| {
        let mut found = matches(call, org, &types)?;
        match call.args.text("sort").as_deref() {
            None | Some("member_count") => found.sort_by_key(|(_, _, count)| *count),
            Some("relevant") => found.sort_by_key(|(_, channel, _)| relevance(call, channel)),
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

fn types(call: &Call<'_>) -> Result<Vec<(String, Fits)>, Refusal> {
    let fits = |word: String| {
        let known = TYPES.iter().find(|(name, _)| *name == word);
        let (_, fits) = known.ok_or_else(|| Refusal::new("invalid_search_channel_type"))?;
        Ok((word, *fits))
    };
    call.args.list("search_channel_types").into_iter().map(fits).collect()
}

/// The name itself comes before those that begin with it, and these before all others.
fn relevance(call: &Call<'_>, channel: &Channel) -> (bool, bool) {
    let query = call.args.text("query").unwrap_or_default().to_lowercase();
    (channel.name == query, channel.name.starts_with(&query))
}

fn matches<'o>(
    call: &Call<'_>,
    org: &'o Organization,
    types: &[(String, Fits)],
) -> Result<Vec<Found<'o>>, Refusal> {
    let teams = call.args.list("team_ids");
    if teams.iter().any(|id| org.workspace(id).is_none()) {
        return Err(Refusal::new("team_not_found"));
    }
    check_connected(call, org)?;
    // Only the primary owner manages private channels, unless somebody is told to.
    let caller = org.find(&call.caller?.user_id).map(|(_, person)| person.org_level);
    let sees_private = caller == Some(OrgLevel::PrimaryOwner);
    let for_private = |(word, _): &(String, Fits)| {
        word.as_str() != "private_exclude" && word.starts_with("private")
    };
    if !sees_private && types.iter().any(for_private) {
        return Err(Refusal::new("not_allowed"));
    }
    let query = call.args.text("query").unwrap_or_default().to_lowercase();
    // Of several types each lets its own channels in.
    let wanted = |channel: &Channel| {
        (sees_private || !channel.is_private)
            && channel.name.contains(&query)
            && (types.is_empty() || types.iter().any(|(_, fits)| fits(channel)))
    };
    let all = org.workspaces.iter().enumerate();
    let all = all.filter(|(_, team)| teams.is_empty() || teams.contains(&team.id));
    let all = all.flat_map(|(at, team)| team.channels.iter().map(move |channel| (at, channel)));
    let found = all.filter(|(_, channel)| wanted(channel));
    Ok(found
        .map(|(at, channel)| (at, channel, org.channel_members(at, channel, 0).count()))
        .collect())
}

/// No other organization is connected to this one.
fn check_connected(call: &Call<'_>, org: &Organization) -> Result<(), Refusal> {
    let ids = call.args.list("connected_team_ids");
    if ids.iter().any(|id| org.workspace(id).is_some()) {
        return Err(Refusal::new("connected_team_passed_in_is_not_top_level_team"));
    }
    match ids[..] {
        [] => Ok(()),
        [..] => Err(Refusal::new("external_team_not_connected_to_this_org")),
    }
}

fn conversation(org: &Organization, (team, channel, count): Found<'_>) -> Value {
    let workspace = org.workspaces.get(team);
    let team_id = workspace.map(|workspace| &workspace.id);
    let owner = workspace.and_then(|workspace| org.person(workspace.primary_owner));
    // The page of the method has -1 for closed channels.
    let count = i64::try_from(count).ok().filter(|_| !channel.is_archived).unwrap_or(-1);
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
        // Nobody ever wrote anything. Microseconds, unlike every other time here.
        "last_activity_ts": channel.created * 1_000_000,
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
