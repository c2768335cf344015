//! `admin.users.setAdmin`, `.setOwner`, `.setRegular`: levels in a workspace, or in the
//! organization if `team_id` is its id.

use serde_json::json;

use super::admin_users::{WRITE, person, workspace};
use super::args::{Arg, ArgType, required};
use super::error::WebApiError;
use super::method::{Method, MethodCall, json_body};
use crate::sandbox::Tier;
use crate::sandbox::org::{AssignableLevel, EditError, LevelScope};

const ARGS: &[Arg] = &[required("team_id", ArgType::Text), required("user_id", ArgType::Text)];

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.users.setAdmin",
        tier: Tier::Two,
        access: WRITE,
        args: ARGS,
        run: |call| assign_level(call, AssignableLevel::Admin),
    },
    Method {
        name: "admin.users.setOwner",
        tier: Tier::Two,
        access: WRITE,
        args: ARGS,
        run: |call| assign_level(call, AssignableLevel::Owner),
    },
    Method {
        name: "admin.users.setRegular",
        tier: Tier::Two,
        access: WRITE,
        args: ARGS,
        run: |call| assign_level(call, AssignableLevel::Regular),
    },
];

fn assign_level(call: &MethodCall<'_>, rank: AssignableLevel) -> Result<Vec<u8>, WebApiError> {
    call.change(|edit| {
        let whole = call.args.text("team_id").is_some_and(|id| id == edit.id);
        let at = if whole {
            LevelScope::Organization
        } else {
            LevelScope::Workspace(workspace(call, edit)?)
        };
        let index = person(call, edit)?;
        edit.assign_level(index, at, rank).map_err(|rule| error_for(rule, rank))
    })?;
    json_body(&json!({"ok": true}))
}

/// Returns the method's error code for an [`EditError`].
fn error_for(rule: EditError, rank: AssignableLevel) -> WebApiError {
    let first = (EditError::PrimaryOwner, "cannot_modify_primary_owner");
    let gone = (EditError::Deactivated, "user_not_found");
    let unfit = |rule| (rule, "invalid_role_for_user");
    match rank {
        AssignableLevel::Admin => {
            let outside = (EditError::NotMember, "user_not_found");
            let lower = (EditError::ActorNotOwner, "invalid_permissions");
            let codes =
                [first, gone, outside, lower, unfit(EditError::Guest), unfit(EditError::Bot)];
            WebApiError::from_edit_error(rule, &codes, "failed_to_set_user_to_admin")
        }
        AssignableLevel::Owner => {
            let outside = (EditError::NotMember, "user_must_be_in_workspace");
            let lower = (EditError::ActorNotOwner, "not_an_owner");
            let codes =
                [first, gone, outside, lower, unfit(EditError::Guest), unfit(EditError::Bot)];
            WebApiError::from_edit_error(rule, &codes, "failed_to_set_user_to_owner")
        }
        AssignableLevel::Regular => {
            let outside = (EditError::NotMember, "user_not_found");
            let guest = (EditError::Guest, "cannot_set_this_guest_to_regular_at_team_level");
            let ranked = "cannot_set_org_admin_to_regular_at_workspace_level";
            let codes = [first, gone, outside, guest, (EditError::HasOrgLevel, ranked)];
            WebApiError::from_edit_error(rule, &codes, "failed_to_set_user_to_regular")
        }
    }
}
