//! The fields of a user that a request of the unified API changes, with their new values where the request has them.

use std::collections::BTreeMap;

use serde_json::Value;

use super::effect::NewValue;
use super::patch::PatchField;
use super::user_input::{UserInput, UserStatusInput};

/// The fields of a user that change with its status and its kind.
pub(super) const STATUS_FIELDS: [&str; 7] = [
    "status",
    "user_type",
    "expires_at",
    "deactivated_at",
    "is_2fa_enabled",
    "is_email_verified",
    "is_sso_enabled",
];

/// Returns the fields that an update changes; `None` for any, where the request has fields of the provider.
pub(super) fn changed_fields(input: &UserInput) -> Option<BTreeMap<String, NewValue>> {
    if !input.remote_data.is_empty() {
        return None;
    }
    let mut changed = BTreeMap::new();
    let mut any = |fields: &[&str]| {
        for field in fields {
            changed.entry((*field).to_owned()).or_insert(NewValue::Any);
        }
    };
    for (is_absent, fields) in [
        // A user's full name follows from its parts, and the reverse.
        (
            input.first_name.is_absent() && input.last_name.is_absent() && input.name.is_absent(),
            &["first_name", "last_name", "name"][..],
        ),
        // A provider may derive the username from the address.
        (
            input.email.is_absent() && input.emails.is_absent(),
            &["emails", "username", "is_email_verified"],
        ),
        (input.phones.is_absent(), &["phones"]),
        (input.photos.is_absent(), &["photos"]),
        (input.addresses.is_absent(), &["addresses"]),
        (input.manager.is_absent(), &["manager"]),
        (input.custom_fields.is_empty(), &["custom_fields"]),
        (input.expires_at.is_absent(), &["expires_at"]),
        (input.status.is_absent() && input.user_type.is_absent(), &STATUS_FIELDS),
    ] {
        if !is_absent {
            any(fields);
        }
    }
    for (field, text) in [
        ("username", &input.username),
        ("external_id", &input.external_id),
        ("first_name", &input.first_name),
        ("last_name", &input.last_name),
        ("name", &input.name),
        ("title", &input.title),
        ("department", &input.department),
        ("division", &input.division),
        ("organization", &input.organization),
        ("cost_center", &input.cost_center),
        ("employee_number", &input.employee_number),
        ("timezone", &input.timezone),
        ("locale", &input.locale),
    ] {
        let value = match text {
            PatchField::Absent => continue,
            PatchField::Clear => Value::Null,
            PatchField::Set(text) => text.as_str().into(),
        };
        changed.insert(field.to_owned(), NewValue::Is(value));
    }
    if let Some(status) = input.status.value() {
        let status = match status {
            UserStatusInput::Active => "active",
            UserStatusInput::Inactive => "inactive",
        };
        changed.insert("status".to_owned(), NewValue::Is(status.into()));
    }
    Some(changed)
}
