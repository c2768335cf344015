//! Arguments of a call, from the query, a form or JSON, and their validation.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::WebApiError;

/// Type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ArgType {
    /// Any string.
    Text,
    /// `true`, `false`, `1` or `0`.
    Flag,
    /// An integer.
    Count,
    /// Strings, comma-separated or as a JSON array.
    List,
    /// A JSON object, or a string that contains one.
    Object,
    /// A JSON array of objects, or a string that contains one.
    Rows,
}

/// An argument of a method.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arg {
    /// Its name.
    pub(super) name: &'static str,
    /// Type of the value.
    pub(super) value_type: ArgType,
    /// Whether the call is rejected without it.
    pub(super) required: bool,
    /// Error code for a missing argument; `None` for the general one.
    missing_error: Option<&'static str>,
}

/// Returns an optional argument.
pub(super) const fn optional(name: &'static str, form: ArgType) -> Arg {
    Arg { name, value_type: form, required: false, missing_error: None }
}

/// Returns a required argument.
pub(super) const fn required(name: &'static str, form: ArgType) -> Arg {
    Arg { name, value_type: form, required: true, missing_error: None }
}

/// Returns a required argument with the method's own error code for its absence.
pub(super) const fn required_with_error(
    name: &'static str,
    form: ArgType,
    missing: &'static str,
) -> Arg {
    Arg { name, value_type: form, required: true, missing_error: Some(missing) }
}

/// Argument values by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Args(BTreeMap<String, Value>);

