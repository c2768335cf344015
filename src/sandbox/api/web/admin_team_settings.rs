//! `admin.teams.create` and `admin.teams.settings.set…`: creation and settings of workspaces.

use serde_json::json;
use url::Url;

use super::admin_users::workspace;
use super::args::{ArgType, optional, required, required_with_error};
use super::error::WebApiError;
use super::method::{Method, MethodAccess, MethodCall, json_body};
use crate::sandbox::Tier;
use crate::sandbox::org::{Discoverability, EditError, WorkspaceSettingChange, WorkspaceSpec};

const WRITE: MethodAccess = MethodAccess::Admin("admin.teams:write");

pub(super) const METHODS: &[Method] = &[
    Method {
        name: "admin.teams.create",
        tier: Tier::One,
        access: WRITE,
        args: &[
            // Both are required, with the method's own error codes.
            required_with_error("team_domain", ArgType::Text, "must_provide_team_domain"),
            required_with_error("team_name", ArgType::Text, "must_provide_team_name"),
            optional("team_description", ArgType::Text),
            optional("team_discoverability", ArgType::Text),
        ],
        run: create,
    },
    Method {
        name: "admin.teams.settings.setDefaultChannels",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("channel_ids", ArgType::List), required("team_id", ArgType::Text)],
        run: set_default_channels,
    },
    Method {
        name: "admin.teams.settings.setDescription",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("description", ArgType::Text), required("team_id", ArgType::Text)],
        run: |call| {
            let text = call.args.text("description").unwrap_or_default();
            set(call, WorkspaceSettingChange::Description(text), "failed_to_set_description")
        },
    },
    Method {
        name: "admin.teams.settings.setDiscoverability",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("discoverability", ArgType::Text), required("team_id", ArgType::Text)],
        run: |call| {
            let word = call.args.text("discoverability").unwrap_or_default();
            let setting = WorkspaceSettingChange::Discoverability(discoverability(&word)?);
            set(call, setting, "failed_to_set_discoverability")
        },
    },
    Method {
        name: "admin.teams.settings.setIcon",
        tier: Tier::Two,
        access: WRITE,
        args: &[required("image_url", ArgType::Text), required("team_id", ArgType::Text)],
        run: set_icon,
    },
    Method {
        name: "admin.teams.settings.setName",
        tier: Tier::Three,
        access: WRITE,
        args: &[required("name", ArgType::Text), required("team_id", ArgType::Text)],
        run: |call| {
            let name = call.args.text("name").unwrap_or_default();
            set(call, WorkspaceSettingChange::Name(name), "failed_to_set_name")
        },
    },
];

fn create(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let spec = WorkspaceSpec {
        name: call.args.text("team_name").unwrap_or_default(),
        domain: call.args.text("team_domain").unwrap_or_default(),
        description: call.args.text("team_description").unwrap_or_default(),
        discoverability: match call.args.text("team_discoverability") {
            None => Discoverability::Closed,
            Some(word) => discoverability(&word)?,
        },
    };
    let id = call.change(|edit| {
        let number = edit.create_workspace(spec).map_err(|rule| {
            let codes = [
                (EditError::Malformed, "bad_url"),
                (EditError::Taken, "domain_taken"),
                (EditError::NameTaken, "name_taken_in_org"),
            ];
            WebApiError::from_edit_error(rule, &codes, "could_not_create_workspace")
        })?;
        Ok(edit.workspaces.get(number).map(|workspace| workspace.id.clone()))
    })?;
    json_body(&json!({"ok": true, "team": id}))
}

fn set_default_channels(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
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
        return Err(WebApiError::invalid_arguments(messages));
    }
    set(call, WorkspaceSettingChange::DefaultChannels(ids), "one_or_more_invalid_channels")
}

fn set_icon(call: &MethodCall<'_>) -> Result<Vec<u8>, WebApiError> {
    let address = call.args.text("image_url").unwrap_or_default();
    let is_web = Url::parse(&address).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if !is_web {
        return Err(WebApiError::new("invalid_url"));
    }
    set(call, WorkspaceSettingChange::Icon(address), "failed_to_set_icon")
}

/// Changes one setting; errors have the method's own code.
fn set(
    call: &MethodCall<'_>,
    setting: WorkspaceSettingChange,
    refused: &'static str,
) -> Result<Vec<u8>, WebApiError> {
    call.change(|edit| {
        let number = workspace(call, edit)?;
        edit.change_setting(number, setting).map_err(|_| WebApiError::new(refused))
    })?;
    json_body(&json!({"ok": true}))
}

fn discoverability(word: &str) -> Result<Discoverability, WebApiError> {
    Discoverability::parse(word).ok_or_else(|| WebApiError::new("discoverability_setting_invalid"))
}
