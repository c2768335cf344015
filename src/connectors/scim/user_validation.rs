//! Validates the input of a user before anything is sent: what SCIM does not have, and what the server's schema does
//! not let be written.

use super::attribute::AttributePath;
use super::features::{ScimFeatures, ScimSettings, WorkspaceSource};
use super::remote_data::{SetAttribute, escaped, validate_remote_data};
use super::unsupported::{NO_EXPIRY, NO_INVITATIONS};
use super::user_bodies::{CUSTOM_FIELDS, fields};
use super::user_emails::emails;
use super::user_names::{FullName, family_name, full_name, given_name};
use super::user_schema::can_write;
use crate::domain::patch::{PatchField, ValidationError};
use crate::domain::user::UserType;
use crate::domain::user_input::UserInput;

/// Returns the validation errors of a request; `is_new` when it creates a user.
pub(super) fn validate_user(
    input: &UserInput,
    is_new: bool,
    features: &ScimFeatures,
    settings: &ScimSettings,
) -> Vec<ValidationError> {
    let mut errors = not_in_scim(input, settings);
    errors.extend(not_in_schema(input, is_new, features));
    if !is_new && !input.external_id.is_absent() {
        let message =
            "can only be set on a new account; `remote_data` with `externalId` changes it";
        errors.push(ValidationError::at("/external_id", message));
    }
    if input.username == PatchField::Clear {
        let message = "can't be cleared: every account has a username";
        errors.push(ValidationError::at("/username", message));
    }
    let set = set_attributes(input, features);
    errors.extend(validate_remote_data(&input.remote_data, &set, is_new, features.patch));
    errors
}

/// Returns errors for what SCIM does not have, or this account.
fn not_in_scim(input: &UserInput, settings: &ScimSettings) -> Vec<ValidationError> {
    let mut errors = Vec::new();
    let mut reject = |is_given: bool, pointer: &str, message: &str| {
        if is_given {
            errors.push(ValidationError::at(pointer, message));
        }
    };
    reject(input.invite, "/invite", NO_INVITATIONS);
    reject(!input.expires_at.is_absent(), "/expires_at", NO_EXPIRY);
    let is_guest = input.kind().is_some_and(|kind| kind != UserType::Member);
    reject(is_guest, "/user_type", "must be `member` or absent: SCIM has no guests");
    let has_none = settings.workspaces_from == WorkspaceSource::None;
    let message = "are not configured: set `workspaces_from` in the account's `provider_settings`, or use POST /groups";
    reject(has_none && !input.workspaces.is_empty(), "/workspaces", message);
    for (number, workspace) in input.workspaces.iter().enumerate() {
        let pointer = format!("/workspaces/{number}/channel_ids");
        reject(!workspace.channel_ids.is_empty(), &pointer, "must be absent: SCIM has no channels");
    }
    let unknown = input.custom_fields.keys().filter(|name| !CUSTOM_FIELDS.contains(&name.as_str()));
    errors.extend(unknown.map(|name| {
        let message = "is not a custom field of SCIM: send the attribute in `remote_data`";
        ValidationError::at(format!("/custom_fields/{}", escaped(name)), message)
    }));
    errors
}

/// Returns errors for fields whose attribute the server's schema does not let be written.
fn not_in_schema(input: &UserInput, is_new: bool, features: &ScimFeatures) -> Vec<ValidationError> {
    let mut errors = Vec::new();
    let mut check = |pointer: &str, path: &AttributePath| {
        if !can_write(features, path) {
            errors.push(not_writable(pointer, &path.text()));
        }
    };
    for field in fields(input, features).iter().filter(|field| !field.value.is_absent()) {
        check(&field.pointer, &field.path);
    }
    if !input.first_name.is_absent() {
        check("/first_name", &given_name());
    }
    if !input.last_name.is_absent() {
        check("/last_name", &family_name());
    }
    if !input.emails.is_absent() {
        check("/emails", &emails());
    }
    // The address of a new user may be its username only.
    if !is_new && !input.email.is_absent() {
        check("/email", &emails());
    }
    if !input.name.is_absent() && full_name(features) == FullName::Nowhere {
        errors.push(not_writable("/name", "name"));
    }
    errors
}

fn not_writable(pointer: &str, attribute: &str) -> ValidationError {
    let message =
        format!("can't be written: the service's schema has no writable attribute `{attribute}`");
    ValidationError::at(pointer, message)
}

/// Returns the attributes that the unified fields set.
fn set_attributes(input: &UserInput, features: &ScimFeatures) -> Vec<SetAttribute> {
    let plain = fields(input, features).into_iter().filter(|field| !field.value.is_absent());
    let plain = plain.map(|field| (field.pointer, field.path));
    let name = || AttributePath::core("name");
    let others = [
        ("/name", name(), input.name.is_absent()),
        ("/first_name", given_name(), input.first_name.is_absent()),
        ("/last_name", family_name(), input.last_name.is_absent()),
        ("/email", emails(), input.email.is_absent()),
        ("/emails", emails(), input.emails.is_absent()),
    ];
    let others = others.into_iter().filter(|(.., is_absent)| !is_absent);
    let others = others.map(|(pointer, path, _)| (pointer.to_owned(), path));
    let set = |(pointer, path): (String, AttributePath)| SetAttribute { pointer, key: path.key() };
    plain.chain(others).map(set).collect()
}
