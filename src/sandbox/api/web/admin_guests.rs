//! `admin.users.getExpiration` and `.setExpiration`: how long guests stay.

use serde_json::json;

use super::admin_users::{READ, WRITE, person, workspace};
use super::args::{Form, optional, required};
use super::method::{Call, Method, json_body};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::{Level, Rule};

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.users.getExpiration",
        tier: Tier::Four,
        access: READ,
        args: &[optional("target_team", Form::Text), optional("user_id", Form::Text)],
        run: get,
    },
    Method {
        name: "admin.users.setExpiration",
        tier: Tier::Two,
        access: WRITE,
        args: &[
            required("expiration_ts", Form::Count),
            required("user_id", Form::Text),
            optional("team_id", Form::Text),
        ],
        run: set,
    },
];

fn get(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    call.sandbox.with_org(|org| {
        let team = match call.args.text("target_team") {
            None => None,
            Some(id) if id == org.id => None,
            Some(id) => {
                let found = org.workspace(&id).map(|(number, _)| number);
                Some(found.ok_or_else(|| Refusal::new("target_team_not_on_org"))?)
            }
        };
        let id = call.args.text("user_id").unwrap_or_default();
        let (_, person) = org.find(&id).ok_or_else(|| Refusal::new("user_not_found"))?;
        let not_guest = || Refusal::new("user_is_not_guest");
        let level = person.guest().ok_or_else(not_guest)?;
        let expires = match team {
            None => person.expires(),
            Some(team) => person.membership(team).ok_or_else(not_guest)?.expires,
        };
        json_body(&json!({
            "ok": true,
            "user": {
                "id": person.id,
                "email": person.email,
                // Unlike the flags of other methods, these two exclude each other here.
                "is_restricted": level == Level::MultiChannelGuest,
                "is_ultra_restricted": level == Level::SingleChannelGuest,
                "expiration_ts": expires,
            },
        }))
    })
}

fn set(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let at = call.args.count("expiration_ts").unwrap_or_default();
    call.change(|edit| {
        if call.args.text("team_id").is_none() {
            return Err(Refusal::new("team_id_required_for_enterprise"));
        }
        let team = workspace(call, edit)?;
        let index = person(call, edit)?;
        edit.set_expiration(index, team, at).map_err(|rule| {
            let codes = [
                (Rule::Deactivated, "user_is_deactivated"),
                (Rule::NotMember, "user_not_found"),
                (Rule::NotGuest, "user_is_not_a_guest"),
                (Rule::Malformed, "failed_to_validate_expiration"),
            ];
            Refusal::of(rule, &codes, "failed_to_set_expiration")
        })
    })?;
    json_body(&json!({"ok": true}))
}