impl Args {
    /// Parses the query and the body; values of the body take precedence.
    pub(super) fn parse(query: &str, content_type: &str, body: &[u8]) -> Result<Self, WebApiError> {
        let mut args = BTreeMap::new();
        add_pairs(&mut args, query.as_bytes());
        let (content_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !body.is_empty() && !is_known_charset(parameters) {
            return Err(WebApiError::new("invalid_charset"));
        }
        match content_type.trim() {
            _ if body.is_empty() => {}
            "application/x-www-form-urlencoded" => add_pairs(&mut args, body),
            "application/json" => {
                let value =
                    serde_json::from_slice(body).map_err(|_| WebApiError::new("invalid_json"))?;
                let Value::Object(object) = value else {
                    return Err(WebApiError::new("json_not_object"));
                };
                args.extend(object.into_iter().filter(|(_, value)| !value.is_null()));
            }
            // Accepted and ignored.
            "text/plain" => {}
            "" => return Err(WebApiError::new("missing_post_type")),
            _ => return Err(WebApiError::new("invalid_post_type")),
        }
        if args.keys().any(|name| !is_name(name)) {
            return Err(WebApiError::new("invalid_arg_name"));
        }
        Ok(Self(args))
    }

    /// Validates the arguments. Unknown ones are ignored, as at Slack.
    pub(super) fn validate(&self, known: &[Arg]) -> Result<(), WebApiError> {
        let mut messages = Vec::new();
        for arg in known {
            let value = self.0.get(arg.name);
            match value {
                _ if arg.required && value.is_none_or(is_blank) => match arg.missing_error {
                    Some(code) => return Err(WebApiError::new(code)),
                    None => messages.push(format!("[ERROR] missing required field: {}", arg.name)),
                },
                Some(Value::Array(_))
                    if !matches!(arg.value_type, ArgType::List | ArgType::Rows) =>
                {
                    return Err(WebApiError::new("invalid_array_arg"));
                }
                Some(value) if !is_blank(value) && !matches_type(value, arg.value_type) => {
                    let expected = match arg.value_type {
                        ArgType::Text => "a string",
                        ArgType::Flag => "a boolean",
                        ArgType::Count => "an integer",
                        ArgType::List => "a list of strings",
                        ArgType::Object => "a JSON object",
                        ArgType::Rows => "a list of JSON objects",
                    };
                    messages
                        .push(format!("[ERROR] must be {expected} [json-pointer:/{}]", arg.name));
                }
                Some(_) | None => {}
            }
        }
        if messages.is_empty() { Ok(()) } else { Err(WebApiError::invalid_arguments(messages)) }
    }

    /// Returns a string, or `None` if it is absent or blank.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = match self.0.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// Whether the argument was sent.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns a JSON object, or `None` if it is absent or not an object.
    pub(super) fn object(&self, name: &str) -> Option<serde_json::Map<String, Value>> {
        match self.0.get(name)? {
            Value::Object(object) => Some(object.clone()),
            Value::String(text) => serde_json::from_str(text).ok(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        }
    }

    /// Returns JSON objects; empty if absent or not an array.
    pub(super) fn rows(&self, name: &str) -> Vec<serde_json::Map<String, Value>> {
        let rows = match self.0.get(name) {
            Some(Value::Array(items)) => serde_json::from_value(Value::Array(items.clone())),
            Some(Value::String(text)) => serde_json::from_str(text),
            Some(_) | None => return Vec::new(),
        };
        rows.unwrap_or_default()
    }

    /// Returns a boolean, or `None` if it is absent.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.text(name)?.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// Returns an integer, or `None` if it is absent.
    pub(super) fn count(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// Returns a list; empty if absent.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let text = match self.0.get(name) {
            Some(Value::Array(items)) => return texts(items),
            Some(Value::String(text)) => text.trim(),
            Some(_) | None => return Vec::new(),
        };
        if text.starts_with('[') {
            // Some clients write the array with single quotes, as Slack's own example does.
            let array = serde_json::from_str(text).or_else(|_| {
                let double = text.replace('\'', "\"");
                serde_json::from_str::<Vec<Value>>(&double)
            });
            return array.map(|items| texts(&items)).unwrap_or_default();
        }
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    /// Returns the arguments that a cursor is bound to: all but pagination and token.
    pub(super) fn filters(&self) -> Vec<(String, String)> {
        let paging = ["cursor", "limit", "token"];
        let filters = self.0.iter().filter(|(name, _)| !paging.contains(&name.as_str()));
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        filters.map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// Returns all arguments but the token, for `api.test`.
    pub(super) fn echo(&self) -> serde_json::Map<String, Value> {
        let args = self.0.iter().filter(|(name, _)| name.as_str() != "token");
        args.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// Maximum length of an argument name; Slack does not publish its limit.
const MAX_ARG_NAME_LENGTH: usize = 128;

/// Whether an argument name is valid: letters, digits and `_`.
fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && name.len() <= MAX_ARG_NAME_LENGTH
}

/// Whether the charset in the parameters of a content type is supported or absent.
fn is_known_charset(parameters: &str) -> bool {
    let mut named = parameters.split(';').filter_map(|one| one.trim().split_once('='));
    let charset = named.find(|(name, _)| name.eq_ignore_ascii_case("charset"));
    charset.is_none_or(|(_, charset)| {
        let charset = charset.trim_matches('"');
        ["utf-8", "utf8", "iso-8859-1"].iter().any(|known| charset.eq_ignore_ascii_case(known))
    })
}

fn add_pairs(args: &mut BTreeMap<String, Value>, encoded: &[u8]) {
    for (name, value) in url::form_urlencoded::parse(encoded) {
        args.insert(name.into_owned(), Value::String(value.into_owned()));
    }
}

fn texts(items: &[Value]) -> Vec<String> {
    let text = |item: &Value| match item {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    items.iter().filter_map(text).collect()
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn matches_type(value: &Value, form: ArgType) -> bool {
    match (form, value) {
        (ArgType::List, Value::Array(items)) => {
            items.iter().all(|item| item.is_string() || item.is_number())
        }
        (ArgType::List | ArgType::Text, Value::String(_) | Value::Number(_))
        | (ArgType::Object, Value::String(_) | Value::Object(_))
        | (ArgType::Rows, Value::String(_) | Value::Array(_))
        | (ArgType::Flag, Value::Bool(_)) => true,
        (ArgType::Flag, Value::String(text)) => {
            matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "false" | "1" | "0")
        }
        (ArgType::Flag, Value::Number(number)) => matches!(number.as_i64(), Some(0 | 1)),
        (ArgType::Count, Value::Number(number)) => number.is_i64(),
        (ArgType::Count, Value::String(text)) => text.trim().parse::<i64>().is_ok(),
        (_, Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_))
        | (ArgType::Object | ArgType::Rows, Value::Number(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_form_and_json_are_equivalent() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let json = "application/json; charset=utf-8";
        for (query, content_type, body) in [
            ("team_id=T1&is_active=0&limit=5&role_ids=Rl01%2CRl0A", "", ""),
            ("limit=9", form, "team_id=T1&is_active=false&limit=5&role_ids=[%22Rl01%22,'Rl0A']"),
            (
                "",
                json,
                r#"{"team_id":"T1","is_active":false,"limit":5,"role_ids":["Rl01","Rl0A"]}"#,
            ),
        ] {
            let args = Args::parse(query, content_type, body.as_bytes()).unwrap();
            assert_eq!(args.text("team_id").as_deref(), Some("T1"));
            assert_eq!(args.flag("is_active"), Some(false));
            assert_eq!(args.count("limit"), Some(5));
            if !body.contains('\'') {
                assert_eq!(args.list("role_ids"), ["Rl01", "Rl0A"]);
            }
        }
    }

    #[test]
    fn names_invalid_and_missing_arguments() {
        let known = [required("team_id", ArgType::Text), optional("limit", ArgType::Count)];
        let args = Args::parse("limit=many&team_id=", "", b"").unwrap();
        let refusal = args.validate(&known).unwrap_err();
        assert_eq!(refusal.error, "invalid_arguments");
        assert_eq!(refusal.messages.len(), 2);
        assert!(Args::parse("team_id=T1&x=y", "", b"").unwrap().validate(&known).is_ok());
    }

    #[test]
    fn rejects_unreadable_bodies_with_slacks_codes() {
        let error = |content_type: &str, body: &[u8]| {
            Args::parse("", content_type, body).unwrap_err().error
        };
        assert_eq!(error("application/json", b"{"), "invalid_json");
        assert_eq!(error("application/json", b"[]"), "json_not_object");
        assert_eq!(error("", b"a=b"), "missing_post_type");
        assert_eq!(error("image/png", b"a=b"), "invalid_post_type");
        assert_eq!(error("application/json; charset=koi8-r", b"{}"), "invalid_charset");
        assert_eq!(error("application/json", br#"{"team-id":"T1"}"#), "invalid_arg_name");
        assert!(Args::parse("team_id=T1", "text/plain", b"hello").is_ok());
    }
}
