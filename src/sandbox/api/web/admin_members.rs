//! `admin.users.assign`, `.invite` and `.remove`: workspace memberships.

use serde_json::{Value, json};

use super::admin_users::{WRITE, person, workspace};
use super::args::{ArgType, optional, required};
use super::error::WebApiError;
use super::method::{Method, MethodCall, json_body};
use crate::sandbox::Tier;
use crate::sandbox::org::{EditError, EmailInvitation, MembershipInput, WorkspaceLevel};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.users.assign",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("team_id", ArgType::Text),
            required("user_id", ArgType::Text),
            optional("channel_ids", ArgType::List),
            optional("is_restricted", ArgType::Flag),
            optional("is_ultra_restricted", ArgType::Flag),
        ],
        run: assign,
    },
    Method {
        name: "admin.users.invite",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("channel_ids", ArgType::List),
            required("email", ArgType::Text),
            required("team_id", ArgType::Text),
            optional("custom_message", ArgType::Text),
            optional("email_password_policy_enabled", ArgType::Flag),
            optional("guest_expiration_ts", ArgType::Text),
            optional("is_restricted", ArgType::Flag),
            optional("is_ultra_restricted", ArgType::Flag),
            optional("real_name", ArgType::Text),
            optional("resend", ArgType::Flag),
        ],
        run: invite,
    },
    Method {
        name: "admin.users.remove",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("team_id", ArgType::Text), required("user_id", ArgType::Text)],
        run: remove,
    },
];

fn assign(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let entry = membership_input(call, 0);
    call.change(|edit| {
        let team = workspace(call, edit)?;
        let index = person(call, edit)?;
        edit.assign(index, team, &entry).map_err(|rule| {
            let codes = [
                (EditError::AlreadyMember, "user_already_team_member"),
                (EditError::Bot, "user_is_bot"),
                (EditError::NoSuchChannel, "invitor_cannot_see_channel"),
            ];
            WebApiError::from_edit_error(rule, &codes, "invalid_role_for_user")
        })
    })?;
    json_body(&json!({"ok": true}))
}

fn invite(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let expires = expiration(call)?;
    let asked = EmailInvitation {
        email: call.args.text("email").unwrap_or_default(),
        name: call.args.text("real_name").map(|text| parse_full_name(&text)).unwrap_or_default(),
        membership: membership_input(call, expires),
    };
    let again = call.args.flag("resend").unwrap_or(false);
    call.change(|edit| {
        let team = workspace(call, edit)?;
        match edit.invite(team, &asked) {
            Ok(_) => Ok(()),
            Err(EditError::Invited) if again => Ok(()),
            Err(rule) => {
                let codes = [
                    (EditError::AlreadyMember, "already_in_team"),
                    (EditError::Invited, "already_in_team_invited_user"),
                    (EditError::Deactivated, "user_disabled"),
                    (EditError::Malformed, "invalid_email"),
                    (EditError::NoSuchChannel, "failed_to_validate_channels"),
                ];
                Err(WebApiError::from_edit_error(rule, &codes, "failed_to_send_invite"))
            }
        }
    })?;
    json_body(&json!({"ok": true}))
}

fn remove(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    call.change(|edit| {
        let team = workspace(call, edit)?;
        let index = person(call, edit)?;
        edit.remove(index, team).map_err(|rule| {
            let codes = [
                (EditError::PrimaryOwner, "cannot_modify_primary_owner"),
                (EditError::Deactivated, "user_already_deleted"),
                (EditError::NotMember, "user_not_found"),
            ];
            WebApiError::from_edit_error(rule, &codes, "failed_to_remove_user_from_workspace")
        })
    })?;
    json_body(&json!({"ok": true}))
}

/// Returns the membership that the two flags and the channels describe.
fn membership_input(call: &MethodCall<'_>, expires: i64) -> MembershipInput {
    let flag = |name| call.args.flag(name).unwrap_or(false);
    let level = if flag("is_ultra_restricted") {
        WorkspaceLevel::SingleChannelGuest
    } else if flag("is_restricted") {
        WorkspaceLevel::MultiChannelGuest
    } else {
        WorkspaceLevel::Member
    };
    let expires = if level.is_guest() { expires } else { 0 };
    MembershipInput { level, channels: call.args.list("channel_ids"), expires }
}

/// Parses a guest's expiration: Unix seconds, with or without a fraction.
fn expiration(call: &MethodCall<'_>) -> Result<i64, WebApiError> {
    let Some(text) = call.args.text("guest_expiration_ts") else {
        return Ok(0);
    };
    let whole = text.split('.').next().unwrap_or_default();
    let at: Option<i64> = whole.parse().ok();
    let at = at.filter(|at| *at == 0 || *at > call.sandbox.now().unix_timestamp());
    at.ok_or_else(|| WebApiError::new("failed_to_validate_expiration"))
}

/// Returns the full name. Slack's own example wraps it in JSON.
fn parse_full_name(text: &str) -> String {
    let wrapped = serde_json::from_str::<Value>(text).ok();
    let name = wrapped.as_ref().and_then(|value| value.get("full_name")).and_then(Value::as_str);
    name.unwrap_or(text).to_owned()
}
