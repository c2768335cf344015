//! Reads the values of attributes.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::version::Trouble;

/// What is wrong with a value of another type than the attribute's.
pub(super) const WRONG_TYPE: &str = "invalid_attribute_format";

/// A text. Nothing, and nothing but spaces, is the empty one.
pub(super) fn text(value: &Value) -> Result<String, Trouble> {
    match value {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            Err(Trouble::bad(WRONG_TYPE))
        }
    }
}

/// Yes or no, also in words: some identity providers send those.
pub(super) fn flag(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(word) if word.eq_ignore_ascii_case("true") => Some(true),
        Value::String(word) if word.eq_ignore_ascii_case("false") => Some(false),
        Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

/// The fields of an object.
pub(super) fn fields(value: &Value) -> Result<&Map<String, Value>, Trouble> {
    value.as_object().ok_or_else(|| Trouble::bad(WRONG_TYPE))
}

/// A field of an object, in whatever case its name is written.
pub(super) fn field<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let same = |(key, _): &(&String, &Value)| key.eq_ignore_ascii_case(name);
    fields.get(name).or_else(|| fields.iter().find(same).map(|(_, value)| value))
}

/// A moment in ISO 8601, in Unix seconds: with `Z`, with an offset with or without its colon, or
/// a day alone. None for no moment.
pub(super) fn moment(value: &Value) -> Result<Option<i64>, Trouble> {
    let text = text(value)?;
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
    moment.map(|moment| Some(moment.unix_timestamp())).map_err(|_| Trouble::bad(WRONG_TYPE))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn moments_are_read_in_every_spelling_of_the_reference() {
        for text in [
            "2024-04-10T00:00:00+0000",
            "2024-04-10T00:00:00Z",
            "2024-04-10",
            "2024-04-10T02:00:00+02:00",
            "2024-04-09T17:00:00-0700",
            "2024-04-10T00:00:00",
        ] {
            assert_eq!(moment(&json!(text)), Ok(Some(1_712_707_200)), "{text}");
        }
        assert_eq!(moment(&json!(" ")), Ok(None));
        assert_eq!(moment(&json!("tomorrow")), Err(Trouble::bad(WRONG_TYPE)));
        assert_eq!(moment(&json!(7)), Err(Trouble::bad(WRONG_TYPE)));
    }
}
