//! The e-mail addresses of a user as a SCIM attribute.

use serde_json::{Map, Value, json};

use super::attribute::{AttributePath, Resource, elements, member};
use super::attribute_change::AttributeChange;
use super::features::ScimFeatures;
use super::patch::element_path;
use super::user_schema::can_write;
use crate::domain::patch::PatchField;
use crate::domain::user_input::{EmailInput, UserInput};

/// The type of a primary address without one: many services find the address by it.
const PRIMARY_TYPE: &str = "work";

/// Returns the path of the addresses.
pub(super) fn emails() -> AttributePath {
    AttributePath::core("emails")
}

/// Returns the change of the addresses. `email` alone changes the primary address, and leaves the others.
pub(super) fn email_change(
    input: &UserInput,
    current: &Resource,
    features: &ScimFeatures,
) -> Option<AttributeChange> {
    // A server without addresses has the one of a new user as its username.
    if !can_write(features, &emails()) {
        return None;
    }
    let whole = |value| Some(AttributeChange::whole(emails(), value));
    match (&input.emails, &input.email) {
        (PatchField::Set(all), _) => whole(Some(list(all))),
        (PatchField::Clear, _) | (PatchField::Absent, PatchField::Clear) => whole(None),
        (PatchField::Absent, PatchField::Set(email)) => primary_change(email, current),
        (PatchField::Absent, PatchField::Absent) => None,
    }
}

fn list(all: &[EmailInput]) -> Value {
    let primary = all.iter().position(|email| email.is_primary).unwrap_or(0);
    let has_type = all.iter().any(|email| email.kind.as_deref() == Some(PRIMARY_TYPE));
    let element = |(number, email): (usize, &EmailInput)| {
        let is_primary = number == primary;
        let default = (is_primary && !has_type).then_some(PRIMARY_TYPE);
        let kind = email.kind.as_deref().or(default);
        json!({"value": email.email, "type": kind, "primary": is_primary})
    };
    all.iter().enumerate().map(element).collect()
}

/// Returns the change of the primary address; `None` when it is the requested one.
fn primary_change(email: &str, current: &Resource) -> Option<AttributeChange> {
    let present: Vec<Resource> = elements(emails().get(current)).into_iter().map(parts).collect();
    let Some(primary) = present
        .iter()
        .position(|one| text(one, "primary").is_some_and(|is| is.eq_ignore_ascii_case("true")))
        .or((!present.is_empty()).then_some(0))
    else {
        let only = json!([{"value": email, "type": PRIMARY_TYPE, "primary": true}]);
        return Some(AttributeChange::whole(emails(), Some(only)));
    };
    let is_it =
        |one: &Resource| text(one, "value").is_some_and(|own| own.eq_ignore_ascii_case(email));
    let same = present.iter().position(is_it);
    if same == Some(primary) {
        return None;
    }
    let mut new = present.clone();
    for (number, one) in new.iter_mut().enumerate() {
        match same {
            // Another address of the user becomes the primary one.
            Some(same) => AttributePath::core("primary").set(one, (number == same).into()),
            None if number == primary => AttributePath::core("value").set(one, email.into()),
            None => {}
        }
    }
    let narrow = match same {
        Some(_) => Vec::new(),
        None => value_operation(&present, primary, email).into_iter().collect(),
    };
    let value = new.into_iter().map(Value::Object).collect();
    Some(AttributeChange {
        element_operations: narrow,
        ..AttributeChange::whole(emails(), Some(value))
    })
}

/// Returns the operation that changes the value of an element only, where the type selects that element.
fn value_operation(present: &[Resource], number: usize, email: &str) -> Option<Value> {
    let kind = text(present.get(number)?, "type")?;
    let is_plain = kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let alike = present
        .iter()
        .filter(|one| text(one, "type").is_some_and(|other| other.eq_ignore_ascii_case(&kind)));
    (is_plain && alike.count() == 1).then(|| {
        let path = format!("{}.value", element_path("emails", "type", &kind.into()));
        json!({"op": "replace", "path": path, "value": email})
    })
}

/// Returns the parts of an element; a bare text is its value.
fn parts(element: &Value) -> Resource {
    let bare = || Map::from_iter([("value".to_owned(), element.clone())]);
    element.as_object().cloned().unwrap_or_else(bare)
}

/// Returns a part as text.
fn text(element: &Resource, part: &str) -> Option<String> {
    match member(element, part)? {
        Value::String(text) => Some(text.clone()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
