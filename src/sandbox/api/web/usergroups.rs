//! `usergroups.*`: groups that people are mentioned by.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::args::{Form, demanded, optional, required};
use super::method::{Access, Call, Method, json_body};
use super::refusal::Refusal;
use super::usergroup_object::usergroup_object;
use crate::sandbox::Tier;
use crate::sandbox::grants::Install;
use crate::sandbox::org::{
    Edit, Group, GroupIndex, GroupWish, Keeper, Level, Organization, PersonIndex, Rule,
};

const READ: Access = Access::Scope("usergroups:read");
const WRITE: Access = Access::Scope("usergroups:write");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "usergroups.create",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("name", Form::Text),
            optional("additional_channels", Form::List),
            optional("channels", Form::List),
            optional("description", Form::Text),
            optional("enable_section", Form::Flag),
            optional("handle", Form::Text),
            optional("include_count", Form::Flag),
            optional("team_id", Form::Text),
        ],
        run: create,
    },
    Method {
        name: "usergroups.disable",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("usergroup", Form::Text),
            optional("include_count", Form::Flag),
            optional("team_id", Form::Text),
        ],
        run: |call| switch(call, false),
    },
    Method {
        name: "usergroups.enable",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("usergroup", Form::Text),
            optional("include_count", Form::Flag),
            optional("team_id", Form::Text),
        ],
        run: |call| switch(call, true),
    },
    Method {
        name: "usergroups.list",
        tier: Tier::Two,
        access: READ,
        args: &[
            optional("include_count", Form::Flag),
            optional("include_disabled", Form::Flag),
            optional("include_users", Form::Flag),
            optional("team_id", Form::Text),
        ],
        run: list,
    },
    Method {
        name: "usergroups.update",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("usergroup", Form::Text),
            optional("additional_channels", Form::List),
            optional("channels", Form::List),
            optional("description", Form::Text),
            optional("enable_section", Form::Flag),
            optional("handle", Form::Text),
            optional("include_count", Form::Flag),
            optional("name", Form::Text),
            optional("team_id", Form::Text),
        ],
        run: update,
    },
    Method {
        name: "usergroups.users.list",
        tier: Tier::Two,
        access: READ,
        args: &[
            required("usergroup", Form::Text),
            optional("include_disabled", Form::Flag),
            optional("team_id", Form::Text),
        ],
        run: list_users,
    },
    Method {
        name: "usergroups.users.update",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("usergroup", Form::Text),
            demanded("users", Form::List, "no_users_provided"),
            optional("additional_channels", Form::List),
            optional("include_count", Form::Flag),
            optional("is_shared", Form::Flag),
            optional("team_id", Form::Text),
        ],
        run: update_users,
    },
];

const CODES: &[(Rule, &str)] = &[
    (Rule::NameTaken, "name_already_exists"),
    (Rule::Taken, "handle_already_exists"),
    (Rule::Malformed, "bad_handle"),
    (Rule::TooMany, "name_too_long"),
    (Rule::NoSuchChannel, "invalid_channel_provided"),
    (Rule::NoSuchPerson, "failed_for_some_users"),
    (Rule::Deactivated, "invalid_users"),
    (Rule::Bot, "invalid_users"),
    (Rule::Guest, "invalid_users"),
];

fn create(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let wish = wish(call);
    changed(call, |edit| {
        let team = team(call, edit)?;
        Ok(edit.create_usergroup(team, wish))
    })
}

fn update(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let wish = wish(call);
    changed(call, |edit| {
        let index = group(call, edit)?;
        Ok(edit.change_usergroup(index, wish).map(|()| index))
    })
}

fn switch(call: &Call<'_>, on: bool) -> Result<Vec<u8>, Refusal> {
    changed(call, |edit| {
        let index = group(call, edit)?;
        Ok(edit.switch_usergroup(index, on).map(|()| index))
    })
}

fn update_users(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let ids = call.args.list("users");
    changed(call, |edit| {
        let index = group(call, edit)?;
        let members: Option<BTreeSet<_>> =
            ids.iter().map(|id| edit.find(id).map(|(member, _)| member)).collect();
        let members = members.ok_or_else(|| Refusal::new("invalid_users"))?;
        let single = |member: &PersonIndex| {
            let person = edit.person(*member);
            person.is_some_and(|person| person.guest() == Some(Level::SingleChannelGuest))
        };
        if members.iter().any(single) {
            return Err(Refusal::new("single_channel_guests_cannot_be_added"));
        }
        Ok(edit.fill_usergroup(index, &members).map(|()| index))
    })
}

