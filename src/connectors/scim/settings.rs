//! Validates the settings of a SCIM account.

use serde_json::{Map, Value};

use crate::domain::patch::ValidationError;

/// The maximum number of ids in a setting.
const MAX_IDS: usize = 200;
/// The maximum length of an id or a prefix, in characters.
const MAX_TEXT_CHARS: usize = 255;

/// Checks settings; pointers are relative to them.
pub(super) fn validate(settings: &Value) -> Result<(), Vec<ValidationError>> {
    let Some(settings) = settings.as_object() else {
        return Err(vec![ValidationError::at("", "must be an object, or null for the defaults")]);
    };
    let mut errors = Vec::new();
    for (name, value) in settings {
        let pointer = format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        match name.as_str() {
            "roles_from" => check_roles_from(&mut errors, &pointer, value),
            "role_group_prefix" => check_text(&mut errors, &pointer, value),
            "role_group_ids" => check_ids(&mut errors, &pointer, value),
            "workspaces_from" => check_workspaces_from(&mut errors, &pointer, value),
            "delete_user" => {
                check_word(&mut errors, &pointer, value, &["deactivate", "delete"]);
            }
            _ => errors.push(ValidationError::at(
                pointer,
                "is unknown; the settings are roles_from, role_group_prefix, role_group_ids, workspaces_from and \
                 delete_user",
            )),
        }
    }
    errors.extend(unused_groups(settings));
    if errors.is_empty() { Ok(()) } else { Err(errors) }
}

/// Returns the errors of settings of role groups that have no effect.
fn unused_groups(settings: &Map<String, Value>) -> Vec<ValidationError> {
    let sources = settings.get("roles_from").and_then(Value::as_array);
    let has_groups = sources.is_some_and(|all| all.iter().any(|one| one == "groups"));
    let unused = ["role_group_prefix", "role_group_ids"]
        .into_iter()
        .filter(|name| !has_groups && settings.contains_key(*name));
    let message = "has no effect unless roles_from contains groups";
    unused.map(|name| ValidationError::at(format!("/{name}"), message)).collect()
}

fn check_roles_from(errors: &mut Vec<ValidationError>, pointer: &str, value: &Value) {
    let Some(sources) = value.as_array() else {
        return errors.push(ValidationError::at(pointer, "must be a list"));
    };
    for (number, source) in sources.iter().enumerate() {
        let pointer = format!("{pointer}/{number}");
        check_word(errors, &pointer, source, &["roles", "entitlements", "groups"]);
        if sources.iter().take(number).any(|earlier| earlier == source) {
            errors.push(ValidationError::at(pointer, "occurs twice"));
        }
    }
}

fn check_workspaces_from(errors: &mut Vec<ValidationError>, pointer: &str, value: &Value) {
    const EXPECTED: &str =
        "must be \"none\", \"all_groups\", {\"prefix\": \"…\"} or {\"ids\": [\"…\"]}";
    let object = value.as_object().filter(|object| object.len() == 1);
    let entry = object.and_then(|object| object.iter().next());
    match (value.as_str(), entry.map(|(name, value)| (name.as_str(), value))) {
        (Some("none" | "all_groups"), _) => {}
        (_, Some(("prefix", prefix))) => check_text(errors, &format!("{pointer}/prefix"), prefix),
        (_, Some(("ids", ids))) => check_ids(errors, &format!("{pointer}/ids"), ids),
        _ => errors.push(ValidationError::at(pointer, EXPECTED)),
    }
}

fn check_word(errors: &mut Vec<ValidationError>, pointer: &str, value: &Value, known: &[&str]) {
    if !value.as_str().is_some_and(|word| known.contains(&word)) {
        let message = format!("must be one of {}", known.join(", "));
        errors.push(ValidationError::at(pointer, message));
    }
}

fn check_text(errors: &mut Vec<ValidationError>, pointer: &str, value: &Value) {
    let is_valid = value.as_str().is_some_and(|text| {
        let length = text.chars().count();
        (1..=MAX_TEXT_CHARS).contains(&length) && !text.contains(char::is_control)
    });
    if !is_valid {
        let message = "must be text of 1 to 255 characters without control characters";
        errors.push(ValidationError::at(pointer, message));
    }
}

fn check_ids(errors: &mut Vec<ValidationError>, pointer: &str, value: &Value) {
    let Some(ids) = value.as_array().filter(|ids| (1..=MAX_IDS).contains(&ids.len())) else {
        return errors.push(ValidationError::at(pointer, "must be a list of 1 to 200 ids"));
    };
    for (number, id) in ids.iter().enumerate() {
        check_text(errors, &format!("{pointer}/{number}"), id);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize as _;
    use serde_json::json;

    use super::*;
    use crate::connectors::scim::features::ScimSettings;

    #[test]
    fn names_the_place_of_each_error() {
        for (settings, pointers) in [
            (json!({}), vec![]),
            (json!({"roles_from": ["groups", "roles"], "role_group_prefix": "app-"}), vec![]),
            (json!({"roles_from": ["groups"], "role_group_ids": ["1"]}), vec![]),
            (json!({"roles_from": []}), vec![]),
            (json!({"workspaces_from": "all_groups", "delete_user": "delete"}), vec![]),
            (json!({"workspaces_from": {"prefix": "ws-"}}), vec![]),
            (json!({"workspaces_from": {"ids": ["1", "2"]}}), vec![]),
            (json!([]), vec![""]),
            (json!({"roles_from": "roles"}), vec!["/roles_from"]),
            (json!({"roles_from": ["roles", "teams"]}), vec!["/roles_from/1"]),
            (json!({"roles_from": ["roles", "roles"]}), vec!["/roles_from/1"]),
            (json!({"role_group_prefix": "a"}), vec!["/role_group_prefix"]),
            (json!({"workspaces_from": "groups"}), vec!["/workspaces_from"]),
            (json!({"workspaces_from": {"prefix": ""}}), vec!["/workspaces_from/prefix"]),
            (json!({"workspaces_from": {"ids": ["1", 2]}}), vec!["/workspaces_from/ids/1"]),
            (json!({"workspaces_from": {"ids": []}}), vec!["/workspaces_from/ids"]),
            (json!({"delete_user": true}), vec!["/delete_user"]),
            (json!({"delete/user": 1}), vec!["/delete~1user"]),
        ] {
            let errors = validate(&settings).err().unwrap_or_default();
            let found: Vec<&str> = errors.iter().map(|error| error.pointer.as_str()).collect();
            assert_eq!(found, pointers, "{settings}");
            if errors.is_empty() {
                assert!(ScimSettings::deserialize(&settings).is_ok(), "{settings}");
            }
        }
    }
}
