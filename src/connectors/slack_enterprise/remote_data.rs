//! Validates `remote_data` of a user: rejects attributes that a unified field sets as well, in any SCIM notation, and
//! attributes that are set twice. Attribute names are case-insensitive (RFC 7643 §2.1).

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::scim_user_bodies::{CORE, ENTERPRISE, GUEST, MANAGER, OPERATIONS, PROFILE, is_envelope};
use crate::domain::patch::ValidationError;
use crate::domain::user_input::UserInput;

/// The unified fields of each SCIM attribute.
const ATTRIBUTE_FIELDS: [(&str, &str, &[&str]); 21] = [
    (CORE, "userName", &["/username"]),
    (CORE, "externalId", &["/external_id"]),
    (CORE, "name", &["/name", "/first_name", "/last_name"]),
    (CORE, "name.givenName", &["/name", "/first_name"]),
    (CORE, "name.familyName", &["/name", "/last_name"]),
    (CORE, "title", &["/title"]),
    (CORE, "timezone", &["/timezone"]),
    (CORE, "locale", &["/locale"]),
    (CORE, "active", &["/status"]),
    (CORE, "emails", &["/email", "/emails"]),
    (CORE, "phoneNumbers", &["/phones"]),
    (CORE, "photos", &["/photos"]),
    (CORE, "addresses", &["/addresses"]),
    (ENTERPRISE, "employeeNumber", &["/employee_number"]),
    (ENTERPRISE, "costCenter", &["/cost_center"]),
    (ENTERPRISE, "organization", &["/organization"]),
    (ENTERPRISE, "division", &["/division"]),
    (ENTERPRISE, "department", &["/department"]),
    (ENTERPRISE, MANAGER, &["/manager"]),
    (PROFILE, "startDate", &["/custom_fields"]),
    (GUEST, "type", &["/user_type"]),
];

/// Returns the validation errors of `remote_data`.
pub(super) fn validate_remote_data(input: &UserInput, is_new: bool) -> Vec<ValidationError> {
    let mut errors = Vec::new();
    let operations = input.remote_data.get(OPERATIONS);
    if operations.is_some_and(|value| is_new || !value.is_array()) {
        let message = "must be a list of SCIM operations, and is only allowed for a change";
        errors.push(ValidationError::at("/remote_data/Operations", message));
    }
    let attributes = attributes(input);
    let said = input.profile_fields();
    let fields =
        ATTRIBUTE_FIELDS.map(|(schema, name, fields)| (attribute_path(schema, name), fields));
    let mut first: HashMap<&str, &AttributeRef> = HashMap::new();
    for one in &attributes {
        let same = fields.iter().filter(|(attribute, _)| covers(&one.path, attribute));
        let same: BTreeSet<&str> = same.flat_map(|(_, fields)| *fields).copied().collect();
        for field in same.into_iter().filter(|field| said.contains(field)) {
            errors.extend(ValidationError::conflict(field, &one.pointer));
        }
        let before = first.entry(&one.path).or_insert(one);
        // Several operations on one attribute are applied in order.
        let are_operations = before.is_operation && one.is_operation;
        if !std::ptr::eq(*before, one) && !are_operations {
            errors.extend(ValidationError::conflict(&before.pointer, &one.pointer));
        }
    }
    errors
}

/// The prefix of the pointers of operations.
const IN_OPERATIONS: &str = "/remote_data/Operations/";

/// An attribute that `remote_data` sets.
struct AttributeRef {
    /// The path in lower case, prefixed with the schema of an extension.
    path: String,
    /// The location: a JSON pointer.
    pointer: String,
    /// Whether an operation sets it.
    is_operation: bool,
}

/// Returns the path of an attribute of a schema, in lower case.
fn attribute_path(schema: &str, name: &str) -> String {
    if schema == CORE {
        name.to_ascii_lowercase()
    } else {
        format!("{schema}:{name}").to_ascii_lowercase()
    }
}

/// Whether `path` is the attribute, or a parent of it.
fn covers(path: &str, attribute: &str) -> bool {
    attribute.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Returns the attributes that `remote_data` sets, including its operations.
fn attributes(input: &UserInput) -> Vec<AttributeRef> {
    let mut named = Vec::new();
    for (name, value) in input.remote_data.iter().filter(|(name, _)| !is_envelope(name)) {
        add(&mut named, (name, value), &format!("/remote_data/{}", escaped(name)));
    }
    let operations = input.remote_data.get(OPERATIONS).and_then(Value::as_array);
    for (number, operation) in operations.into_iter().flatten().enumerate() {
        let pointer = format!("{IN_OPERATIONS}{number}");
        let value = operation.get("value").unwrap_or(&Value::Null);
        match (operation.get("path").and_then(Value::as_str), value) {
            (Some(path), value) => add(&mut named, (path, value), &pointer),
            (None, Value::Object(fields)) => {
                for field in fields {
                    add(&mut named, (field.0, field.1), &pointer);
                }
            }
            (None, _) => {}
        }
    }
    named
}

/// Adds an attribute, or the sub-attributes of an extension or of a name.
fn add(named: &mut Vec<AttributeRef>, (name, value): (&str, &Value), pointer: &str) {
    // A filter selects among the values of an attribute.
    let name = name.split('[').next().unwrap_or_default().to_ascii_lowercase();
    let core = format!("{CORE}:").to_ascii_lowercase();
    let name = name.strip_prefix(&core).unwrap_or(&name).to_owned();
    let is_operation = pointer.starts_with(IN_OPERATIONS);
    let is_extension =
        ATTRIBUTE_FIELDS.iter().any(|(schema, ..)| schema.eq_ignore_ascii_case(&name));
    match value {
        Value::Object(parts) if is_extension || name == "name" => {
            let between = if is_extension { ':' } else { '.' };
            let is_core = name.eq_ignore_ascii_case(CORE);
            for part in parts.keys() {
                let part_of = part.to_ascii_lowercase();
                let path = if is_core { part_of } else { format!("{name}{between}{part_of}") };
                named.push(AttributeRef {
                    path,
                    is_operation,
                    pointer: format!("{pointer}/{}", escaped(part)),
                });
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_) => {
            named.push(AttributeRef { path: name, is_operation, pointer: pointer.to_owned() });
        }
    }
}

/// Escapes a name as a token of a JSON pointer (RFC 6901 §3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