/// Changes a group and answers with it.
fn changed(
    call: &Call<'_>,
    change: impl FnOnce(&mut Edit<'_>) -> Result<Result<GroupIndex, Rule>, Refusal>,
) -> Result<Vec<u8>, Refusal> {
    let index = call.change(|edit| {
        change(edit)?.map_err(|rule| Refusal::of(rule, CODES, "permission_denied"))
    })?;
    call.sandbox.with_org(|org| {
        let mut group = org.groups.get(index).map(|group| usergroup_object(org, group));
        let fields = group.as_mut().and_then(Value::as_object_mut);
        if let Some(fields) = fields.filter(|_| !call.args.flag("include_count").unwrap_or(false)) {
            fields.remove("user_count");
        }
        json_body(&json!({"ok": true, "usergroup": group}))
    })
}

fn wish(call: &Call<'_>) -> GroupWish {
    let channels = call.args.list("channels");
    GroupWish {
        name: call.args.text("name"),
        handle: call.args.text("handle"),
        description: call.args.text("description"),
        channels: Some(channels).filter(|channels| !channels.is_empty()),
    }
}

fn list(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let flag = |name| call.args.flag(name).unwrap_or(false);
    call.sandbox.with_org(|org| {
        let team = team(call, org)?;
        let shown = org.groups.iter().map(|(_, group)| group).filter(|group| {
            is_seen(group, team) && (flag("include_disabled") || group.disabled == 0)
        });
        let row = |group: &Group| {
            let mut object = usergroup_object(org, group);
            if let Some(fields) = object.as_object_mut() {
                if !flag("include_users") {
                    fields.remove("users");
                }
                if !flag("include_count") {
                    fields.remove("user_count");
                }
            }
            object
        };
        let rows: Vec<Value> = shown.map(row).collect();
        json_body(&json!({"ok": true, "usergroups": rows}))
    })
}

fn list_users(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    call.sandbox.with_org(|org| {
        let index = group(call, org)?;
        let shown = call.args.flag("include_disabled").unwrap_or(false);
        let group = org.groups.get(index).filter(|group| shown || group.disabled == 0);
        let members = group.into_iter().flat_map(|group| &group.members);
        let users: Vec<&str> = members
            .filter_map(|index| org.person(*index))
            .map(|person| person.id.as_str())
            .collect();
        json_body(&json!({"ok": true, "users": users}))
    })
}

/// Whether a workspace has a group: its own, or one of the identity provider that is linked to it.
fn is_seen(group: &Group, team: usize) -> bool {
    match group.keeper {
        Keeper::Workspace(own) => own == team,
        Keeper::IdentityProvider => group.workspaces.contains(&team),
    }
}

/// The group that `usergroup` names, if the workspace that is asked about has it.
fn group(call: &Call<'_>, org: &Organization) -> Result<GroupIndex, Refusal> {
    let team = team(call, org)?;
    let id = call.args.text("usergroup").unwrap_or_default();
    let found = org.groups.find(&id);
    let found = found.filter(|(_, group)| is_seen(group, team));
    Ok(found.ok_or_else(|| Refusal::new("no_such_subteam"))?.0)
}

/// The workspace that is asked about: that of the token, whatever the call says; for a token of the
/// organization the one of `team_id`, which must be there.
fn team(call: &Call<'_>, org: &Organization) -> Result<usize, Refusal> {
    let (missing, unknown) = team_codes(call.method);
    let id = match &call.caller?.install {
        Install::Workspace(id) => Some(id.clone()),
        Install::Org => call.args.text("team_id"),
    };
    let id = id.ok_or_else(|| Refusal::new(missing))?;
    let found = org.workspace(&id).map(|(number, _)| number);
    found.ok_or_else(|| Refusal::new(unknown))
}

/// What a method says without a workspace, and to one that is not there. Their pages differ.
fn team_codes(method: &str) -> (&'static str, &'static str) {
    match method {
        "usergroups.create" | "usergroups.disable" => {
            ("target_team_must_be_specified_in_org_context", "target_team_not_on_org")
        }
        "usergroups.list" => ("missing_argument", "invalid_team"),
        "usergroups.users.list" => ("no_such_subteam", "no_such_subteam"),
        _ => ("missing_argument", "team_access_not_granted"),
    }
}
