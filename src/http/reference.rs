//! `/docs`: the reference for people, made of the same document as `/openapi.json`.

use std::collections::BTreeMap;

use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::page;

/// The methods of a path, in the order they are shown.
const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

/// The groups that a reader looks for; the others follow by name.
const FIRST: [&str; 6] = ["Users", "Roles", "Role assignments", "Workspaces", "Groups", "Me"];

/// One operation of the document.
struct Operation<'d> {
    method: &'static str,
    path: &'d str,
    told: &'d Value,
}

impl Operation<'_> {
    fn anchor(&self) -> String {
        let words = self.path.split(['/', '{', '}', '_']).filter(|word| !word.is_empty());
        words.fold(self.method.to_owned(), |anchor, word| format!("{anchor}-{word}"))
    }
}

/// Shows the page.
pub(super) async fn show_reference() -> Response {
    let document = serde_json::to_value(super::openapi::document()).unwrap_or_default();
    let mut groups: Vec<_> = operations(&document).into_iter().collect();
    groups.sort_by_key(|(tag, _)| FIRST.iter().position(|one| one == tag).unwrap_or(FIRST.len()));
    let body = html! {
        p.eyebrow { "Switchboard " (env!("CARGO_PKG_VERSION")) " · " a href="/openapi.json" { "OpenAPI 3.1" } " · " a href="/problems" { "Problems" } }
        h1 { "API reference" }
        p { "Send " code { "Authorization: Bearer KEY" } ", and name the customer's account with the header " code { "X-Integrated-Account-Id" } ". Lists answer " code { "{result, next_cursor, …}" } ", single things " code { "{result}" } ", failures are RFC 9457 problems." }
        nav {
            @for (tag, operations) in &groups {
                details {
                    summary { (tag) }
                    ul { @for one in operations { li { a href={ "#" (one.anchor()) } { (title(one)) } } } }
                }
            }
        }
        @for (tag, operations) in &groups {
            h2 { (tag) }
            @for one in operations { (operation(&document, one)) }
        }
    };
    page::wide("API reference", &body)
}

/// Every operation by its tag.
fn operations(document: &Value) -> BTreeMap<&str, Vec<Operation<'_>>> {
    let mut groups: BTreeMap<&str, Vec<Operation<'_>>> = BTreeMap::new();
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    for (path, item) in paths {
        for method in METHODS {
            let Some(told) = item.get(method) else { continue };
            let tag = told.pointer("/tags/0").and_then(Value::as_str).unwrap_or("Further");
            groups.entry(tag).or_default().push(Operation { method, path, told });
        }
    }
    groups
}

fn title(operation: &Operation<'_>) -> Markup {
    html! { span.method { (operation.method.to_uppercase()) } " " code { (operation.path) } }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn operation(document: &Value, one: &Operation<'_>) -> Markup {
    let parameters = one.told.get("parameters").and_then(Value::as_array);
    let body = one.told.pointer("/requestBody/content/application~1json/schema");
    let body = body.map(|schema| resolved(document, schema));
    let answers = one.told.get("responses").and_then(Value::as_object);
    html! {
        section id=(one.anchor()) {
            h3 { (title(one)) }
            p { (text(one.told, "summary")) " " (text(one.told, "description")) }
            @if let Some(parameters) = parameters.filter(|all| !all.is_empty()) {
                h4 { "Parameters" }
                (fields(parameters.iter().map(|one| Field {
                    name: text(one, "name"),
                    kind: kind(one.get("schema").unwrap_or(&Value::Null)),
                    words: text(one, "description"),
                    required: one.get("required").and_then(Value::as_bool).unwrap_or_default(),
                })))
            }
            @if let Some(body) = body { (request_body(body)) }
            h4 { "Answers" }
            ul {
                @for (status, answer) in answers.into_iter().flatten() {
                    @if status.starts_with('2') { li { b { (status) } " " (text(answer, "description")) } }
                }
                li { "or a " a href="/problems" { "problem" } }
            }
            h4 { "Example" }
            pre { (example(one, body)) }
        }
    }
}

/// One row of a table of fields.
struct Field<'d> {
    name: &'d str,
    kind: String,
    words: &'d str,
    required: bool,
}

fn fields<'d>(rows: impl Iterator<Item = Field<'d>>) -> Markup {
    html! {
        dl {
            @for Field { name, kind, words, required } in rows {
                dt { code { (name) } " " span.note { (kind) @if required { " · required" } } }
                dd { (words) }
            }
        }
    }
}

fn request_body(schema: &Value) -> Markup {
    let required = schema.get("required").and_then(Value::as_array);
    let is_required =
        |name: &str| required.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(name)));
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    html! {
        h4 { "Body" }
        (fields(properties.map(|(name, told)| Field {
            name,
            kind: kind(told),
            words: text(told, "description"),
            required: is_required(name),
        })))
    }
}

/// What a schema is, in a few words.
fn kind(schema: &Value) -> String {
    if let Some(name) = text(schema, "$ref").rsplit('/').next().filter(|name| !name.is_empty()) {
        return name.to_owned();
    }
    if let Some(some) = schema.get("oneOf").and_then(Value::as_array) {
        let kinds = some.iter().map(kind).filter(|kind| kind != "null");
        return kinds.collect::<Vec<_>>().join(" or ");
    }
    let types = match schema.get("type") {
        Some(Value::Array(types)) => {
            types.iter().find_map(|one| one.as_str().filter(|one| *one != "null"))
        }
        Some(one) => one.as_str(),
        None => None,
    };
    match (types, schema.get("items")) {
        (Some("array"), Some(items)) => format!("list of {}", kind(items)),
        (Some(name), _) => name.to_owned(),
        (None, _) => "anything".to_owned(),
    }
}

/// The schema behind a reference.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let target = text(schema, "$ref").strip_prefix('#');
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

/// The operation as a command.
fn example(one: &Operation<'_>, body: Option<&Value>) -> String {
    let mut command = format!("curl -X {} \"$BASE{}\"", one.method.to_uppercase(), one.path);
    command.push_str(" \\\n  -H \"Authorization: Bearer $KEY\"");
    let parameters = one.told.get("parameters").and_then(Value::as_array).into_iter().flatten();
    if parameters.into_iter().any(|one| text(one, "name") == "integrated_account_id") {
        command.push_str(" -H \"X-Integrated-Account-Id: $ACCOUNT\"");
    }
    if let Some(example) = body.and_then(|schema| schema.get("example")) {
        let example = serde_json::to_string_pretty(example).unwrap_or_default();
        let example = example.replace('\'', "'\\''");
        command.push_str(" \\\n  -H \"Content-Type: application/json\" -d '");
        command.push_str(&example);
        command.push('\'');
    }
    command
}
