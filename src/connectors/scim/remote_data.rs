//! `remote_data` of a user: SCIM attributes beside the unified fields, and PATCH operations.

use serde_json::{Map, Value};

use super::attribute::AttributePath;
use super::attribute_change::AttributeChange;
use super::features::USER_SCHEMA;
use crate::domain::patch::ValidationError;

/// The field with operations that are sent unchanged.
pub(super) const OPERATIONS: &str = "Operations";

/// The change of an attribute that `remote_data` names.
#[derive(Debug)]
pub(super) struct RemoteChange {
    /// Where it is, below `remote_data`: a JSON pointer.
    pub(super) pointer: String,
    /// The change.
    pub(super) change: AttributeChange,
}

/// An attribute that a request sets.
#[derive(Debug)]
pub(super) struct SetAttribute {
    /// Where: a JSON pointer.
    pub(super) pointer: String,
    /// The path, in lower case.
    pub(super) key: String,
}

/// Returns the changes of `remote_data`, with each attribute of an extension and each part of a name.
pub(super) fn remote_changes(data: &Map<String, Value>) -> Vec<RemoteChange> {
    let mut changes = Vec::new();
    let mut add = |pointer: String, path, value: &Value| {
        let value = (!value.is_null()).then(|| value.clone());
        changes.push(RemoteChange { pointer, change: AttributeChange::whole(path, value) });
    };
    for (name, value) in data.iter().filter(|(name, _)| !is_envelope(name)) {
        let at = format!("/{}", escaped(name));
        let is_extension = name.to_ascii_lowercase().starts_with("urn:");
        let is_name = name.eq_ignore_ascii_case("name");
        match value.as_object().filter(|_| is_extension || is_name) {
            Some(parts) => {
                for (part, value) in parts {
                    let path = if is_name {
                        AttributePath::core("name").part(part.clone())
                    } else {
                        attribute_of(name, part)
                    };
                    add(format!("{at}/{}", escaped(part)), path, value);
                }
            }
            None => add(at, path_of(name), value),
        }
    }
    changes
}

/// Returns the path that a name means: an attribute, an extension, or an attribute of one.
fn path_of(name: &str) -> AttributePath {
    let is_user_schema = |schema: &str| schema.to_ascii_lowercase().ends_with(":user");
    match name.rsplit_once(':') {
        Some((schema, attribute)) if is_user_schema(schema) => attribute_of(schema, attribute),
        Some(_) | None => AttributePath::core(name.to_owned()),
    }
}

fn attribute_of(schema: &str, attribute: &str) -> AttributePath {
    if schema.eq_ignore_ascii_case(USER_SCHEMA) {
        return AttributePath::core(attribute.to_owned());
    }
    AttributePath::extension(schema.to_owned(), attribute.to_owned())
}

/// Whether a name belongs to the request and not to the user.
fn is_envelope(name: &str) -> bool {
    matches!(name, OPERATIONS | "schemas")
}

/// Returns the errors of `remote_data`, and of the fields that it contradicts. `set` has the attributes that the
/// unified fields set.
pub(super) fn validate_remote_data(
    data: &Map<String, Value>,
    set: &[SetAttribute],
    is_new: bool,
    has_patch: bool,
) -> Vec<ValidationError> {
    let mut errors = Vec::new();
    let operations = data.get(OPERATIONS);
    if operations.is_some_and(|value| is_new || !value.is_array()) {
        let message = "must be a list of SCIM operations, and is only allowed for a change";
        errors.push(ValidationError::at("/remote_data/Operations", message));
    } else if operations.is_some() && !has_patch {
        let message = "can't be sent: the service does not support PATCH; send the attributes in `remote_data`";
        errors.push(ValidationError::at("/remote_data/Operations", message));
    }
    let attributes: Vec<SetAttribute> = remote_changes(data)
        .into_iter()
        .map(|RemoteChange { pointer, change }| SetAttribute {
            pointer: format!("/remote_data{pointer}"),
            key: change.path.key(),
        })
        .collect();
    let in_operations = operations.and_then(Value::as_array).map(Vec::as_slice);
    let in_operations = attributes_of_operations(in_operations.unwrap_or_default());
    for (number, one) in attributes.iter().enumerate() {
        let same = |other: &&SetAttribute| overlaps(&one.key, &other.key);
        // Operations on one attribute are applied in order.
        let before = attributes.iter().take(number);
        for other in set.iter().chain(before).chain(&in_operations).filter(same) {
            errors.extend(ValidationError::conflict(&other.pointer, &one.pointer));
        }
    }
    for one in &in_operations {
        let same = |other: &&SetAttribute| overlaps(&one.key, &other.key);
        for other in set.iter().filter(same) {
            errors.extend(ValidationError::conflict(&other.pointer, &one.pointer));
        }
    }
    errors
}

