//! `conversations.list`, `.info`, `.members` and `users.conversations`: channels, read only.

use serde_json::{Value, json};

use super::args::{Form, optional, required};
use super::channel_object::{Channels, channel_object, check_scope};
use super::method::{Access, Call, Method, Sizes, json_body, page};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::grants::Install;
use crate::sandbox::org::{Channel, Organization, PersonIndex};

/// One of them opens a method; each kind of channel needs its own.
const READ: Access = Access::AnyOf(&["channels:read", "groups:read", "im:read", "mpim:read"]);

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "conversations.info",
        tier: Tier::Three,
        access: READ,
        args: &[
            required("channel", Form::Text),
            optional("include_locale", Form::Flag),
            optional("include_num_members", Form::Flag),
        ],
        run: info,
    },
    Method {
        name: "conversations.list",
        tier: Tier::Two,
        access: READ,
        args: &[
            optional("cursor", Form::Text),
            optional("exclude_archived", Form::Flag),
            optional("limit", Form::Count),
            optional("team_id", Form::Text),
            optional("types", Form::List),
        ],
        run: list,
    },
    Method {
        name: "conversations.members",
        tier: Tier::Four,
        access: READ,
        args: &[
            required("channel", Form::Text),
            optional("cursor", Form::Text),
            optional("limit", Form::Count),
        ],
        run: members,
    },
    Method {
        name: "users.conversations",
        tier: Tier::Three,
        access: READ,
        args: &[
            optional("cursor", Form::Text),
            optional("exclude_archived", Form::Flag),
            optional("limit", Form::Count),
            optional("team_id", Form::Text),
            optional("types", Form::List),
            optional("user", Form::Text),
        ],
        run: of_user,
    },
];

const SIZES: Sizes = Sizes { default: 100, most: 1_000, refuse: Some("invalid_limit") };

fn info(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let counted = call.args.flag("include_num_members").unwrap_or(false);
    call.sandbox.with_org(|org| {
        let me = caller(call, org)?;
        let (team, channel) = visible(call, org, me)?;
        let mut object = channel_object(org, team, channel, me);
        if let Some(fields) = object.as_object_mut() {
            if counted {
                let count = org.channel_members(team, channel, 0).count();
                fields.insert("num_members".to_owned(), count.into());
            }
            if call.args.flag("include_locale").unwrap_or(false) {
                fields.insert("locale".to_owned(), "en-US".into());
            }
        }
        json_body(&json!({"ok": true, "channel": object}))
    })
}

fn list(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    channels(call, SIZES, |org, me, team, channel| {
        if channel.is_private && !org.is_in_channel(me, team, channel) {
            return None;
        }
        let mut object = channel_object(org, team, channel, me);
        let count = org.channel_members(team, channel, 0).count();
        object.as_object_mut()?.insert("num_members".to_owned(), count.into());
        Some(object)
    })
}

fn of_user(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let whose = match call.args.text("user") {
        None => None,
        Some(id) => {
            let found = call.sandbox.with_org(|org| org.find(&id).map(|(index, _)| index));
            Some(found.ok_or_else(|| Refusal::new("user_not_found"))?)
        }
    };
    channels(call, Sizes { most: 999, ..SIZES }, |org, me, team, channel| {
        let seen = !channel.is_private || org.is_in_channel(me, team, channel);
        let there = org.is_in_channel(whose.unwrap_or(me), team, channel);
        (seen && there).then(|| channel_object(org, team, channel, me))
    })
}

/// One page of a workspace's channels. What is not wanted is left out after the page is cut, as
/// the methods' pages say: it may hold fewer rows than asked for, and none at all.
fn channels(
    call: &Call<'_>,
    sizes: Sizes,
    show: impl Fn(&Organization, PersonIndex, usize, &Channel) -> Option<Value>,
) -> Result<Vec<u8>, Refusal> {
    let window = call.window(sizes)?;
    let wanted = Channels::read(call)?;
    call.sandbox.with_org(|org| {
        let me = caller(call, org)?;
        let team = team(call, org)?.ok_or_else(|| Refusal::new("missing_argument"))?;
        let all = org.workspaces.get(team).into_iter().flat_map(|one| &one.channels);
        let rows = (0_u64..).zip(all).skip_while(|(position, _)| *position < window.start);
        let (found, next) = page(rows, window.limit);
        let found = found.into_iter().filter(|channel| wanted.has(channel));
        let rows: Vec<Value> = found.filter_map(|one| show(org, me, team, one)).collect();
        json_body(&json!({
            "ok": true,
            "channels": rows,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

fn members(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    call.sandbox.with_org(|org| {
        let (team, channel) = visible(call, org, caller(call, org)?)?;
        let start = usize::try_from(window.start).unwrap_or(usize::MAX);
        let members = org.channel_members(team, channel, start);
        let rows = members
            .filter_map(|index| Some((u64::try_from(index).ok()?, org.person(index)?.id.as_str())));
        let (ids, next) = page(rows, window.limit);
        json_body(&json!({
            "ok": true,
            "members": ids,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

/// The channel that `channel` names, if the token reaches it and the account may see it.
fn visible<'o>(
    call: &Call<'_>,
    org: &'o Organization,
    me: PersonIndex,
) -> Result<(usize, &'o Channel), Refusal> {
    let id = call.args.text("channel").unwrap_or_default();
    let home = home(call, org)?;
    let found = org.channel(&id).filter(|(team, channel)| {
        let seen = !channel.is_private || org.is_in_channel(me, *team, channel);
        seen && home.is_none_or(|own| own == *team)
    });
    let (team, channel) = found.ok_or_else(|| Refusal::new("channel_not_found"))?;
    check_scope(call, if channel.is_private { "private_channel" } else { "public_channel" })?;
    Ok((team, channel))
}

/// The account that the token speaks for.
pub(super) fn caller(call: &Call<'_>, org: &Organization) -> Result<PersonIndex, Refusal> {
    let id = &call.caller?.user_id;
    Ok(org.find(id).ok_or_else(|| Refusal::new("account_inactive"))?.0)
}

/// The workspace of the token; none for a token of the organization.
fn home(call: &Call<'_>, org: &Organization) -> Result<Option<usize>, Refusal> {
    match &call.caller?.install {
        Install::Org => Ok(None),
        Install::Workspace(id) => Ok(org.workspace(id).map(|(number, _)| number)),
    }
}

/// The workspace that is asked about: that of the token, whatever the call says; for a token of the
/// organization the one of `team_id`.
fn team(call: &Call<'_>, org: &Organization) -> Result<Option<usize>, Refusal> {
    match (home(call, org)?, call.args.text("team_id")) {
        (Some(own), _) => Ok(Some(own)),
        (None, None) => Ok(None),
        (None, Some(id)) => {
            let found = org.workspace(&id).map(|(number, _)| number);
            Ok(Some(found.ok_or_else(|| Refusal::new("team_not_found"))?))
        }
    }
}
