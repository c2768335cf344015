//! Table of malformed responses, each with the expected result.

use std::time::Duration;

use serde_json::Value;

use super::rewriting;
use crate::support::Script;

/// Expected result of a malformed response.
#[derive(Debug, Clone, Copy)]
pub(super) enum Expected {
    /// The same result as without the fault.
    Unchanged,
    /// A result without a warning; its values may differ.
    Readable,
    /// If the result differs, a problem or a warning contains this text.
    Reported(&'static str),
    /// A problem names the fault in every case.
    Problem,
}

/// A row of the table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) script: Script,
    pub(super) expected: Expected,
}

/// Placeholder for the malformed text until the JSON is written.
const PLACEHOLDER: &str = "@odd@";

/// Sets the value at a path of a JSON object, if present; `*` stands for every row. The text is inserted verbatim.
fn set(path: &'static str, malformed: &'static str) -> Script {
    edit(path, move |place| *place = PLACEHOLDER.into(), malformed)
}

/// Removes the value at a path.
fn drop(path: &'static str) -> Script {
    rewriting(move |text| {
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

/// Edits the value at a path; the malformed text replaces the placeholder.
fn edit(
    path: &'static str,
    change: impl Fn(&mut Value) + Send + Sync + 'static,
    malformed: &'static str,
) -> Script {
    rewriting(move |text| {
        let Ok(mut body) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
        each(&mut body, path, &mut |place| change(place));
        body.to_string().replace(&format!("\"{PLACEHOLDER}\""), malformed)
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

/// Returns a boolean or a number as text.
fn as_text(value: &mut Value) {
    if value.is_boolean() || value.is_number() {
        *value = value.to_string().into();
    }
}

/// Repeats the last row many times.
fn repeat_last_row(value: &mut Value) {
    if let Some(rows) = value.as_array_mut().filter(|rows| !rows.is_empty()) {
        let more: Vec<Value> = rows.iter().cycle().take(1_001).cloned().collect();
        *rows = more;
    }
}

fn body(body: &'static str, content_type: &str) -> Script {
    let headers = vec![("content-type", content_type.to_owned())];
    Script::Respond { status: 200, headers, body }
}

/// Returns the table: name of the fault, how to produce it, expected result.
#[rustfmt::skip]
pub(super) fn rows() -> Vec<Row> {
    use Expected::{Problem, Readable, Unchanged, Reported};
    let cursor = "response_metadata/next_cursor";
    let table: Vec<(&'static str, Script, Expected)> = vec![
        ("a cursor is null", set(cursor, "null"), Readable),
        ("a cursor is blank", set(cursor, "\"  \""), Readable),
        ("the metadata are null", set("response_metadata", "null"), Readable),
        ("the metadata are an empty list", set("response_metadata", "[]"), Readable),
        ("the metadata are absent", drop("response_metadata"), Readable),
        ("a cursor is a number that repeats", set(cursor, "7"), Problem),
        ("a cursor is text that repeats", set(cursor, "\"again\""), Problem),
        ("a cursor is an object", set(cursor, "{}"), Reported("next_cursor")),
        ("flags are null", set("users/*/is_admin", "null"), Readable),
        ("flags are text", edit("users/*/is_admin", as_text, ""), Unchanged),
        ("flags of a profile are text", edit("user/is_admin", as_text, ""), Unchanged),
        ("active is text", edit("Resources/*/active", as_text, ""), Unchanged),
        ("times are text", edit("users/*/date_created", as_text, ""), Unchanged),
        ("times have fractions", set("users/*/date_created", "1500000000.75"), Readable),
        ("times are out of range", set("users/*/date_created", "99999999999999999999"), Readable),
        ("times are negative", set("users/*/last_active_ts", "-62135596801"), Readable),
        ("a time of SCIM is out of range", set("Resources/*/meta/created", "\"9999-12-31T23:59:59-23:59\""), Readable),
        ("a time is text", set("role_assignments/*/date_create", "\"12\""), Readable),
        ("a total is text", edit("totalResults", as_text, ""), Unchanged),
        ("a total is null", set("totalResults", "null"), Readable),
        ("a total is zero", set("totalResults", "0"), Readable),
        ("a total is a word", set("totalResults", "\"many\""), Reported("totalResults")),
        ("a page has no size", set("itemsPerPage", "0"), Unchanged),
        ("resources are null", set("Resources", "null"), Reported("Resources")),
        ("resources are absent", drop("Resources"), Reported("Resources")),
        ("resources are empty", set("Resources", "[]"), Reported("Resources")),
        ("resources are an object", set("Resources", "{}"), Reported("Resources")),
        ("rows are null", set("users", "null"), Reported("users")),
        ("rows are absent", drop("users"), Reported("users")),
        ("rows are text", set("teams", "\"none\""), Reported("teams")),
        ("a row is null", set("users/0", "null"), Reported("[0]")),
        ("a row is a list", set("users/0", "[1]"), Reported("[0]")),
        ("a row has no id", drop("users/0/id"), Reported("[0].id")),
        ("no row has an id", set("users/*/id", "null"), Reported("id")),
        ("no resource has an id", set("Resources/*/id", "null"), Reported("id")),
        ("a field has another type", set("users/0/email", "{\"a\":1}"), Reported("[0].email")),
        ("a field of SCIM has another type", set("Resources/0/displayName", "[[]]"), Reported("displayName")),
        ("a profile is an empty list", set("user/profile", "[]"), Readable),
        ("a profile is text", set("user/profile", "\"x\""), Reported("profile")),
        ("emails are null", set("Resources/*/emails", "null"), Readable),
        ("the leaders' ids hold null", set("owner_ids/0", "null"), Reported("ids[0]")),
        ("more rows than were requested", edit("users", repeat_last_row, ""), Reported("users")),
        ("more resources than were requested", edit("Resources", repeat_last_row, ""), Reported("Resources")),
        ("whether it is fine is text", set("ok", "\"true\""), Readable),
        ("whether it is fine is null", set("ok", "null"), Reported("ok")),
        ("it is not fine for no reason", set("ok", "false"), Problem),
        ("a number is not one", set("users/0/date_created", "NaN"), Reported("not JSON")),
        ("a number is infinite", set("users/0/date_created", "1e999"), Reported("[0]")),
        ("a field stands twice", set("users/0/id", "\"U1\",\"id\":\"U2\""), Reported("[0].id")),
        ("an object is deep", rewriting(|text| text.replacen('{', &format!("{{\"deep\":{}1{},", "[".repeat(5_000), "]".repeat(5_000)), 1)), Readable),
        ("a byte order mark", rewriting(|text| format!("\u{feff}{text}")), Unchanged),
        ("data after the end", rewriting(|text| format!("{text} {{}}")), Reported("after its end")),
        ("a part is missing", rewriting(|text| text.get(..text.len() / 2).unwrap_or_default().to_owned()), Problem),
        ("a cut response", Script::Cut, Problem),
        ("an empty body", body("", "application/json"), Problem),
        ("only null", body("null", "application/json"), Problem),
        ("an empty object", body("{}", "application/json"), Problem),
        ("a list", body("[]", "application/json"), Problem),
        ("an HTML page", body("<html><title>Sign in</title></html>", "text/html"), Reported("not JSON")),
        ("an HTML page as JSON", body("<html>", "application/json"), Reported("not JSON")),
        ("a single NUL", body("\u{0}", "application/json"), Problem),
        ("created instead", Script::Respond { status: 204, headers: Vec::new(), body: "" }, Problem),
        ("a redirect", Script::Respond { status: 302, headers: vec![("location", "https://elsewhere.example/".to_owned())], body: "" }, Problem),
        ("an unknown status", Script::Respond { status: 799, headers: Vec::new(), body: "{}" }, Problem),
        ("silence", Script::Hang, Problem),
        ("a byte now and then", Script::Trickle { content_type: "application/json", every: Duration::from_millis(300), length: None }, Problem),
        ("a byte at a time, with an end", Script::Trickle { content_type: "application/json", every: Duration::from_millis(300), length: Some(100) }, Problem),
        ("a lifetime is text", edit("expires_in", as_text, ""), Readable),
        ("a lifetime is a fraction", set("expires_in", "600.5"), Readable),
        ("a lifetime is absent", drop("expires_in"), Readable),
        ("a refresh token is empty", set("refresh_token", "\"\""), Readable),
        ("the type of a token is absent", drop("token_type"), Readable),
        ("a token is a list", set("access_token", "[]"), Problem),
        ("a token has a line break", set("access_token", "\"a\\r\\nb\""), Problem),
        ("an odd pause", Script::Respond { status: 503, headers: vec![("retry-after", "soon".to_owned())], body: "" }, Problem),
    ];
    table.into_iter().map(|(name, script, expected)| Row { name, script, expected }).collect()
}
