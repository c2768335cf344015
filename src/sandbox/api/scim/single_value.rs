//! List attributes with at most one element: photos, postal addresses and roles. The primary
//! element is stored, otherwise the first.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::value::{WRONG_TYPE, field, parse_bool, parse_text};
use super::version::ScimError;
use crate::sandbox::org::Profile;

/// Parts of a postal address, in the order of [`address_parts`].
const ADDRESS_PARTS: [&str; 5] = ["streetAddress", "locality", "region", "postalCode", "country"];

/// Writes a photo: its URL or its data. Slack makes its own copy, so only a fingerprint is stored;
/// it is part of the copy's URL.
pub(super) fn write_photo(profile: &mut Profile, value: &Value) -> Result<(), ScimError> {
    let wrong = || ScimError::bad_request("photos_invalid");
    let Some(photo) = primary_or_first(value, "photos_invalid")? else {
        profile.scim.photo.clear();
        return Ok(());
    };
    let address = item_value(photo).map_err(|_| wrong())?;
    if address.is_empty() || is_deletion(photo) {
        profile.scim.photo.clear();
        return Ok(());
    }
    let known = ["http://", "https://", "data:image/"];
    if !known.iter().any(|start| address.starts_with(start)) {
        return Err(wrong());
    }
    let digest = Sha256::digest(address.as_bytes());
    profile.scim.photo =
        URL_SAFE_NO_PAD.encode(digest.iter().take(9).copied().collect::<Vec<u8>>());
    Ok(())
}

/// Writes a role: an object with a value, or a string.
pub(super) fn write_role(profile: &mut Profile, value: &Value) -> Result<(), ScimError> {
    let wrong = || ScimError::bad_request("roles_invalid");
    let Some(role) = primary_or_first(value, "roles_invalid")? else {
        profile.scim.role.clear();
        return Ok(());
    };
    let name = item_value(role).map_err(|_| wrong())?;
    if !is_deletion(role) {
        profile.scim.role = name;
    } else if profile.scim.role == name {
        profile.scim.role.clear();
    }
    Ok(())
}

/// Writes an address, or one part of it.
pub(super) fn write_address(
    profile: &mut Profile,
    part: Option<&str>,
    value: &Value,
) -> Result<(), ScimError> {
    let wrong = || ScimError::bad_request("addresses_invalid");
    if let Some(part) = part {
        let number = ADDRESS_PARTS.iter().position(|name| name.eq_ignore_ascii_case(part));
        let mut parts = address_parts(profile).into_iter();
        let stored = number.and_then(|number| parts.nth(number)).ok_or_else(wrong)?;
        *stored = parse_text(value)?;
        return Ok(());
    }
    let Some(address) = primary_or_first(value, "addresses_invalid")? else {
        address_parts(profile).into_iter().for_each(String::clear);
        return Ok(());
    };
    let fields = address.as_object().ok_or_else(wrong)?;
    let read = |name: &str| parse_text(field(fields, name).unwrap_or(&Value::Null));
    let mut given = Vec::with_capacity(ADDRESS_PARTS.len());
    for name in ADDRESS_PARTS {
        given.push(read(name).map_err(|_| wrong())?);
    }
    let stored = address_parts(profile);
    if !is_deletion(address) {
        stored.into_iter().zip(given).for_each(|(stored, given)| *stored = given);
    } else if stored.iter().zip(&given).all(|(stored, given)| *stored == given) {
        stored.into_iter().for_each(String::clear);
    }
    Ok(())
}

fn address_parts(profile: &mut Profile) -> [&mut String; 5] {
    let record = &mut profile.scim;
    [
        &mut record.street,
        &mut profile.city,
        &mut record.region,
        &mut record.postal_code,
        &mut profile.country,
    ]
}

/// Returns the element to store; `None` for an empty list.
fn primary_or_first<'a>(
    value: &'a Value,
    invalid: &'static str,
) -> Result<Option<&'a Value>, ScimError> {
    let primary = |item: &&Value| {
        let fields = item.as_object();
        fields.and_then(|fields| field(fields, "primary")).and_then(parse_bool) == Some(true)
    };
    match value {
        Value::Null => Ok(None),
        Value::Array(items) => Ok(items.iter().find(primary).or_else(|| items.first())),
        Value::Object(_) | Value::String(_) => Ok(Some(value)),
        Value::Bool(_) | Value::Number(_) => Err(ScimError::bad_request(invalid)),
    }
}

/// Returns the value of an element, which may be a plain string.
fn item_value(item: &Value) -> Result<String, ScimError> {
    match item {
        Value::Object(fields) => parse_text(field(fields, "value").unwrap_or(&Value::Null)),
        Value::String(_) => parse_text(item),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(ScimError::bad_request(WRONG_TYPE))
        }
    }
}

/// Whether an element has `"operation": "delete"` (version 1.1).
pub(super) fn is_deletion(item: &Value) -> bool {
    let operation = |fields: &Map<String, Value>| {
        let word = field(fields, "operation").and_then(Value::as_str);
        word.is_some_and(|word| word.eq_ignore_ascii_case("delete"))
    };
    item.as_object().is_some_and(operation)
}
