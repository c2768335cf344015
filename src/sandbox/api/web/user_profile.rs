//! `users.profile.*`, `users.getPresence`, `users.identity`: profile and presence of one account.

use serde_json::{Value, json};

use super::args::{ArgType, optional};
use super::conversations::caller;
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, json_body};
use super::user_object::{UserObjectOptions, user_object};
use crate::sandbox::Tier;
use crate::sandbox::grants::InstallTarget;
use crate::sandbox::org::{EditError, GridOrganization, PersonIndex, PersonStatus, ProfileText};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "users.getPresence",
        tier: Tier::Three,
        access: MethodAccess::Scope("users:read"),
        args: &[optional("user", ArgType::Text)],
        run: presence,
    },
    Method {
        name: "users.identity",
        tier: Tier::Three,
        access: MethodAccess::Scope("identity:read"),
        args: &[],
        run: identity,
    },
    Method {
        name: "users.profile.get",
        tier: Tier::Four,
        access: MethodAccess::Scope("users.profile:read"),
        args: &[optional("include_labels", ArgType::Flag), optional("user", ArgType::Text)],
        run: get,
    },
    Method {
        name: "users.profile.set",
        tier: Tier::Three,
        access: MethodAccess::Scope("users.profile:write"),
        args: &[
            optional("name", ArgType::Text),
            optional("profile", ArgType::Object),
            optional("user", ArgType::Text),
            optional("value", ArgType::Text),
        ],
        run: set,
    },
];

fn presence(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let now = call.sandbox.now().unix_timestamp();
    call.sandbox.with_org(|org| {
        let index = requested_account(call, org)?;
        let person = org.person(index).ok_or_else(|| WebApiError::new("user_not_found"))?;
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

fn identity(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    call.sandbox.with_org(|org| {
        let index = caller(call, org)?;
        let person = org.person(index).ok_or_else(|| WebApiError::new("invalid_user_id"))?;
        if person.status != PersonStatus::Active {
            return Err(WebApiError::new("email_not_verified"));
        }
        let team = match &call.caller?.install {
            InstallTarget::Org => &org.id,
            InstallTarget::Workspace(id) => id,
        };
        json_body(&json!({
            "ok": true,
            "user": {"id": person.id, "name": person.full_name(), "email": person.email},
            "team": {"id": team},
        }))
    })
}

fn get(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    call.sandbox.with_org(|org| {
        let profile = profile(call, org, requested_account(call, org)?)?;
        json_body(&json!({"ok": true, "profile": profile}))
    })
}

fn set(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let texts = requested_texts(call)?;
    let index = call.change(|edit| {
        let index = requested_account(call, edit)?;
        for (field, value) in texts {
            edit.set_profile_text(index, field, &value).map_err(|rule| {
                let codes = [
                    (EditError::ActorNotAdmin, "not_admin"),
                    (EditError::HasOrgLevel, "cannot_update_admin_user"),
                    (EditError::TooMany, "too_long"),
                ];
                WebApiError::from_edit_error(rule, &codes, "profile_set_failed")
            })?;
        }
        Ok(index)
    })?;
    call.sandbox.with_org(|org| {
        let profile = profile(call, org, index)?;
        json_body(&json!({"ok": true, "profile": profile}))
    })
}

/// Returns the fields to set: one by `name` and `value`, or several in `profile`.
fn requested_texts(call: &MethodCall<'_>) -> Result<Vec<(ProfileText, String)>, WebApiError> {
    let invalid = || WebApiError::new("invalid_profile");
    let known = |name: &str, value: String| Some((ProfileText::parse(name)?, value));
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

/// Returns the account of `user`, or the token's own.
fn requested_account(
    call: &MethodCall<'_>,
    org: &GridOrganization,
) -> Result<PersonIndex, WebApiError> {
    match call.args.text("user") {
        None => caller(call, org),
        Some(id) => Ok(org.find(&id).ok_or_else(|| WebApiError::new("user_not_found"))?.0),
    }
}

fn profile(
    call: &MethodCall<'_>,
    org: &GridOrganization,
    index: PersonIndex,
) -> Result<Value, WebApiError> {
    let person = org.person(index).ok_or_else(|| WebApiError::new("user_not_found"))?;
    let scopes = &call.caller?.scopes;
    let email = scopes.iter().any(|scope| scope == "users:read.email");
    let mut user =
        user_object(org, person, UserObjectOptions { workspace: None, email, locale: false });
    Ok(user.get_mut("profile").map(Value::take).unwrap_or_default())
}
