//! `admin.teams.create` and `admin.teams.settings.set…`: workspaces that are made and set up.

use serde_json::json;
use url::Url;

use super::admin_users::workspace;
use super::args::{Form, demanded, optional, required};
use super::method::{Access, Call, Method, json_body};
use super::refusal::Refusal;
use crate::sandbox::Tier;
use crate::sandbox::org::{Discoverability, NewWorkspace, Rule, Setting};

const WRITE: Access = Access::Admin("admin.teams:write");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.teams.create",
        tier: Tier::One,
        access: WRITE,
        args: &[
            // Both must be there, but the method has its own codes for that.
            demanded("team_domain", Form::Text, "must_provide_team_domain"),
            demanded("team_name", Form::Text, "must_provide_team_name"),
            optional("team_description", Form::Text),
            optional("team_discoverability", Form::Text),
        ],
        run: create,
    },
    Method {
        name: "admin.teams.settings.setDefaultChannels",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("channel_ids", Form::List), required("team_id", Form::Text)],
        run: set_default_channels,
    },
    Method {
        name: "admin.teams.settings.setDescription",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("description", Form::Text), required("team_id", Form::Text)],
        run: |call| {
            let text = call.args.text("description").unwrap_or_default();
            set(call, Setting::Description(text), "failed_to_set_description")
        },
    },
    Method {
        name: "admin.teams.settings.setDiscoverability",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("discoverability", Form::Text), required("team_id", Form::Text)],
        run: |call| {
            let word = call.args.text("discoverability").unwrap_or_default();
            let setting = Setting::Discoverability(discoverability(&word)?);
            set(call, setting, "failed_to_set_discoverability")
        },
    },
    Method {
        name: "admin.teams.settings.setIcon",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("image_url", Form::Text), required("team_id", Form::Text)],
        run: set_icon,
    },
    Method {
        name: "admin.teams.settings.setName",
        tier: Tier::Three,
        access: WRITE,
        args: &[required("name", Form::Text), required("team_id", Form::Text)],
        run: |call| {
            let name = call.args.text("name").unwrap_or_default();
            set(call, Setting::Name(name), "failed_to_set_name")
        },
    },
];

fn create(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let wanted = NewWorkspace {
        name: call.args.text("team_name").unwrap_or_default(),
        domain: call.args.text("team_domain").unwrap_or_default(),
        description: call.args.text("team_description").unwrap_or_default(),
        discoverability: match call.args.text("team_discoverability") {
            None => Discoverability::Closed,
            Some(word) => discoverability(&word)?,
        },
    };
    let id = call.change(|edit| {
        let number = edit.create_workspace(wanted).map_err(|rule| {
            let codes = [
                (Rule::Malformed, "bad_url"),
                (Rule::Taken, "domain_taken"),
                (Rule::NameTaken, "name_taken_in_org"),
            ];
            Refusal::of(rule, &codes, "could_not_create_workspace")
        })?;
        Ok(edit.workspaces.get(number).map(|workspace| workspace.id.clone()))
    })?;
    json_body(&json!({"ok": true, "team": id}))
}

fn set_default_channels(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let ids = call.args.list("channel_ids");
    let is_id = |id: &String| {
        let tail = id.strip_prefix('C').unwrap_or_default();
        tail.len() >= 2
            && tail.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
    };
    let pattern = "[ERROR] input must match regex pattern: ^[C][A-Z0-9]{2,}$";
    let wrong = ids.iter().enumerate().filter(|(_, id)| !is_id(id));
    let messages: Vec<String> =
        wrong.map(|(place, _)| format!("{pattern} [json-pointer:/channel_ids/{place}]")).collect();
    if !messages.is_empty() {
        return Err(Refusal::arguments(messages));
    }
    set(call, Setting::DefaultChannels(ids), "one_or_more_invalid_channels")
}

fn set_icon(call: &Call<'_>) -> Result<Vec<u8>, Refusal> {
    let address = call.args.text("image_url").unwrap_or_default();
    let is_web = Url::parse(&address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_web {
        return Err(Refusal::new("invalid_url"));
    }
    set(call, Setting::Icon(address), "failed_to_set_icon")
}

/// Changes one setting; a refusal has the method's own code.
fn set(call: &Call<'_>, setting: Setting, refused: &'static str) -> Result<Vec<u8>, Refusal> {
    call.change(|edit| {
        let number = workspace(call, edit)?;
        edit.set_up(number, setting).map_err(|_| Refusal::new(refused))
    })?;
    json_body(&json!({"ok": true}))
}

fn discoverability(word: &str) -> Result<Discoverability, Refusal> {
    Discoverability::of(word).ok_or_else(|| Refusal::new("discoverability_setting_invalid"))
}
