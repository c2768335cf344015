//! `admin.users.getExpiration` and `.setExpiration`: guest expirations.

use serde_json::json;

use super::admin_users::{READ, WRITE, person, workspace};
use super::args::{ArgType, optional, required};
use super::error::WebApiError;
use super::method::{Method, MethodCall, json_body};
use crate::sandbox::Tier;
use crate::sandbox::org::{EditError, WorkspaceLevel};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.users.getExpiration",
        tier: Tier::Four,
        access: READ,
        args: &[optional("target_team", ArgType::Text), optional("user_id", ArgType::Text)],
        run: get,
    },
    Method {
        name: "admin.users.setExpiration",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("expiration_ts", ArgType::Count),
            required("user_id", ArgType::Text),
            optional("team_id", ArgType::Text),
        ],
        run: set,
    },
];

fn get(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    call.sandbox.with_org(|org| {
        let team = match call.args.text("target_team") {
            None => None,
            Some(id) if id == org.id => None,
            Some(id) => {
                let found = org.workspace(&id).map(|(number, _)| number);
                Some(found.ok_or_else(|| WebApiError::new("target_team_not_on_org"))?)
            }
        };
        let id = call.args.text("user_id").unwrap_or_default();
        let (_, person) = org.find(&id).ok_or_else(|| WebApiError::new("user_not_found"))?;
        let not_guest = || WebApiError::new("user_is_not_guest");
        let level = person.guest_level().ok_or_else(not_guest)?;
        let expires = match team {
            None => person.expires(),
            Some(team) => person.membership(team).ok_or_else(not_guest)?.expires,
        };
        json_body(&json!({
            "ok": true,
            "user": {
                "id": person.id,
                "email": person.email,
                // Unlike in other methods, these two flags are mutually exclusive here.
                "is_restricted": level == WorkspaceLevel::MultiChannelGuest,
                "is_ultra_restricted": level == WorkspaceLevel::SingleChannelGuest,
                "expiration_ts": expires,
            },
        }))
    })
}

fn set(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let at = call.args.count("expiration_ts").unwrap_or_default();
    call.change(|edit| {
        if call.args.text("team_id").is_none() {
            return Err(WebApiError::new("team_id_required_for_enterprise"));
        }
        let team = workspace(call, edit)?;
        let index = person(call, edit)?;
        edit.set_expiration(index, team, at).map_err(|rule| {
            let codes = [
                (EditError::Deactivated, "user_is_deactivated"),
                (EditError::NotMember, "user_not_found"),
                (EditError::NotGuest, "user_is_not_a_guest"),
                (EditError::Malformed, "failed_to_validate_expiration"),
            ];
            WebApiError::from_edit_error(rule, &codes, "failed_to_set_expiration")
        })
    })?;
    json_body(&json!({"ok": true}))
}
