//! Parsing of attribute values.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::version::ScimError;

/// Error code for a value of the wrong type.
pub(super) const WRONG_TYPE: &str = "invalid_attribute_format";

/// Parses a string. `null` and blank strings become empty.
pub(super) fn parse_text(value: &Value) -> Result<String, ScimError> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(ScimError::bad_request(WRONG_TYPE))
        }
    }
}

/// Parses a boolean, also as a string, as some identity providers send it.
pub(super) fn parse_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(word) if word.eq_ignore_ascii_case("true") => Some(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") => Some(false),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

/// Returns the fields of an object.
pub(super) fn fields(value: &Value) -> Result<&Map<String, Value>, ScimError> {
    value.as_object().ok_or_else(|| ScimError::bad_request(WRONG_TYPE))
}

/// Returns a field of an object, ignoring the case of its name.
pub(super) fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let same = |(key, _): &(&String, &Value)| key.eq_ignore_ascii_case(name);
    fields.get(name).or_else(|| fields.iter().find(same).map(|(_, value)| value))
}

/// Parses an ISO 8601 time to Unix seconds: with `Z`, with an offset with or without a colon, or a
/// date. Returns `None` for an absent one.
pub(super) fn parse_timestamp(value: &Value) -> Result<Option<i64>, ScimError> {
    let text = parse_text(value)?;
    if text.is_empty() {
        return Ok(None);
    }
    let (head, offset) = match text.rfind(['+', '-']).filter(|place| *place > 10) {
        Some(place) => text.split_at_checked(place).unwrap_or((&text, "")),
        None => (text.as_str(), ""),
    };
    let whole = match (head.contains('T'), offset.len()) {
        (false, 0) => format!("{head}T00:00:00Z"),
        (true, 5) => {
            let (hours, minutes) = offset.split_at_checked(3).unwrap_or((offset, ""));
            format!("{head}{hours}:{minutes}")
        }
        (true, 0) if !head.ends_with(['Z', 'z']) => format!("{head}Z"),
        (true | false, _) => text.clone(),
    };
    let moment = OffsetDateTime::parse(&whole, &Rfc3339);
    moment
        .map(|moment| Some(moment.unix_timestamp()))
        .map_err(|_| ScimError::bad_request(WRONG_TYPE))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parses_timestamps_in_every_documented_format() {
        for text in [
            "2024-04-10T00:00:00+0000",
            "2024-04-10T00:00:00Z",
            "2024-04-10",
            "2024-04-10T02:00:00+02:00",
            "2024-04-09T17:00:00-0700",
            "2024-04-10T00:00:00",
        ] {
            assert_eq!(parse_timestamp(&json!(text)), Ok(Some(1_712_707_200)), "{text}");
        }
        assert_eq!(parse_timestamp(&json!(" ")), Ok(None));
        assert_eq!(parse_timestamp(&json!("tomorrow")), Err(ScimError::bad_request(WRONG_TYPE)));
        assert_eq!(parse_timestamp(&json!(7)), Err(ScimError::bad_request(WRONG_TYPE)));
    }
}
