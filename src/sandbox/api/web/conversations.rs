//! `conversations.list`, `.info`, `.members` and `users.conversations`: channels, read only.

use serde_json::{Value, json};

use super::args::{ArgType, optional, required};
use super::channel_object::{ChannelFilter, channel_object, check_scope};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, PageSizes, json_body, take_page};
use crate::sandbox::Tier;
use crate::sandbox::grants::InstallTarget;
use crate::sandbox::org::{Channel, GridOrganization, PersonIndex};

/// One of these scopes is enough for the method; each channel type requires its own.
const READ: MethodAccess =
    MethodAccess::AnyScope(&["channels:read", "groups:read", "im:read", "mpim:read"]);

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "conversations.info",
        tier: Tier::Three,
        access: READ,
        args: &[
            required("channel", ArgType::Text),
            optional("include_locale", ArgType::Flag),
            optional("include_num_members", ArgType::Flag),
        ],
        run: info,
    },
    Method {
        name: "conversations.list",
        tier: Tier::Two,
        access: READ,
        args: &[
            optional("cursor", ArgType::Text),
            optional("exclude_archived", ArgType::Flag),
            optional("limit", ArgType::Count),
            optional("team_id", ArgType::Text),
            optional("types", ArgType::List),
        ],
        run: list,
    },
    Method {
        name: "conversations.members",
        tier: Tier::Four,
        access: READ,
        args: &[
            required("channel", ArgType::Text),
            optional("cursor", ArgType::Text),
            optional("limit", ArgType::Count),
        ],
        run: members,
    },
    Method {
        name: "users.conversations",
        tier: Tier::Three,
        access: READ,
        args: &[
            optional("cursor", ArgType::Text),
            optional("exclude_archived", ArgType::Flag),
            optional("limit", ArgType::Count),
            optional("team_id", ArgType::Text),
            optional("types", ArgType::List),
            optional("user", ArgType::Text),
        ],
        run: of_user,
    },
];

const SIZES: PageSizes =
    PageSizes { default: 100, max: 1_000, out_of_range_error: Some("invalid_limit") };

fn info(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
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

fn list(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
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

fn of_user(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let whose = match call.args.text("user") {
        None => None,
        Some(id) => {
            let found = call.sandbox.with_org(|org| org.find(&id).map(|(index, _)| index));
            Some(found.ok_or_else(|| WebApiError::new("user_not_found"))?)
        }
    };
    channels(call, PageSizes { max: 999, ..SIZES }, |org, me, team, channel| {
        let seen = !channel.is_private || org.is_in_channel(me, team, channel);
        let there = org.is_in_channel(whose.unwrap_or(me), team, channel);
        (seen && there).then(|| channel_object(org, team, channel, me))
    })
}

/// Returns one page of a workspace's channels. The filter applies after pagination, as Slack
/// documents it: a page may have fewer rows than the limit, even none.
fn channels(
    call: &MethodCall<'_>,
    sizes: PageSizes,
    show: impl Fn(&GridOrganization, PersonIndex, usize, &Channel) -> Option<Value>,
) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(sizes)?;
    let filter = ChannelFilter::parse(call)?;
    call.sandbox.with_org(|org| {
        let me = caller(call, org)?;
        let team = team(call, org)?.ok_or_else(|| WebApiError::new("missing_argument"))?;
        let all = org.workspaces.get(team).into_iter().flat_map(|one| &one.channels);
        let rows = (0_u64..).zip(all).skip_while(|(position, _)| *position < window.start);
        let (found, next) = take_page(rows, window.limit);
        let found = found.into_iter().filter(|channel| filter.matches(channel));
        let rows: Vec<Value> = found.filter_map(|one| show(org, me, team, one)).collect();
        json_body(&json!({
            "ok": true,
            "channels": rows,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

fn members(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let window = call.window(SIZES)?;
    call.sandbox.with_org(|org| {
        let (team, channel) = visible(call, org, caller(call, org)?)?;
        let start = usize::try_from(window.start).unwrap_or(usize::MAX);
        let members = org.channel_members(team, channel, start);
        let rows = members
            .filter_map(|index| Some((u64::try_from(index).ok()?, org.person(index)?.id.as_str())));
        let (ids, next) = take_page(rows, window.limit);
        json_body(&json!({
            "ok": true,
            "members": ids,
            "response_metadata": {"next_cursor": call.next_cursor(next)},
        }))
    })
}

/// Returns the channel of `channel`, if the token and the account can see it.
fn visible<'o>(
    call: &MethodCall<'_>,
    org: &'o GridOrganization,
    me: PersonIndex,
) -> Result<(usize, &'o Channel), WebApiError> {
    let id = call.args.text("channel").unwrap_or_default();
    let home = token_workspace(call, org)?;
    let found = org.channel(&id).filter(|(team, channel)| {
        let seen = !channel.is_private || org.is_in_channel(me, *team, channel);
        seen && home.is_none_or(|own| own == *team)
    });
    let (team, channel) = found.ok_or_else(|| WebApiError::new("channel_not_found"))?;
    check_scope(call, if channel.is_private { "private_channel" } else { "public_channel" })?;
    Ok((team, channel))
}

/// Returns the account of the token.
pub(super) fn caller(
    call: &MethodCall<'_>,
    org: &GridOrganization,
) -> Result<PersonIndex, WebApiError> {
    let id = &call.caller?.user_id;
    Ok(org.find(id).ok_or_else(|| WebApiError::new("account_inactive"))?.0)
}

/// Returns the workspace of the token; `None` for a token of the organization.
fn token_workspace(
    call: &MethodCall<'_>,
    org: &GridOrganization,
) -> Result<Option<usize>, WebApiError> {
    match &call.caller?.install {
        InstallTarget::Org => Ok(None),
        InstallTarget::Workspace(id) => Ok(org.workspace(id).map(|(number, _)| number)),
    }
}

/// Returns the requested workspace: that of the token if it has one, otherwise `team_id`.
fn team(call: &MethodCall<'_>, org: &GridOrganization) -> Result<Option<usize>, WebApiError> {
    match (token_workspace(call, org)?, call.args.text("team_id")) {
        (Some(own), _) => Ok(Some(own)),
        (None, None) => Ok(None),
        (None, Some(id)) => {
            let found = org.workspace(&id).map(|(number, _)| number);
            Ok(Some(found.ok_or_else(|| WebApiError::new("team_not_found"))?))
        }
    }
}
