//! `admin.conversations.search`: the channels of the whole organization.

use serde_json::{Value, json};

use super::args::{ArgType, optional};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, PageSizes, json_body, take_page};
use crate::sandbox::Tier;
use crate::sandbox::org::{Channel, GridOrganization, OrgLevel};

pub(super) const METHODS: &[Method] = &[Method {
    name: "admin.conversations.search",
    tier: Tier::Two,
    access: MethodAccess::Admin("admin.conversations:read"),
    args: &[
        optional("connected_team_ids", ArgType::List),
        optional("cursor", ArgType::Text),
        optional("limit", ArgType::Count),
        optional("query", ArgType::Text),
        optional("search_channel_types", ArgType::List),
        optional("sort", ArgType::Text),
        optional("sort_dir", ArgType::Text),
        optional("team_ids", ArgType::List),
        optional("total_count_only", ArgType::Flag),
    ],
    run: search,
}];

const SIZES: PageSizes =
    PageSizes { default: 10, max: 20, out_of_range_error: Some("invalid_arguments") };

/// Predicate of a channel type.
type ChannelPredicate = fn(&Channel) -> bool;

/// Channel types of the request. No channel is shared with other organizations.
const TYPES: &[(&str, ChannelPredicate)] = &[
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

/// Workspace, channel and number of members.
type FoundChannel<'o> = (usize, &'o Channel, usize);

fn search(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    let types = types(call)?;
    let descends = match call.args.text("sort_dir").as_deref() {
        None | Some("desc") => true,
        Some("asc") => false,
        Some(_) => return Err(WebApiError::new("invalid_sort_dir")),
    };
    call.sandbox.with_org(|org| {
        let mut found = find_channels(call, org, &types)?;
        match call.args.text("sort").as_deref() {
            None | Some("member_count") => found.sort_by_key(|(_, _, count)| *count),
            Some("relevant") => found.sort_by_key(|(_, channel, _)| relevance(call, channel)),
            Some("name") => found.sort_by(|a, b| a.1.name.cmp(&b.1.name)),
            Some("created") => found.sort_by_key(|(_, channel, _)| channel.created),
            Some(_) => return Err(WebApiError::new("invalid_sort")),
        }
        if descends {
            found.reverse();
        }
        let total = found.len();
        if call.args.flag("total_count_only").unwrap_or(false) {
            return json_body(&json!({"ok": true, "total_count": total}));
        }
        let rows = (0_u64..).zip(found).skip_while(|(position, _)| *position < window.start);
        let (rows, next) = take_page(rows, window.limit);
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

fn types(call: &MethodCall<'_>) -> Result<Vec<(String, ChannelPredicate)>, WebApiError> {
    let fits = |word: String| {
        let known = TYPES.iter().find(|(name, _)| *name == word);
        let (_, fits) = known.ok_or_else(|| WebApiError::new("invalid_search_channel_type"))?;
        Ok((word, *fits))
    };
    call.args.list("search_channel_types").into_iter().map(fits).collect()
}

/// Sort key: an exact match first, then prefixes, then all others.
fn relevance(call: &MethodCall<'_>, channel: &Channel) -> (bool, bool) {
    let query = call.args.text("query").unwrap_or_default().to_lowercase();
    (channel.name == query, channel.name.starts_with(&query))
}

fn find_channels<'o>(
    call: &MethodCall<'_>,
    org: &'o GridOrganization,
    types: &[(String, ChannelPredicate)],
) -> Result<Vec<FoundChannel<'o>>, WebApiError> {
    let teams = call.args.list("team_ids");
    if teams.iter().any(|id| org.workspace(id).is_none()) {
        return Err(WebApiError::new("team_not_found"));
    }
    check_connected(call, org)?;
    // Only the primary owner manages private channels, except with an explicit argument.
    let caller = org.find(&call.caller?.user_id).map(|(_, person)| person.org_level);
    let sees_private = caller == Some(OrgLevel::PrimaryOwner);
    let for_private = |(word, _): &(String, ChannelPredicate)| {
        word.as_str() != "private_exclude" && word.starts_with("private")
    };
    if !sees_private && types.iter().any(for_private) {
        return Err(WebApiError::new("not_allowed"));
    }
    let query = call.args.text("query").unwrap_or_default().to_lowercase();
    // With several types, a channel matches if it has any of them.
    let is_match = |channel: &Channel| {
        (sees_private || !channel.is_private)
            && channel.name.contains(&query)
            && (types.is_empty() || types.iter().any(|(_, fits)| fits(channel)))
    };
    let all = org.workspaces.iter().enumerate();
    let all = all.filter(|(_, team)| teams.is_empty() || teams.contains(&team.id));
    let all = all.flat_map(|(at, team)| team.channels.iter().map(move |channel| (at, channel)));
    let found = all.filter(|(_, channel)| is_match(channel));
    Ok(found
        .map(|(at, channel)| (at, channel, org.channel_members(at, channel, 0).count()))
        .collect())
}

/// Rejects connected organizations: there are none.
fn check_connected(call: &MethodCall<'_>, org: &GridOrganization) -> Result<(), WebApiError> {
    let ids = call.args.list("connected_team_ids");
    if ids.iter().any(|id| org.workspace(id).is_some()) {
        return Err(WebApiError::new("connected_team_passed_in_is_not_top_level_team"));
    }
    match ids[..] {
        [] => Ok(()),
        [..] => Err(WebApiError::new("external_team_not_connected_to_this_org")),
    }
}

fn conversation(org: &GridOrganization, (team, channel, count): FoundChannel<'_>) -> Value {
    let workspace = org.workspaces.get(team);
    let team_id = workspace.map(|workspace| &workspace.id);
    let owner = workspace.and_then(|workspace| org.person(workspace.primary_owner));
    // The method's documentation shows -1 for archived channels.
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
        // No messages exist. In microseconds, unlike all other times here.
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
