//! `users.profile.*`, `users.getPresence`, `users.identity`: one account and what it shows of itself.

use serde_json::{Value, json};

use super::args::{Form, optional};
use super::conversations::caller;
use super::method::{Access, Call, Method, json_body};
use super::refusal::Refusal;
use super::user_object::{View, user_object};
use crate::sandbox::Tier;
use crate::sandbox::grants::Install;
use crate::sandbox::org::{Organization, PersonIndex, ProfileText, Rule, Standing};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "users.getPresence",
        tier: Tier::Three,
        access: Access::Scope("users:read"),
        args: &[optional("user", Form::Text)],
        run: presence,
    },
    Method {
        name: "users.identity",
        tier: Tier::Three,
        access: Access::Scope("identity:read"),
        args: &[],
        run: identity,
    },
    Method {
        name: "users.profile.get",
        tier: Tier::Four,
        access: Access::Scope("users.profile:read"),
        args: &[optional("include_labels", Form::Flag), optional("user", Form::Text)],
        run: get,
    },
    Method {
        name: "users.profile.set",
        tier: Tier::Three,
        access: Access::Scope("users.profile:write"),
        args: &[
            optional("name", Form::Text),
            optional("profile", Form::Object),
            optional("user", Form::Text),
            optional("value", Form::Text),
        ],
        run: set,
    },
];

fn presence(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let now = call.sandbox.now().unix_timestamp();
    call.sandbox.with_org(|org| {
        let index = whose(call, org)?;
        let person = org.person(index).ok_or_else(|| Refusal::new("user_not_found"))?;
        let online = person.is_active() && now - person.last_active < 600;
        let presence = if online { "active" } else { "away" };
        if index != caller(call, org)? {
            return json_body(&json!({"ok": true, "presence": presence}));
        }
        json_body(&json!({
            "ok": true,
            "presence": presence,
            "online": online,
            "auto_away": !online,
            "manual_away": false,
            "connection_count": usize::from(online),
            "last_activity": person.last_active,
        }))
    })
}

fn identity(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    call.sandbox.with_org(|org| {
        let index = caller(call, org)?;
        let person = org.person(index).ok_or_else(|| Refusal::new("invalid_user_id"))?;
        if person.standing != Standing::Active {
            return Err(Refusal::new("email_not_verified"));
        }
        let team = match &call.caller?.install {
            Install::Org => &org.id,
            Install::Workspace(id) => id,
        };
        json_body(&json!({
            "ok": true,
            "user": {"id": person.id, "name": person.full_name(), "email": person.email},
            "team": {"id": team},
        }))
    })
}

fn get(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    call.sandbox.with_org(|org| {
        let profile = profile(call, org, whose(call, org)?)?;
        json_body(&json!({"ok": true, "profile": profile}))
    })
}

fn set(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let texts = texts(call)?;
    let index = call.change(|edit| {
        let index = whose(call, edit)?;
        for (field, value) in texts {
            edit.set_profile_text(index, field, &value).map_err(|rule| {
                let codes = [
                    (Rule::ActorIsNoAdmin, "not_admin"),
                    (Rule::RanksInOrganization, "cannot_update_admin_user"),
                    (Rule::TooMany, "too_long"),
                ];
                Refusal::of(rule, &codes, "profile_set_failed")
            })?;
        }
        Ok(index)
    })?;
    call.sandbox.with_org(|org| {
        let profile = profile(call, org, index)?;
        json_body(&json!({"ok": true, "profile": profile}))
    })
}

/// The fields that are set: one by `name` and `value`, or several in `profile`.
fn texts(call: &Call<'_>) -> Result<Vec<(ProfileText, String)>, Refusal> {
    let invalid = || Refusal::new("invalid_profile");
    let known = |name: &str, value: String| Some((ProfileText::of(name)?, value));
    if call.args.has("profile") {
        let fields = call.args.object("profile").ok_or_else(invalid)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        return fields
            .iter()
            .map(|(name, value)| known(name, text(value)).ok_or_else(invalid))
            .collect();
    }
    let name = call.args.text("name").ok_or_else(invalid)?;
    let value = call.args.text("value").unwrap_or_default();
    Ok(vec![known(&name, value).ok_or_else(invalid)?])
}

/// The account that `user` names, else the token's own.
fn whose(call: &Call<'_>, org: &Organization) -> Result<PersonIndex, Refusal> {
    match call.args.text("user") {
        None => caller(call, org),
        Some(id) => Ok(org.find(&id).ok_or_else(|| Refusal::new("user_not_found"))?.0),
    }
}

fn profile(call: &Call<'_>, org: &Organization, index: PersonIndex) -> Result<Value, Refusal> {
    let person = org.person(index).ok_or_else(|| Refusal::new("user_not_found"))?;
    let scopes = &call.caller?.scopes;
    let email = scopes.iter().any(|scope| scope == "users:read.email");
    let mut user = user_object(org, person, View { workspace: None, email, locale: false });
    Ok(user.get_mut("profile").map(Value::take).unwrap_or_default())
}
