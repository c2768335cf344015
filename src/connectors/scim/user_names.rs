//! The names of a user as SCIM attributes. Servers differ in where they have a name: in parts, as a whole, or only as
//! the display name.

use serde_json::Value;

use super::attribute::{AttributePath, Resource};
use super::attribute_change::{AttributeChange, change_of, text};
use super::features::ScimFeatures;
use super::user_schema::{can_write, is_known_writable};
use crate::domain::patch::PatchField;
use crate::domain::user_input::UserInput;

/// Where a server's schema has the full name of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FullName {
    /// In given and family name.
    Parts,
    /// In `name.formatted`.
    Formatted,
    /// In `displayName`.
    DisplayName,
    /// Nowhere.
    Nowhere,
}

/// Returns the path of the given name.
pub(super) fn given_name() -> AttributePath {
    AttributePath::core("name").part("givenName")
}

/// Returns the path of the family name.
pub(super) fn family_name() -> AttributePath {
    AttributePath::core("name").part("familyName")
}

fn formatted_name() -> AttributePath {
    AttributePath::core("name").part("formatted")
}

/// Returns where the full name is written.
pub(super) fn full_name(features: &ScimFeatures) -> FullName {
    let can_write = |path: AttributePath| can_write(features, &path);
    if can_write(given_name()) && can_write(family_name()) {
        FullName::Parts
    } else if can_write(formatted_name()) {
        FullName::Formatted
    } else if can_write(AttributePath::core("displayName")) {
        FullName::DisplayName
    } else {
        FullName::Nowhere
    }
}

/// Returns the changes of the names.
pub(super) fn name_changes(
    input: &UserInput,
    current: &Resource,
    features: &ScimFeatures,
) -> Vec<AttributeChange> {
    let (whole, parts) = match full_name(features) {
        FullName::Parts => (None, input.name_parts()),
        FullName::Formatted => {
            (Some(formatted_name()), (input.first_name.clone(), input.last_name.clone()))
        }
        FullName::DisplayName | FullName::Nowhere => (
            Some(AttributePath::core("displayName")),
            (input.first_name.clone(), input.last_name.clone()),
        ),
    };
    let (first, last) = parts;
    let formatted = match whole {
        Some(path) => change_of(path, text(&input.name)),
        None => change_of(formatted_name(), formatted(input, &first, &last, current, features)),
    };
    let parts = [(given_name(), &first), (family_name(), &last)];
    let parts = parts.into_iter().filter_map(|(path, part)| change_of(path, text(part)));
    parts.chain(formatted).collect()
}

/// Returns the change of `name.formatted` that goes with the parts. It is left to servers that do not have it.
fn formatted(
    input: &UserInput,
    first: &PatchField<String>,
    last: &PatchField<String>,
    current: &Resource,
    features: &ScimFeatures,
) -> PatchField<Value> {
    let is = formatted_name().get(current);
    let is_had = is.and_then(Value::as_str).is_some_and(|name| !name.trim().is_empty());
    let is_sent = if features.user.attributes.is_empty() {
        is_had
    } else {
        is_known_writable(features, &formatted_name())
    };
    if !is_sent || (first.is_absent() && last.is_absent()) {
        return PatchField::Absent;
    }
    if let Some(whole) = input.name.value() {
        return PatchField::Set(whole.as_str().into());
    }
    let after = |field: &PatchField<String>, path: AttributePath| match field {
        PatchField::Absent => path.get(current)?.as_str().map(str::to_owned),
        PatchField::Clear => None,
        PatchField::Set(name) => Some(name.clone()),
    };
    let names = [after(first, given_name()), after(last, family_name())];
    let names: Vec<String> =
        names.into_iter().flatten().filter(|name| !name.trim().is_empty()).collect();
    if names.is_empty() { PatchField::Clear } else { PatchField::Set(names.join(" ").into()) }
}

/// Returns the display name of a new user where the server requires one; the full name, or otherwise the username.
pub(super) fn display_name(
    input: &UserInput,
    user: &Resource,
    features: &ScimFeatures,
) -> Option<String> {
    let path = AttributePath::core("displayName");
    let is_required =
        features.user.attribute(&path.text()).is_some_and(|attribute| attribute.is_required);
    if !is_required || path.get(user).is_some() {
        return None;
    }
    let (first, last) = input.name_parts();
    let names: Vec<&str> =
        [&first, &last].into_iter().filter_map(PatchField::value).map(String::as_str).collect();
    let username = AttributePath::core("userName");
    match names.join(" ") {
        name if name.is_empty() => username.get(user)?.as_str().map(str::to_owned),
        name => Some(name),
    }
}
