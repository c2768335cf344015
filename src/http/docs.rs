//! `/docs`: the HTML API reference, rendered from the OpenAPI document.

use std::collections::BTreeMap;

use axum::Extension;
use axum::response::Response;
use maud::{Markup, html};
use serde_json::Value;

use super::html_page::{self, prose};
use super::openapi::ServedDocument;

/// HTTP methods, in the order of display.
const METHODS: [&str; 4] = ["get", "post", "patch", "delete"];

/// An operation of the document.
pub(super) struct DocumentedOperation<'d> {
    /// The HTTP method, in lower case.
    pub(super) method: &'static str,
    /// The template of the path.
    pub(super) path: &'d str,
    object: &'d Value,
}

impl DocumentedOperation<'_> {
    /// Returns the anchor of its section of the page.
    pub(super) fn anchor(&self) -> String {
        let words = self.path.split(['/', '{', '}', '_']).filter(|word| !word.is_empty());
        words.fold(self.method.to_owned(), |anchor, word| format!("{anchor}-{word}"))
    }
}

/// Serves the page.
pub(super) async fn show_docs(Extension(document): Extension<ServedDocument>) -> Response {
    let document = document.parse();
    let groups = groups(&document);
    let body = html! {
        p.eyebrow { "Switchboard " (env!("CARGO_PKG_VERSION")) " · " a href="/openapi.json" { "OpenAPI 3.1" } " · " a href="/problems" { "Problems" } }
        h1 { "API reference" }
        p { "Send " code { "Authorization: Bearer KEY" } ", and specify the customer's account with the header " code { "X-Integrated-Account-Id" } ". Lists return " code { "{result, next_cursor, …}" } ", single resources " code { "{result}" } ", errors are RFC 9457 problem details." }
        nav {
            @for OperationGroup { tag, operations, .. } in &groups {
                details {
                    summary { (tag) }
                    ul { @for one in operations { li { a href={ "#" (one.anchor()) } { (title(one)) } } } }
                }
            }
        }
        @for OperationGroup { tag, description, operations } in &groups {
            h2 { (tag) }
            p { (prose(description)) }
            @for one in operations { (operation(&document, one)) }
        }
    };
    html_page::wide("API reference", &body)
}

/// The operations of one tag.
struct OperationGroup<'d> {
    tag: &'d str,
    description: &'d str,
    operations: Vec<DocumentedOperation<'d>>,
}

/// Returns the operations by tag, in the order of the document's tags.
fn groups(document: &Value) -> Vec<OperationGroup<'_>> {
    let mut by_tag = by_tag(document);
    let tags = document.get("tags").and_then(Value::as_array).into_iter().flatten();
    let group = |object| {
        let (tag, description) = (text(object, "name"), text(object, "description"));
        Some(OperationGroup { tag, description, operations: by_tag.remove(tag)? })
    };
    tags.filter_map(group).collect()
}

/// Returns every operation by its tag.
fn by_tag(document: &Value) -> BTreeMap<&str, Vec<DocumentedOperation<'_>>> {
    let mut groups: BTreeMap<&str, Vec<DocumentedOperation<'_>>> = BTreeMap::new();
    for operation in paths(document).flat_map(|(_, operations)| operations) {
        let tag = operation.object.pointer("/tags/0").and_then(Value::as_str).unwrap_or_default();
        groups.entry(tag).or_default().push(operation);
    }
    groups
}

/// Returns every path with its operations.
pub(super) fn paths(
    document: &Value,
) -> impl Iterator<Item = (&str, Vec<DocumentedOperation<'_>>)> {
    let paths = document.get("paths").and_then(Value::as_object).into_iter().flatten();
    paths.map(|(path, item)| {
        let operations = METHODS.into_iter().filter_map(|method| {
            Some(DocumentedOperation { method, path, object: item.get(method)? })
        });
        (path.as_str(), operations.collect())
    })
}

fn title(operation: &DocumentedOperation<'_>) -> Markup {
    html! { span.method { (operation.method.to_uppercase()) } " " code { (operation.path) } }
}

fn text<'v>(value: &'v Value, field: &str) -> &'v str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn operation(document: &Value, one: &DocumentedOperation<'_>) -> Markup {
    let parameters = one.object.get("parameters").and_then(Value::as_array);
    let body = one.object.pointer("/requestBody/content/application~1json/schema");
    let body = body.map(|schema| resolved(document, schema));
    let responses = one.object.get("responses").and_then(Value::as_object);
    html! {
        section id=(one.anchor()) {
            h3 { (title(one)) }
            p { b { (prose(text(one.object, "summary"))) } }
            p { (prose(text(one.object, "description"))) }
            @if let Some(parameters) = parameters.filter(|all| !all.is_empty()) {
                h4 { "Parameters" }
                (fields(parameters.iter().map(|one| FieldRow {
                    name: text(one, "name"),
                    kind: kind(one.get("schema").unwrap_or(&Value::Null)),
                    description: text(one, "description"),
                    required: one.get("required").and_then(Value::as_bool).unwrap_or_default(),
                })))
            }
            @if let Some(body) = body { (request_body(body)) }
            h4 { "Responses" }
            ul {
                @for (status, response) in responses.into_iter().flatten() {
                    @if status.starts_with('2') { li { b { (status) } " " (prose(text(response, "description"))) } }
                }
                li { "or a " a href="/problems" { "problem" } }
            }
            h4 { "Example" }
            pre { (example(one, body)) }
        }
    }
}

/// One row of a table of fields.
struct FieldRow<'d> {
    name: &'d str,
    kind: String,
    description: &'d str,
    required: bool,
}

fn fields<'d>(rows: impl Iterator<Item = FieldRow<'d>>) -> Markup {
    html! {
        dl {
            @for FieldRow { name, kind, description, required } in rows {
                dt { code { (name) } " " span.note { (kind) @if required { " · required" } } }
                dd { (prose(description)) }
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
        (fields(properties.map(|(name, schema)| FieldRow {
            name,
            kind: kind(schema),
            description: text(schema, "description"),
            required: is_required(name),
        })))
    }
}

/// Returns the type of a schema, for display.
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
        (None, _) => "any".to_owned(),
    }
}

/// Resolves a `$ref`; returns other schemas unchanged.
fn resolved<'d>(document: &'d Value, schema: &'d Value) -> &'d Value {
    let target = text(schema, "$ref").strip_prefix('#');
    target.and_then(|pointer| document.pointer(pointer)).unwrap_or(schema)
}

/// Returns the operation as a `curl` command.
fn example(one: &DocumentedOperation<'_>, body: Option<&Value>) -> String {
    let mut command = format!("curl -X {} \"$BASE{}\"", one.method.to_uppercase(), one.path);
    command.push_str(" \\\n  -H \"Authorization: Bearer $KEY\"");
    let parameters = one.object.get("parameters").and_then(Value::as_array).into_iter().flatten();
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
