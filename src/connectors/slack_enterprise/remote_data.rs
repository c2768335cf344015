//! What of a caller's own data about a user can't be sent: what a field of ours says as well, in whatever spelling of
//! SCIM, and what it says twice. Names of SCIM are told apart without their case (RFC 7643 §2.1).

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use super::scim_user::{CORE, ENTERPRISE, GUEST, MANAGER, OPERATIONS, PROFILE, is_envelope};
use crate::domain::input::Flaw;
use crate::domain::user_input::UserInput;

/// The fields that say the same as an attribute of SCIM.
const FIELDS: [(&str, &str, &[&str]); 21] = [
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

/// What of a caller's own data can't be sent; operations that are no list, or are for a new user, too.
pub(super) fn flaws_of_remote_data(wish: &UserInput, is_new: bool) -> Vec<Flaw> {
    let mut flaws = Vec::new();
    let operations = wish.remote_data.get(OPERATIONS);
    if operations.is_some_and(|value| is_new || !value.is_array()) {
        let message = "must be a list of SCIM operations, and is only for a change";
        flaws.push(Flaw::at("/remote_data/Operations", message));
    }
    let attributes = attributes(wish);
    let said = wish.profile_fields();
    let fields = FIELDS.map(|(schema, name, fields)| (full(schema, name), fields));
    let mut first: HashMap<&str, &Named> = HashMap::new();
    for one in &attributes {
        let same = fields.iter().filter(|(attribute, _)| covers(&one.path, attribute));
        let same: BTreeSet<&str> = same.flat_map(|(_, fields)| *fields).copied().collect();
        for field in same.into_iter().filter(|field| said.contains(field)) {
            flaws.extend(Flaw::pair(field, &one.pointer));
        }
        let before = first.entry(&one.path).or_insert(one);
        // Several operations on one attribute come one after the other.
        let are_operations = before.is_operation && one.is_operation;
        if !std::ptr::eq(*before, one) && !are_operations {
            flaws.extend(Flaw::pair(&before.pointer, &one.pointer));
        }
    }
    flaws
}

/// How the pointers of operations begin.
const IN_OPERATIONS: &str = "/remote_data/Operations/";

/// An attribute that a caller's own data names.
struct Named {
    /// Its path in lower case, with its schema in front when it is of an extension.
    path: String,
    /// Where it is named: a JSON pointer.
    pointer: String,
    /// Whether an operation names it.
    is_operation: bool,
}

/// The path of an attribute of a schema, in lower case.
fn full(schema: &str, name: &str) -> String {
    if schema == CORE {
        name.to_ascii_lowercase()
    } else {
        format!("{schema}:{name}").to_ascii_lowercase()
    }
}

/// Whether `path` is this attribute, or one that it is a part of.
fn covers(path: &str, attribute: &str) -> bool {
    attribute.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The attributes that a caller's own data names, those of its operations too.
fn attributes(wish: &UserInput) -> Vec<Named> {
    let mut named = Vec::new();
    for (name, value) in wish.remote_data.iter().filter(|(name, _)| !is_envelope(name)) {
        add(&mut named, (name, value), &format!("/remote_data/{}", escaped(name)));
    }
    let operations = wish.remote_data.get(OPERATIONS).and_then(Value::as_array);
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

/// Adds an attribute, or the parts of an extension or of a name.
fn add(named: &mut Vec<Named>, (name, value): (&str, &Value), pointer: &str) {
    // A filter chooses among the values of an attribute.
    let name = name.split('[').next().unwrap_or_default().to_ascii_lowercase();
    let core = format!("{CORE}:").to_ascii_lowercase();
    let name = name.strip_prefix(&core).unwrap_or(&name).to_owned();
    let is_operation = pointer.starts_with(IN_OPERATIONS);
    let is_extension = FIELDS.iter().any(|(schema, ..)| schema.eq_ignore_ascii_case(&name));
    match value {
        Value::Object(parts) if is_extension || name == "name" => {
            let between = if is_extension { ':' } else { '.' };
            let is_core = name.eq_ignore_ascii_case(CORE);
            for part in parts.keys() {
                let part_of = part.to_ascii_lowercase();
                let path = if is_core { part_of } else { format!("{name}{between}{part_of}") };
                named.push(Named {
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
            named.push(Named { path: name, is_operation, pointer: pointer.to_owned() });
        }
    }
}

/// A name as a part of a JSON pointer (RFC 6901 §3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
