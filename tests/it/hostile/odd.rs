//! What is odd about a response, and what is to come of it.

use std::time::Duration;

use serde_json::Value;

use super::changing;
use crate::support::Script;

/// What is to come of an odd response.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// The same as usual.
    Same,
    /// It can be read, without a warning; what it says may be another.
    Read,
    /// Where it is not the same as usual, a problem or a warning names this.
    Told(&'static str),
    /// Whatever it is, a problem says what.
    Clear,
}

/// A row of the table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) script: Script,
    pub(super) expected: Expected,
}

/// Stands for the odd text until all is written.
const HERE: &str = "@odd@";

/// Sets what is at a path of a JSON object, where it is there; `*` stands for every row. Odd text is written as it is.
fn set(path: &'static str, odd: &'static str) -> Script {
    edit(path, move |place| *place = HERE.into(), odd)
}

/// Takes away what is at a path.
fn drop(path: &'static str) -> Script {
    changing(move |text| {
        let Ok(mut body) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        each(&mut body, parent, &mut |place| {
            if let Some(fields) = place.as_object_mut() {
                fields.remove(name);
            }
        });
        body.to_string()
    })
}

/// Does something to what is at a path; the odd text stands in for what was marked.
fn edit(
    path: &'static str,
    change: impl Fn(&mut Value) + Send + Sync + 'static,
    odd: &'static str,
) -> Script {
    changing(move |text| {
        let Ok(mut body) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
        each(&mut body, path, &mut |place| change(place));
        body.to_string().replace(&format!("\"{HERE}\""), odd)
    })
}

