//! The arguments of a call, from the query, a form or JSON, and what they must look like.

use std::collections::BTreeMap;

use serde_json::Value;

use super::refusal::Refusal;

/// What a value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Any text.
    Text,
    /// `true`, `false`, `1` or `0`.
    Flag,
    /// A whole number.
    Count,
    /// Texts, separated by commas or as a JSON array.
    List,
    /// A JSON object, or a text that holds one.
    Object,
    /// A JSON array of objects, or a text that holds one.
    Rows,
}

/// An argument that a method knows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arg {
    /// Its name.
    pub(super) name: &'static str,
    /// What it looks like.
    pub(super) form: Form,
    /// Whether the call is refused without it.
    pub(super) required: bool,
    /// The method's own code for that.
    missing: Option<&'static str>,
}

/// An argument that may be left out.
pub(super) const fn optional(name: &'static str, form: Form) -> Arg {
    Arg { name, form, required: false, missing: None }
}

/// An argument that must be there.
pub(super) const fn required(name: &'static str, form: Form) -> Arg {
    Arg { name, form, required: true, missing: None }
}

/// An argument without which the call is refused with a code of the method's own.
pub(super) const fn demanded(name: &'static str, form: Form, missing: &'static str) -> Arg {
    Arg { name, form, required: true, missing: Some(missing) }
}

/// The arguments as they were sent, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Args(BTreeMap<String, Value>);

