//! `conversations.list`, `.info`, `.members` and `users.conversations`: channels, read only.

use serde_json::{Value, json};

use super::args::{Form, optional, required};
use super::channel_object::{Channels, channel_object};
use super::json_body;
use super::method::{Access, Call, Method, Sizes, page};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::grants::Install;
use crate::sandbox::org::{Organization, PersonIndex};

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
    let id = call.args.text("channel").unwrap_or_default();
    let counted = call.args.flag("include_num_members").unwrap_or(false);
    call.sandbox.with_org(|org| {
        let me = caller(call, org)?;
        let missing = || Refusal::new("channel_not_found");
        let (team, channel) = org.channel(&id).ok_or_else(missing)?;
        let seen = !channel.is_private || org.is_in_channel(me, team, channel);
        if !seen || home(call, org)?.is_some_and(|own| own != team) {
            return Err(missing());
        }
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
    let window = call.window(SIZES)?;
    let wanted = Channels::read(call)?;
    call.sandbox.with_org(|org| {
        let me = caller(call, org)?;
        let team = team(call, org)?.ok_or_else(|| Refusal::new("missing_argument"))?;
        let rows = wanted.of(org, Some(team), window.start, |at, channel| {
            !channel.is_private || org.is_in_channel(me, at, channel)
        });
        let (found, next) = page(rows, window.limit);
        let row = |(team, channel)| {
            let mut object = channel_object(org, team, channel, me);
            if let Some(fields) = object.as_object_mut() {
                let count = org.channel_members(team, channel, 0).count();
                fields.insert("num_members".to_owned(), count.into());
            }
            object
        };
        let channels: Vec<Value> = found.into_iter().map(row).collect();
        json_body(&json!({
            "ok": true,
            "channels": channels,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

fn of_user(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(Sizes { most: 999, ..SIZES })?;
    let wanted = Channels::read(call)?;
    call.sandbox.with_org(|org| {
        let me = caller(call, org)?;
        let whose = match call.args.text("user") {
            None => me,
            Some(id) => org.find(&id).ok_or_else(|| Refusal::new("user_not_found"))?.0,
        };
        let team = team(call, org)?;
        let rows = wanted.of(org, team, window.start, |at, channel| {
            let seen = !channel.is_private || org.is_in_channel(me, at, channel);
            seen && org.is_in_channel(whose, at, channel)
        });
        let (found, next) = page(rows, window.limit);
        let channels: Vec<Value> =
            found.into_iter().map(|(team, one)| channel_object(org, team, one, me)).collect();
        json_body(&json!({
            "ok": true,
            "channels": channels,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

fn members(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let window = call.window(SIZES)?;
    let id = call.args.text("channel").unwrap_or_default();
    call.sandbox.with_org(|org| {
        let me = caller(call, org)?;
        let missing = || Refusal::new("channel_not_found");
        let (team, channel) = org.channel(&id).ok_or_else(missing)?;
        if channel.is_private && !org.is_in_channel(me, team, channel) {
            return Err(missing());
        }
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

/// The workspace that is asked about: the one of `team_id`, else that of the token.
fn team(call: &Call<'_>, org: &Organization) -> Result<Option<usize>, Refusal> {
    match call.args.text("team_id") {
        None => home(call, org),
        Some(id) => {
            let found = org.workspace(&id).map(|(number, _)| number);
            Ok(Some(found.ok_or_else(|| Refusal::new("team_not_found"))?))
        }
    }
}