fn each(value: &mut Value, path: &str, change: &mut dyn FnMut(&mut Value)) {
    if path.is_empty() {
        return change(value);
    }
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    match value {
        Value::Array(rows) if first == "*" => {
            for row in rows {
                each(row, rest, change);
            }
        }
        Value::Array(rows) => {
            if let Some(row) = first.parse::<usize>().ok().and_then(|index| rows.get_mut(index)) {
                each(row, rest, change);
            }
        }
        Value::Object(fields) => {
            if let Some(field) = fields.get_mut(first) {
                each(field, rest, change);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// A boolean or a number as text.
fn as_text(value: &mut Value) {
    if value.is_boolean() || value.is_number() {
        *value = value.to_string().into();
    }
}

/// One row more than there are, many times.
fn swell(value: &mut Value) {
    if let Some(rows) = value.as_array_mut().filter(|rows| !rows.is_empty()) {
        let more: Vec<Value> = rows.iter().cycle().take(1_001).cloned().collect();
        *rows = more;
    }
}

fn body(body: &'static str, content_type: &str) -> Script {
    let headers = vec![("content-type", content_type.to_owned())];
    Script::Respond { status: 200, headers, body }
}

/// The table. A row: what is odd, how it is made, what is to come of it.
#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    use Expected::{Clear, Read, Same, Told};
    let cursor = "response_metadata/next_cursor";
    let table: Vec<(&'static str, Script, Expected)> = vec![
        ("a cursor is null", set(cursor, "null"), Read),
        ("a cursor is blank", set(cursor, "\"  \""), Read),
        ("the metadata are null", set("response_metadata", "null"), Read),
        ("the metadata are an empty list", set("response_metadata", "[]"), Read),
        ("the metadata are absent", drop("response_metadata"), Read),
        ("a cursor is a number that repeats", set(cursor, "7"), Clear),
        ("a cursor is text that repeats", set(cursor, "\"again\""), Clear),
        ("a cursor is an object", set(cursor, "{}"), Told("next_cursor")),
        ("flags are null", set("users/*/is_admin", "null"), Read),
        ("flags are text", edit("users/*/is_admin", as_text, ""), Same),
        ("flags of a profile are text", edit("user/is_admin", as_text, ""), Same),
        ("whether a person is active is text", edit("Resources/*/active", as_text, ""), Same),
        ("times are text", edit("users/*/date_created", as_text, ""), Same),
        ("times have fractions", set("users/*/date_created", "1500000000.75"), Read),
        ("times are out of range", set("users/*/date_created", "99999999999999999999"), Read),
        ("times are negative", set("users/*/last_active_ts", "-62135596801"), Read),
        ("a time of SCIM is out of range", set("Resources/*/meta/created", "\"9999-12-31T23:59:59-23:59\""), Read),
        ("a time is text", set("role_assignments/*/date_create", "\"12\""), Read),
        ("a total is text", edit("totalResults", as_text, ""), Same),
        ("a total is null", set("totalResults", "null"), Read),
        ("a total is zero", set("totalResults", "0"), Read),
        ("a total is a word", set("totalResults", "\"many\""), Told("totalResults")),
        ("a page has no size", set("itemsPerPage", "0"), Same),
        ("resources are null", set("Resources", "null"), Told("Resources")),
        ("resources are absent", drop("Resources"), Told("Resources")),
        ("resources are empty", set("Resources", "[]"), Told("Resources")),
        ("resources are an object", set("Resources", "{}"), Told("Resources")),
        ("rows are null", set("users", "null"), Told("users")),
        ("rows are absent", drop("users"), Told("users")),
        ("rows are text", set("teams", "\"none\""), Told("teams")),
        ("a row is null", set("users/0", "null"), Told("[0]")),
        ("a row is a list", set("users/0", "[1]"), Told("[0]")),
        ("a row has no id", drop("users/0/id"), Told("[0].id")),
        ("no row has an id", set("users/*/id", "null"), Told("id")),
        ("no resource has an id", set("Resources/*/id", "null"), Told("id")),
        ("a field has another type", set("users/0/email", "{\"a\":1}"), Told("[0].email")),
        ("a field of SCIM has another type", set("Resources/0/displayName", "[[]]"), Told("displayName")),
        ("a profile is an empty list", set("user/profile", "[]"), Read),
        ("a profile is text", set("user/profile", "\"x\""), Told("profile")),
        ("emails are null", set("Resources/*/emails", "null"), Read),
        ("the leaders' ids hold null", set("owner_ids/0", "null"), Told("ids[0]")),
        ("more rows than were requested", edit("users", swell, ""), Told("users")),
        ("more resources than were requested", edit("Resources", swell, ""), Told("Resources")),
        ("whether it is fine is text", set("ok", "\"true\""), Read),
        ("whether it is fine is null", set("ok", "null"), Told("ok")),
        ("it is not fine for no reason", set("ok", "false"), Clear),
        ("a number is not one", set("users/0/date_created", "NaN"), Told("not JSON")),
        ("a number has no end", set("users/0/date_created", "1e999"), Told("[0]")),
        ("a field stands twice", set("users/0/id", "\"U1\",\"id\":\"U2\""), Told("[0].id")),
        ("an object is deep", changing(|text| text.replacen('{', &format!("{{\"deep\":{}1{},", "[".repeat(5_000), "]".repeat(5_000)), 1)), Read),
        ("a byte order mark", changing(|text| format!("\u{feff}{text}")), Same),
        ("something behind the end", changing(|text| format!("{text} {{}}")), Told("after its end")),
        ("a part is missing", changing(|text| text.get(..text.len() / 2).unwrap_or_default().to_owned()), Clear),
        ("a cut response", Script::Cut, Clear),
        ("an empty body", body("", "application/json"), Clear),
        ("only null", body("null", "application/json"), Clear),
        ("an empty object", body("{}", "application/json"), Clear),
        ("a list", body("[]", "application/json"), Clear),
        ("a page for people", body("<html><title>Sign in</title></html>", "text/html"), Told("not JSON")),
        ("a page for people as JSON", body("<html>", "application/json"), Told("not JSON")),
        ("a single NUL", body("\u{0}", "application/json"), Clear),
        ("created instead", Script::Respond { status: 204, headers: Vec::new(), body: "" }, Clear),
        ("a redirect", Script::Respond { status: 302, headers: vec![("location", "https://elsewhere.example/".to_owned())], body: "" }, Clear),
        ("an unknown status", Script::Respond { status: 799, headers: Vec::new(), body: "{}" }, Clear),
        ("silence", Script::Hang, Clear),
        ("a byte now and then", Script::Trickle { content_type: "application/json", every: Duration::from_millis(300), length: None }, Clear),
        ("a byte now and then, and an end", Script::Trickle { content_type: "application/json", every: Duration::from_millis(300), length: Some(100) }, Clear),
        ("a lifetime is text", edit("expires_in", as_text, ""), Read),
        ("a lifetime is a fraction", set("expires_in", "600.5"), Read),
        ("a lifetime is absent", drop("expires_in"), Read),
        ("a refresh token is empty", set("refresh_token", "\"\""), Read),
        ("the type of a token is absent", drop("token_type"), Read),
        ("a token is a list", set("access_token", "[]"), Clear),
        ("a token has a line break", set("access_token", "\"a\\r\\nb\""), Clear),
        ("an odd pause", Script::Respond { status: 503, headers: vec![("retry-after", "soon".to_owned())], body: "" }, Clear),
    ];
    table.into_iter().map(|(name, script, expected)| Row { name, script, expected }).collect()
}