impl Args {
    /// Reads the query and the body; what the body says wins.
    pub(super) fn read(query: &str, content_type: &str, body: &[u8]) -> Result<Self, Refusal> {
        let mut args = BTreeMap::new();
        add_pairs(&mut args, query.as_bytes());
        let (content_type, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
        if !body.is_empty() && !is_known_charset(parameters) {
            return Err(Refusal::new("invalid_charset"));
        }
        match content_type.trim() {
            _ if body.is_empty() => {}
            "application/x-www-form-urlencoded" => add_pairs(&mut args, body),
            "application/json" => {
                let value =
                    serde_json::from_slice(body).map_err(|_| Refusal::new("invalid_json"))?;
                let Value::Object(object) = value else {
                    return Err(Refusal::new("json_not_object"));
                };
                args.extend(object.into_iter().filter(|(_, value)| !value.is_null()));
            }
            // It may come, and says nothing.
            "text/plain" => {}
            "" => return Err(Refusal::new("missing_post_type")),
            _ => return Err(Refusal::new("invalid_post_type")),
        }
        if args.keys().any(|name| !is_name(name)) {
            return Err(Refusal::new("invalid_arg_name"));
        }
        Ok(Self(args))
    }

    /// Holds the arguments against what the method knows. Unknown ones pass, as they do at Slack.
    pub(super) fn check(&self, known: &[Arg]) -> Result<(), Refusal> {
        let mut messages = Vec::new();
        for arg in known {
            let value = self.0.get(arg.name);
            match value {
                _ if arg.required && value.is_none_or(is_blank) => match arg.missing {
                    Some(code) => return Err(Refusal::new(code)),
                    None => messages.push(format!("[ERROR] missing required field: {}", arg.name)),
                },
                Some(Value::Array(_)) if !matches!(arg.form, Form::List | Form::Rows) => {
                    return Err(Refusal::new("invalid_array_arg"));
                }
                Some(value) if !is_blank(value) && !has_form(value, arg.form) => {
                    let wanted = match arg.form {
                        Form::Text => "a string",
                        Form::Flag => "a boolean",
                        Form::Count => "an integer",
                        Form::List => "a list of strings",
                        Form::Object => "a JSON object",
                        Form::Rows => "a list of JSON objects",
                    };
                    messages.push(format!("[ERROR] must be {wanted} [json-pointer:/{}]", arg.name));
                }
                Some(_) | None => {}
            }
        }
        if messages.is_empty() { Ok(()) } else { Err(Refusal::arguments(messages)) }
    }

    /// A text, unless it is absent or blank.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = match self.0.get(name)? {
            Value::String(text) => text.trim().to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Bool(flag) => flag.to_string(),
            Value::Null | Value::Array(_) | Value::Object(_) => return None,
        };
        (!text.is_empty()).then_some(text)
    }

    /// Whether it was sent at all.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A JSON object, unless it is absent or none.
    pub(super) fn object(&self, name: &str) -> Option<serde_json::Map<String, Value>> {
        match self.0.get(name)? {
            Value::Object(object) => Some(object.clone()),
            Value::String(text) => serde_json::from_str(text).ok(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
        }
    }

    /// JSON objects, none when it is absent or no array.
    pub(super) fn rows(&self, name: &str) -> Vec<serde_json::Map<String, Value>> {
        let rows = match self.0.get(name) {
            Some(Value::Array(items)) => serde_json::from_value(Value::Array(items.clone())),
            Some(Value::String(text)) => serde_json::from_str(text),
            Some(_) | None => return Vec::new(),
        };
        rows.unwrap_or_default()
    }

    /// A flag, unless it is absent.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.text(name)?.to_ascii_lowercase().as_str() {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    /// A number, unless it is absent.
    pub(super) fn count(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// A list, empty when it is absent.
    pub(super) fn list(&self, name: &str) -> Vec<String> {
        let text = match self.0.get(name) {
            Some(Value::Array(items)) => return texts(items),
            Some(Value::String(text)) => text.trim(),
            Some(_) | None => return Vec::new(),
        };
        if text.starts_with('[') {
            // Some clients write the array with single quotes; Slack's own example does.
            let array = serde_json::from_str(text).or_else(|_| {
                let double = text.replace('\'', "\"");
                serde_json::from_str::<Vec<Value>>(&double)
            });
            return array.map(|items| texts(&items)).unwrap_or_default();
        }
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    }

    /// What a cursor is bound to: all but the paging itself and the token.
    pub(super) fn filters(&self) -> Vec<(String, String)> {
        let paging = ["cursor", "limit", "token"];
        let filters = self.0.iter().filter(|(name, _)| !paging.contains(&name.as_str()));
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        filters.map(|(name, value)| (name.clone(), text(value))).collect()
    }

    /// Every argument but the token, as `api.test` gives them back.
    pub(super) fn echo(&self) -> serde_json::Map<String, Value> {
        let args = self.0.iter().filter(|(name, _)| name.as_str() != "token");
        args.map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

/// The longest name of an argument; Slack does not say where "very long" begins.
const LONGEST_NAME: usize = 128;

/// Whether an argument can have that name: letters, digits and `_`.
fn is_name(name: &str) -> bool {
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    plain && name.len() <= LONGEST_NAME
}

/// Whether the parameters of a content type name a charset that is taken, or none.
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

fn has_form(value: &Value, form: Form) -> bool {
    match (form, value) {
        (Form::List, Value::Array(items)) => {
            items.iter().all(|item| item.is_string() || item.is_number())
        }
        (Form::List | Form::Text, Value::String(_) | Value::Number(_))
        | (Form::Object, Value::String(_) | Value::Object(_))
        | (Form::Rows, Value::String(_) | Value::Array(_))
        | (Form::Flag, Value::Bool(_)) => true,
        (Form::Flag, Value::String(text)) => {
            matches!(text.trim().to_ascii_lowercase().as_str(), "true" | "false" | "1" | "0")
        }
        (Form::Flag, Value::Number(number)) => matches!(number.as_i64(), Some(0 | 1)),
        (Form::Count, Value::Number(number)) => number.is_i64(),
        (Form::Count, Value::String(text)) => text.trim().parse::<i64>().is_ok(),
        (_, Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_))
        | (Form::Object | Form::Rows, Value::Number(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn query_form_and_json_say_the_same() {
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
            let args = Args::read(query, content_type, body.as_bytes()).unwrap();
            assert_eq!(args.text("team_id").as_deref(), Some("T1"));
            assert_eq!(args.flag("is_active"), Some(false));
            assert_eq!(args.count("limit"), Some(5));
            if !body.contains('\'') {
                assert_eq!(args.list("role_ids"), ["Rl01", "Rl0A"]);
            }
        }
    }

    #[test]
    fn wrong_and_missing_arguments_are_named() {
        let known = [required("team_id", Form::Text), optional("limit", Form::Count)];
        let args = Args::read("limit=many&team_id=", "", b"").unwrap();
        let refusal = args.check(&known).unwrap_err();
        assert_eq!(refusal.error, "invalid_arguments");
        assert_eq!(refusal.messages.len(), 2);
        assert!(Args::read("team_id=T1&x=y", "", b"").unwrap().check(&known).is_ok());
    }

    #[test]
    fn bodies_that_cannot_be_read_are_refused_in_slacks_words() {
        let error =
            |content_type: &str, body: &[u8]| Args::read("", content_type, body).unwrap_err().error;
        assert_eq!(error("application/json", b"{"), "invalid_json");
        assert_eq!(error("application/json", b"[]"), "json_not_object");
        assert_eq!(error("", b"a=b"), "missing_post_type");
        assert_eq!(error("image/png", b"a=b"), "invalid_post_type");
        assert_eq!(error("application/json; charset=koi8-r", b"{}"), "invalid_charset");
        assert_eq!(error("application/json", br#"{"team-id":"T1"}"#), "invalid_arg_name");
        assert!(Args::read("team_id=T1", "text/plain", b"hello").is_ok());
    }
}
