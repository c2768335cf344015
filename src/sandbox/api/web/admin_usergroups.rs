//! `admin.usergroups.*`: workspaces and channels of the identity provider's groups.

use serde_json::{Value, json};

use super::args::{ArgType, optional, required, required_with_error};
use super::channel_object::channel_object;
use super::conversations::caller;
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, json_body};
use crate::sandbox::Tier;
use crate::sandbox::org::{GridOrganization, GroupIndex, OrgGroup};

const WRITE: MethodAccess = MethodAccess::Admin("admin.usergroups:write");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.usergroups.addChannels",
        tier: Tier::One,
        access: WRITE,
        args: &[
            required("channel_ids", ArgType::List),
            required("usergroup_id", ArgType::Text),
            optional("team_id", ArgType::Text),
        ],
        run: add_channels,
    },
    Method {
        name: "admin.usergroups.addTeams",
        tier: Tier::Two,
        access: MethodAccess::Admin("admin.teams:write"),
        args: &[
            required_with_error("team_ids", ArgType::List, "no_team_ids_given"),
            required("usergroup_id", ArgType::Text),
            optional("auto_provision", ArgType::Flag),
        ],
        run: add_teams,
    },
    Method {
        name: "admin.usergroups.listChannels",
        tier: Tier::Two,
        access: MethodAccess::Admin("admin.usergroups:read"),
        args: &[
            required("usergroup_id", ArgType::Text),
            optional("include_num_members", ArgType::Flag),
            optional("team_id", ArgType::Text),
        ],
        run: list_channels,
    },
    Method {
        name: "admin.usergroups.removeChannels",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("channel_ids", ArgType::List), required("usergroup_id", ArgType::Text)],
        run: remove_channels,
    },
];

/// Maximum number of channels per call.
const MAX_CHANNELS: usize = 50;

fn add_teams(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let provision = call.args.flag("auto_provision").unwrap_or(false);
    call.change(|edit| {
        let (index, _) = group(call, edit)?;
        let ids = call.args.list("team_ids");
        let wrong: Vec<&String> = ids.iter().filter(|id| edit.workspace(id).is_none()).collect();
        if !wrong.is_empty() {
            return Err(WebApiError::new("invalid_team_ids").with("errors", json!(wrong)));
        }
        let number = |id: &String| edit.workspace(id).map(|(number, _)| number);
        let teams: Vec<usize> = ids.iter().filter_map(number).collect();
        edit.link_usergroup(index, &teams, provision);
        Ok(())
    })?;
    json_body(&json!({"ok": true}))
}

fn add_channels(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    call.change(|edit| {
        let (index, group) = group(call, edit)?;
        linked_workspace(call, edit, group)?;
        let mut channels = group.channels.clone();
        for id in channel_ids(call, edit)? {
            if !channels.contains(&id) {
                channels.push(id);
            }
        }
        edit.set_usergroup_channels(index, channels);
        Ok(())
    })?;
    json_body(&json!({"ok": true}))
}

fn remove_channels(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    call.change(|edit| {
        let (index, group) = group(call, edit)?;
        let gone = channel_ids(call, edit)?;
        let channels = group.channels.iter().filter(|id| !gone.contains(id)).cloned().collect();
        edit.set_usergroup_channels(index, channels);
        Ok(())
    })?;
    json_body(&json!({"ok": true}))
}

fn list_channels(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let counted = call.args.flag("include_num_members").unwrap_or(false);
    call.sandbox.with_org(|org| {
        let (_, group) = group(call, org)?;
        let workspace = linked_workspace(call, org, group)?;
        let me = caller(call, org)?;
        let channels = group.channels.iter().filter_map(|id| org.channel(id));
        let channels = channels.filter(|(team, _)| workspace.is_none_or(|id| id == *team));
        let rows: Vec<Value> = channels
            .map(|(team, channel)| {
                let mut object = channel_object(org, team, channel, me);
                if let (true, Some(fields)) = (counted, object.as_object_mut()) {
                    let count = org.channel_members(team, channel, 0).count();
                    fields.insert("num_members".to_owned(), count.into());
                }
                object
            })
            .collect();
        json_body(&json!({"ok": true, "channels": rows}))
    })
}

/// Returns the identity provider's group of `usergroup_id`.
fn group<'o>(
    call: &MethodCall<'_>,
    org: &'o GridOrganization,
) -> Result<(GroupIndex, &'o OrgGroup), WebApiError> {
    let id = call.args.text("usergroup_id").unwrap_or_default();
    let mut groups = org.groups.idp_groups();
    groups.find(|(_, group)| group.id == id).ok_or_else(|| WebApiError::new("usergroup_not_found"))
}

/// Returns the workspace of `team_id`, which must be linked to the group.
fn linked_workspace(
    call: &MethodCall<'_>,
    org: &GridOrganization,
    group: &OrgGroup,
) -> Result<Option<usize>, WebApiError> {
    let Some(id) = call.args.text("team_id") else {
        return Ok(None);
    };
    let (number, _) = org.workspace(&id).ok_or_else(|| WebApiError::new("team_not_found"))?;
    if group.workspaces.contains(&number) {
        Ok(Some(number))
    } else {
        Err(WebApiError::new("usergroup_not_linked_to_team"))
    }
}

fn channel_ids(call: &MethodCall<'_>, org: &GridOrganization) -> Result<Vec<String>, WebApiError> {
    let ids = call.args.list("channel_ids");
    if ids.len() > MAX_CHANNELS {
        return Err(WebApiError::new("invalid_channels_limit"));
    }
    if ids.iter().any(|id| org.channel(id).is_none()) {
        return Err(WebApiError::new("channel_not_found"));
    }
    Ok(ids)
}