/// Returns the attributes that operations set.
fn attributes_of_operations(operations: &[Value]) -> Vec<SetAttribute> {
    let mut set = Vec::new();
    for (number, operation) in operations.iter().enumerate() {
        let pointer = format!("/remote_data/{OPERATIONS}/{number}");
        let path = operation.get("path").and_then(Value::as_str);
        let values = operation.get("value").and_then(Value::as_object);
        match (path, values) {
            (Some(path), _) => {
                // A filter selects among the values of an attribute.
                let path = path.split('[').next().unwrap_or_default();
                set.push(SetAttribute { pointer, key: path_of(path).key() });
            }
            (None, Some(values)) => {
                let changes = remote_changes(values).into_iter();
                set.extend(changes.map(|remote| SetAttribute {
                    pointer: pointer.clone(),
                    key: remote.change.path.key(),
                }));
            }
            (None, None) => {}
        }
    }
    set
}

/// Whether two paths name the same attribute, or one names a part of the other.
fn overlaps(one: &str, other: &str) -> bool {
    let is_within = |part: &str, whole: &str| {
        part.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', ':']))
    };
    is_within(one, other) || is_within(other, one)
}

/// Escapes a name as a token of a JSON pointer (RFC 6901 §3).
pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::features::ENTERPRISE_SCHEMA;
    use super::*;

    fn pointers(data: Value, is_new: bool, has_patch: bool) -> Vec<String> {
        let data = serde_json::from_value(data).unwrap();
        let field = |pointer: &str, key: &str| SetAttribute {
            pointer: pointer.to_owned(),
            key: key.to_lowercase(),
        };
        let department = format!("{ENTERPRISE_SCHEMA}:department");
        let set = [
            field("/title", "title"),
            field("/first_name", "name.givenName"),
            field("/department", &department),
        ];
        let errors = validate_remote_data(&data, &set, is_new, has_patch);
        let mut pointers: Vec<_> = errors.into_iter().map(|error| error.pointer).collect();
        pointers.sort();
        pointers
    }

    #[test]
    fn rejects_attributes_that_a_unified_field_sets_in_any_notation() {
        let department = format!("{ENTERPRISE_SCHEMA}:department");
        for (data, at) in [
            (json!({"Title": "x"}), vec!["/title", "/remote_data/Title"]),
            (json!({"name": {"familyName": "x"}}), vec![]),
            (
                json!({"name": {"GivenName": "x"}}),
                vec!["/first_name", "/remote_data/name/GivenName"],
            ),
            (json!({"name": null}), vec!["/first_name", "/remote_data/name"]),
            (
                json!({(ENTERPRISE_SCHEMA): {"department": "x"}}),
                vec![
                    "/department",
                    "/remote_data/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User/department",
                ],
            ),
            (
                json!({(&*department): "x"}),
                vec![
                    "/department",
                    "/remote_data/urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department",
                ],
            ),
            (
                json!({(USER_SCHEMA): {"title": "x"}}),
                vec!["/title", "/remote_data/urn:ietf:params:scim:schemas:core:2.0:User/title"],
            ),
            (
                json!({"nickName": "x", "NICKNAME": "y"}),
                vec!["/remote_data/NICKNAME", "/remote_data/nickName"],
            ),
            (
                json!({"Operations": [{"op": "add", "path": "title", "value": "x"}]}),
                vec!["/title", "/remote_data/Operations/0"],
            ),
            (
                json!({"Operations": [{"op": "add", "value": {"title": "x"}}]}),
                vec!["/title", "/remote_data/Operations/0"],
            ),
            (json!({"Operations": [{"op": "remove", "path": "ims[type eq \"x\"]"}]}), vec![]),
            (json!({"nickName": "x", "schemas": ["x"]}), vec![]),
        ] {
            let mut at = at;
            at.sort_unstable();
            assert_eq!(pointers(data.clone(), false, true), at, "{data}");
        }
    }

    #[test]
    fn operations_need_an_existing_user_and_patch() {
        let data = json!({"Operations": []});
        let rejected = ["/remote_data/Operations"];
        assert_eq!(pointers(data.clone(), true, true), rejected);
        assert_eq!(pointers(data.clone(), false, false), rejected);
        assert_eq!(pointers(data, false, true), [""; 0]);
        assert_eq!(pointers(json!({"Operations": {}}), false, true), rejected);
    }

    #[test]
    fn reads_attributes_of_extensions_and_parts_of_names() {
        let data = json!({"urn:acme:2.0:User": {"shoeSize": 44, "hat": null}, "name": {"middleName": "K"},
            "ims": [{"value": "x"}]});
        let changes = remote_changes(&serde_json::from_value(data).unwrap());
        let paths: Vec<_> = changes
            .iter()
            .map(|remote| (remote.change.path.text(), remote.change.value.is_some()))
            .collect();
        let path = |path: &str, is_set| (path.to_owned(), is_set);
        let mut expected = [
            path("ims", true),
            path("name.middleName", true),
            path("urn:acme:2.0:User:hat", false),
            path("urn:acme:2.0:User:shoeSize", true),
        ];
        let mut found = paths;
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    }
}
