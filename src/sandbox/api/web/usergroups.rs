//! `usergroups.*`: user groups of a workspace.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::args::{ArgType, optional, required, required_with_error};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, json_body};
use super::usergroup_object::usergroup_object;
use crate::sandbox::Tier;
use crate::sandbox::grants::InstallTarget;
use crate::sandbox::org::{
    Edit, EditError, GridOrganization, GroupIndex, GroupOwner, OrgGroup, PersonIndex,
    UserGroupInput, WorkspaceLevel,
};

const READ: MethodAccess = MethodAccess::Scope("usergroups:read");
const WRITE: MethodAccess = MethodAccess::Scope("usergroups:write");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "usergroups.create",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("name", ArgType::Text),
            optional("additional_channels", ArgType::List),
            optional("channels", ArgType::List),
            optional("description", ArgType::Text),
            optional("enable_section", ArgType::Flag),
            optional("handle", ArgType::Text),
            optional("include_count", ArgType::Flag),
            optional("team_id", ArgType::Text),
        ],
        run: create,
    },
    Method {
        name: "usergroups.disable",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("usergroup", ArgType::Text),
            optional("include_count", ArgType::Flag),
            optional("team_id", ArgType::Text),
        ],
        run: |call| set_enabled(call, false),
    },
    Method {
        name: "usergroups.enable",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("usergroup", ArgType::Text),
            optional("include_count", ArgType::Flag),
            optional("team_id", ArgType::Text),
        ],
        run: |call| set_enabled(call, true),
    },
    Method {
        name: "usergroups.list",
        tier: Tier::Two,
        access: READ,
        args: &[
            optional("include_count", ArgType::Flag),
            optional("include_disabled", ArgType::Flag),
            optional("include_users", ArgType::Flag),
            optional("team_id", ArgType::Text),
        ],
        run: list,
    },
    Method {
        name: "usergroups.update",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("usergroup", ArgType::Text),
            optional("additional_channels", ArgType::List),
            optional("channels", ArgType::List),
            optional("description", ArgType::Text),
            optional("enable_section", ArgType::Flag),
            optional("handle", ArgType::Text),
            optional("include_count", ArgType::Flag),
            optional("name", ArgType::Text),
            optional("team_id", ArgType::Text),
        ],
        run: update,
    },
    Method {
        name: "usergroups.users.list",
        tier: Tier::Two,
        access: READ,
        args: &[
            required("usergroup", ArgType::Text),
            optional("include_disabled", ArgType::Flag),
            optional("team_id", ArgType::Text),
        ],
        run: list_users,
    },
    Method {
        name: "usergroups.users.update",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("usergroup", ArgType::Text),
            required_with_error("users", ArgType::List, "no_users_provided"),
            optional("additional_channels", ArgType::List),
            optional("include_count", ArgType::Flag),
            optional("is_shared", ArgType::Flag),
            optional("team_id", ArgType::Text),
        ],
        run: update_users,
    },
];

const CODES: &[(EditError, &str)] = &[
    (EditError::NameTaken, "name_already_exists"),
    (EditError::Taken, "handle_already_exists"),
    (EditError::Malformed, "bad_handle"),
    (EditError::TooMany, "name_too_long"),
    (EditError::NoSuchChannel, "invalid_channel_provided"),
    (EditError::NoSuchPerson, "failed_for_some_users"),
    (EditError::Deactivated, "invalid_users"),
    (EditError::Bot, "invalid_users"),
    (EditError::Guest, "invalid_users"),
];

fn create(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let input = usergroup_input(call);
    change_and_show(call, |edit| {
        let team = team(call, edit)?;
        Ok(edit.create_usergroup(team, input))
    })
}

fn update(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let input = usergroup_input(call);
    change_and_show(call, |edit| {
        let index = group(call, edit)?;
        Ok(edit.update_usergroup(index, input).map(|()| index))
    })
}

