//! `admin.usergroups.*`: the workspaces and channels of the identity provider's groups.

use serde_json::{Value, json};

use super::args::{Form, demanded, optional, required};
use super::channel_object::channel_object;
use super::conversations::caller;
use super::method::{Access, Call, Method, json_body};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::{Group, GroupIndex, Organization};

const WRITE: Access = Access::Admin("admin.usergroups:write");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.usergroups.addChannels",
        tier: Tier::One,
        access: WRITE,
        args: &[
            required("channel_ids", Form::List),
            required("usergroup_id", Form::Text),
            optional("team_id", Form::Text),
        ],
        run: add_channels,
    },
    Method {
        name: "admin.usergroups.addTeams",
        tier: Tier::Two,
        access: Access::Admin("admin.teams:write"),
        args: &[
            demanded("team_ids", Form::List, "no_team_ids_given"),
            required("usergroup_id", Form::Text),
            optional("auto_provision", Form::Flag),
        ],
        run: add_teams,
    },
    Method {
        name: "admin.usergroups.listChannels",
        tier: Tier::Two,
        access: Access::Admin("admin.usergroups:read"),
        args: &[
            required("usergroup_id", Form::Text),
            optional("include_num_members", Form::Flag),
            optional("team_id", Form::Text),
        ],
        run: list_channels,
    },
    Method {
        name: "admin.usergroups.removeChannels",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("channel_ids", Form::List), required("usergroup_id", Form::Text)],
        run: remove_channels,
    },
];

/// No more channels go into one call.
const MOST_CHANNELS: usize = 50;

fn add_teams(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let provision = call.args.flag("auto_provision").unwrap_or(false);
    call.change(|edit| {
        let (index, _) = group(call, edit)?;
        let ids = call.args.list("team_ids");
        let wrong: Vec<&String> = ids.iter().filter(|id| edit.workspace(id).is_none()).collect();
        if !wrong.is_empty() {
            return Err(Refusal::new("invalid_team_ids").with("errors", json!(wrong)));
        }
        let number = |id: &String| edit.workspace(id).map(|(number, _)| number);
        let teams: Vec<usize> = ids.iter().filter_map(number).collect();
        edit.link_usergroup(index, &teams, provision);
        Ok(())
    })?;
    json_body(&json!({"ok": true}))
}

fn add_channels(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    call.change(|edit| {
        let (index, group) = group(call, edit)?;
        linked(call, edit, group)?;
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

fn remove_channels(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    call.change(|edit| {
        let (index, group) = group(call, edit)?;
        let gone = channel_ids(call, edit)?;
        let channels = group.channels.iter().filter(|id| !gone.contains(id)).cloned().collect();
        edit.set_usergroup_channels(index, channels);
        Ok(())
    })?;
    json_body(&json!({"ok": true}))
}

fn list_channels(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let counted = call.args.flag("include_num_members").unwrap_or(false);
    call.sandbox.with_org(|org| {
        let (_, group) = group(call, org)?;
        let wanted = linked(call, org, group)?;
        let me = caller(call, org)?;
        let channels = group.channels.iter().filter_map(|id| org.channel(id));
        let channels = channels.filter(|(team, _)| wanted.is_none_or(|wanted| wanted == *team));
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

/// The identity provider's group that `usergroup_id` names.
fn group<'o>(call: &Call<'_>, org: &'o Organization) -> Result<(GroupIndex, &'o Group), Refusal> {
    let id = call.args.text("usergroup_id").unwrap_or_default();
    let mut groups = org.groups.of_identity_provider();
    groups.find(|(_, group)| group.id == id).ok_or_else(|| Refusal::new("usergroup_not_found"))
}

/// The workspace of `team_id`, which the group must be linked to.
fn linked(call: &Call<'_>, org: &Organization, group: &Group) -> Result<Option<usize>, Refusal> {
    let Some(id) = call.args.text("team_id") else {
        return Ok(None);
    };
    let (number, _) = org.workspace(&id).ok_or_else(|| Refusal::new("team_not_found"))?;
    if group.workspaces.contains(&number) {
        Ok(Some(number))
    } else {
        Err(Refusal::new("usergroup_not_linked_to_team"))
    }
}

fn channel_ids(call: &Call<'_>, org: &Organization) -> Result<Vec<String>, Refusal> {
    let ids = call.args.list("channel_ids");
    if ids.len() > MOST_CHANNELS {
        return Err(Refusal::new("invalid_channels_limit"));
    }
    if ids.iter().any(|id| org.channel(id).is_none()) {
        return Err(Refusal::new("channel_not_found"));
    }
    Ok(ids)
}
