//! `admin.users.assign`, `.invite` and `.remove`: who is in which workspace.

use serde_json::{Value, json};

use super::admin_users::{WRITE, person, workspace};
use super::args::{Form, optional, required};
use super::method::{Call, Method, json_body};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::{Entry, Invitation, Level, Rule};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.users.assign",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("team_id", Form::Text),
            required("user_id", Form::Text),
            optional("channel_ids", Form::List),
            optional("is_restricted", Form::Flag),
            optional("is_ultra_restricted", Form::Flag),
        ],
        run: assign,
    },
    Method {
        name: "admin.users.invite",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("channel_ids", Form::List),
            required("email", Form::Text),
            required("team_id", Form::Text),
            optional("custom_message", Form::Text),
            optional("email_password_policy_enabled", Form::Flag),
            optional("guest_expiration_ts", Form::Text),
            optional("is_restricted", Form::Flag),
            optional("is_ultra_restricted", Form::Flag),
            optional("real_name", Form::Text),
            optional("resend", Form::Flag),
        ],
        run: invite,
    },
    Method {
        name: "admin.users.remove",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("team_id", Form::Text), required("user_id", Form::Text)],
        run: remove,
    },
];

fn assign(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let entry = entry(call, 0);
    call.change(|edit| {
        let team = workspace(call, edit)?;
        let index = person(call, edit)?;
        edit.assign(index, team, &entry).map_err(|rule| {
            let codes = [
                (Rule::AlreadyMember, "user_already_team_member"),
                (Rule::Bot, "user_is_bot"),
                (Rule::NoSuchChannel, "invitor_cannot_see_channel"),
            ];
            Refusal::of(rule, &codes, "invalid_role_for_user")
        })
    })?;
    json_body(&json!({"ok": true}))
}

fn invite(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let expires = expiration(call)?;
    let asked = Invitation {
        email: call.args.text("email").unwrap_or_default(),
        name: call.args.text("real_name").map(|text| whole_name(&text)).unwrap_or_default(),
        entry: entry(call, expires),
    };
    let again = call.args.flag("resend").unwrap_or(false);
    call.change(|edit| {
        let team = workspace(call, edit)?;
        match edit.invite(team, &asked) {
            Ok(_) => Ok(()),
            Err(Rule::Invited) if again => Ok(()),
            Err(rule) => {
                let codes = [
                    (Rule::AlreadyMember, "already_in_team"),
                    (Rule::Invited, "already_in_team_invited_user"),
                    (Rule::Deactivated, "user_disabled"),
                    (Rule::Malformed, "invalid_email"),
                    (Rule::NoSuchChannel, "failed_to_validate_channels"),
                ];
                Err(Refusal::of(rule, &codes, "failed_to_send_invite"))
            }
        }
    })?;
    json_body(&json!({"ok": true}))
}

fn remove(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    call.change(|edit| {
        let team = workspace(call, edit)?;
        let index = person(call, edit)?;
        edit.remove(index, team).map_err(|rule| {
            let codes = [
                (Rule::PrimaryOwner, "cannot_modify_primary_owner"),
                (Rule::Deactivated, "user_already_deleted"),
                (Rule::NotMember, "user_not_found"),
            ];
            Refusal::of(rule, &codes, "failed_to_remove_user_from_workspace")
        })
    })?;
    json_body(&json!({"ok": true}))
}

/// How somebody is to be in the workspace, as the two flags and the channels say.
fn entry(call: &Call<'_>, expires: i64) -> Entry {
    let flag = |name| call.args.flag(name).unwrap_or(false);
    let level = if flag("is_ultra_restricted") {
        Level::SingleChannelGuest
    } else if flag("is_restricted") {
        Level::MultiChannelGuest
    } else {
        Level::Member
    };
    let expires = if level.is_guest() { expires } else { 0 };
    Entry { level, channels: call.args.list("channel_ids"), expires }
}

/// The end of a guest's stay: Unix seconds, with or without a fraction.
fn expiration(call: &Call<'_>) -> Result<i64, Refusal> {
    let Some(text) = call.args.text("guest_expiration_ts") else {
        return Ok(0);
    };
    let whole = text.split('.').next().unwrap_or_default();
    let at: Option<i64> = whole.parse().ok();
    let at = at.filter(|at| *at == 0 || *at > call.sandbox.now().unix_timestamp());
    at.ok_or_else(|| Refusal::new("failed_to_validate_expiration"))
}

/// The name to greet with. Slack's own example wraps it in JSON.
fn whole_name(text: &str) -> String {
    let wrapped = serde_json::from_str::<Value>(text).ok();
    let name = wrapped.as_ref().and_then(|value| value.get("full_name")).and_then(Value::as_str);
    name.unwrap_or(text).to_owned()
}