fn set_enabled(call: &MethodCall<'_>, on: bool) -> Result<Vec<u8>, WebApiError> {
    change_and_show(call, |edit| {
        let index = group(call, edit)?;
        Ok(edit.set_usergroup_enabled(index, on).map(|()| index))
    })
}

fn update_users(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let ids = call.args.list("users");
    change_and_show(call, |edit| {
        let index = group(call, edit)?;
        let members: Option<BTreeSet<_>> =
            ids.iter().map(|id| edit.find(id).map(|(member, _)| member)).collect();
        let members = members.ok_or_else(|| WebApiError::new("invalid_users"))?;
        let single = |member: &PersonIndex| {
            let person = edit.person(*member);
            person.is_some_and(|person| {
                person.guest_level() == Some(WorkspaceLevel::SingleChannelGuest)
            })
        };
        if members.iter().any(single) {
            return Err(WebApiError::new("single_channel_guests_cannot_be_added"));
        }
        Ok(edit.set_usergroup_members(index, &members).map(|()| index))
    })
}

/// Changes a group and returns its object.
fn change_and_show(
    call: &MethodCall<'_>,
    change: impl FnOnce(&mut Edit<'_>) -> Result<Result<GroupIndex, EditError>, WebApiError>,
) -> Result<Vec<u8>, WebApiError> {
    let index = call.change(|edit| {
        change(edit)?.map_err(|rule| WebApiError::from_edit_error(rule, CODES, "permission_denied"))
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

fn usergroup_input(call: &MethodCall<'_>) -> UserGroupInput {
    let channels = call.args.list("channels");
    UserGroupInput {
        name: call.args.text("name"),
        handle: call.args.text("handle"),
        description: call.args.text("description"),
        channels: Some(channels).filter(|channels| !channels.is_empty()),
    }
}

fn list(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let flag = |name| call.args.flag(name).unwrap_or(false);
    call.sandbox.with_org(|org| {
        let team = team(call, org)?;
        let shown = org.groups.iter().map(|(_, group)| group).filter(|group| {
            is_visible(group, team) && (flag("include_disabled") || group.disabled == 0)
        });
        let row = |group: &OrgGroup| {
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

fn list_users(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
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

/// Whether a workspace has a group: its own, or a linked one of the identity provider.
fn is_visible(group: &OrgGroup, team: usize) -> bool {
    match group.owner {
        GroupOwner::Workspace(own) => own == team,
        GroupOwner::IdentityProvider => group.workspaces.contains(&team),
    }
}

/// Returns the group of `usergroup`, if the requested workspace has it.
fn group(call: &MethodCall<'_>, org: &GridOrganization) -> Result<GroupIndex, WebApiError> {
    let team = team(call, org)?;
    let id = call.args.text("usergroup").unwrap_or_default();
    let found = org.groups.find(&id);
    let found = found.filter(|(_, group)| is_visible(group, team));
    Ok(found.ok_or_else(|| WebApiError::new("no_such_subteam"))?.0)
}

/// Returns the requested workspace: that of the token if it has one, otherwise `team_id`, which is
/// then required.
fn team(call: &MethodCall<'_>, org: &GridOrganization) -> Result<usize, WebApiError> {
    let (missing, unknown) = team_error_codes(call.method);
    let id = match &call.caller?.install {
        InstallTarget::Workspace(id) => Some(id.clone()),
        InstallTarget::Org => call.args.text("team_id"),
    };
    let id = id.ok_or_else(|| WebApiError::new(missing))?;
    let found = org.workspace(&id).map(|(number, _)| number);
    found.ok_or_else(|| WebApiError::new(unknown))
}

/// Returns the method's error codes for a missing and for an unknown workspace.
fn team_error_codes(method: &str) -> (&'static str, &'static str) {
    match method {
        "usergroups.create" | "usergroups.disable" => {
            ("target_team_must_be_specified_in_org_context", "target_team_not_on_org")
        }
        "usergroups.list" => ("missing_argument", "invalid_team"),
        "usergroups.users.list" => ("no_such_subteam", "no_such_subteam"),
        _ => ("missing_argument", "team_access_not_granted"),
    }
}
