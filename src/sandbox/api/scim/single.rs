//! Lists of which Slack keeps one element: pictures, postal addresses and roles. The one that is
//! marked as primary is taken, else the first.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::value::{WRONG_TYPE, field, flag, text};
use super::version::Trouble;
use crate::sandbox::org::Profile;

/// An address, part after part.
const PARTS: [&str; 5] = ["streetAddress", "locality", "region", "postalCode", "country"];

/// Takes a picture: its address, or the picture itself. Slack makes its own copy of it, so only a
/// fingerprint is kept, by which the copy's address changes.
pub(super) fn write_photo(profile: &mut Profile, value: &Value) -> Result<(), Trouble> {
    let wrong = || Trouble::bad("photos_invalid");
    let Some(photo) = chosen(value, "photos_invalid")? else {
        profile.record.photo.clear();
        return Ok(());
    };
    let address = word(photo).map_err(|_| wrong())?;
    if address.is_empty() || is_deletion(photo) {
        profile.record.photo.clear();
        return Ok(());
    }
    let known = ["http://", "https://", "data:image/"];
    if !known.iter().any(|start| address.starts_with(start)) {
        return Err(wrong());
    }
    let digest = Sha256::digest(address.as_bytes());
    profile.record.photo =
        URL_SAFE_NO_PAD.encode(digest.iter().take(9).copied().collect::<Vec<u8>>());
    Ok(())
}

/// Takes a role: an object with a value, or the value alone.
pub(super) fn write_role(profile: &mut Profile, value: &Value) -> Result<(), Trouble> {
    let wrong = || Trouble::bad("roles_invalid");
    let Some(role) = chosen(value, "roles_invalid")? else {
        profile.record.role.clear();
        return Ok(());
    };
    let name = word(role).map_err(|_| wrong())?;
    if !is_deletion(role) {
        profile.record.role = name;
    } else if profile.record.role == name {
        profile.record.role.clear();
    }
    Ok(())
}

/// Takes an address, or one part of it.
pub(super) fn write_address(
    profile: &mut Profile,
    part: Option<&str>,
    value: &Value,
) -> Result<(), Trouble> {
    let wrong = || Trouble::bad("addresses_invalid");
    if let Some(part) = part {
        let number = PARTS.iter().position(|name| name.eq_ignore_ascii_case(part));
        let mut parts = address_parts(profile).into_iter();
        let kept = number.and_then(|number| parts.nth(number)).ok_or_else(wrong)?;
        *kept = text(value)?;
        return Ok(());
    }
    let Some(address) = chosen(value, "addresses_invalid")? else {
        address_parts(profile).into_iter().for_each(String::clear);
        return Ok(());
    };
    let fields = address.as_object().ok_or_else(wrong)?;
    let read = |name: &str| text(field(fields, name).unwrap_or(&Value::Null));
    let mut given = Vec::with_capacity(PARTS.len());
    for name in PARTS {
        given.push(read(name).map_err(|_| wrong())?);
    }
    let kept = address_parts(profile);
    if !is_deletion(address) {
        kept.into_iter().zip(given).for_each(|(kept, given)| *kept = given);
    } else if kept.iter().zip(&given).all(|(kept, given)| *kept == given) {
        kept.into_iter().for_each(String::clear);
    }
    Ok(())
}

fn address_parts(profile: &mut Profile) -> [&mut String; 5] {
    let record = &mut profile.record;
    [
        &mut record.street,
        &mut profile.city,
        &mut record.region,
        &mut record.postal_code,
        &mut profile.country,
    ]
}

/// The element that is taken; none of an empty list.
fn chosen<'a>(value: &'a Value, invalid: &'static str) -> Result<Option<&'a Value>, Trouble> {
    let primary = |item: &&Value| {
        let fields = item.as_object();
        fields.and_then(|fields| field(fields, "primary")).and_then(flag) == Some(true)
    };
    match value {
        Value::Null => Ok(None),
        Value::Array(items) => Ok(items.iter().find(primary).or_else(|| items.first())),
        Value::Object(_) | Value::String(_) => Ok(Some(value)),
        Value::Bool(_) | Value::Number(_) => Err(Trouble::bad(invalid)),
    }
}

/// The value of an element, which may be the element itself.
fn word(item: &Value) -> Result<String, Trouble> {
    match item {
        Value::Object(fields) => text(field(fields, "value").unwrap_or(&Value::Null)),
        Value::String(_) => text(item),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            Err(Trouble::bad(WRONG_TYPE))
        }
    }
}

/// Version 1.1 takes elements away by `"operation": "delete"`.
pub(super) fn is_deletion(item: &Value) -> bool {
    let operation = |fields: &Map<String, Value>| {
        let word = field(fields, "operation").and_then(Value::as_str);
        word.is_some_and(|word| word.eq_ignore_ascii_case("delete"))
    };
    item.as_object().is_some_and(operation)
}
