//! The form that sends a request of an operation. The script sends it: no field has a name, so that no browser can put one
//! into an address, and the policy of the page forbids forms to be submitted.

use maud::{Markup, html};
use serde_json::Value;

use super::document::{Operation, Parameter, list, resolved};
use super::samples::pretty;
use super::schema;

/// The query parameters that select an account. The form has the header instead.
const ACCOUNT_PARAMETERS: [&str; 3] = ["integrated_account_id", "tenant_id", "provider"];
/// Rows of the field for a body, at most.
const MAX_BODY_ROWS: usize = 16;

/// Renders the form of an operation.
pub(super) fn form(document: &Value, operation: &Operation<'_>) -> Markup {
    let anchor = operation.anchor();
    let has_account = operation.has_account();
    let is_shown = |one: &Parameter<'_>| !(has_account && ACCOUNT_PARAMETERS.contains(&one.name));
    let shown: Vec<Parameter<'_>> = operation.parameters().filter(is_shown).collect();
    let (required, optional): (Vec<_>, Vec<_>) = shown.iter().partition(|one| one.is_required);
    html! {
        details.try {
            summary { "Try it" }
            form autocomplete="off" data-method=(operation.method.to_uppercase()) data-path=(operation.path)
                data-change[operation.is_change()] {
                div.inputs {
                    @if !operation.is_public() {
                        label {
                            span { "API key" }
                            input type="password" data-role="key" autocomplete="off" spellcheck="false" required;
                        }
                        p.note { "The key stays in the memory of this page, until you leave it." }
                    }
                    @if has_account {
                        label {
                            span { code { "X-Integrated-Account-Id" } }
                            input type="text" data-role="account" autocomplete="off" spellcheck="false" placeholder="acc_…";
                        }
                        p.note { "Not needed with an account token." }
                    }
                    @for one in &required { (input(document, one)) }
                    @if !optional.is_empty() {
                        details.optional {
                            summary { "Optional parameters (" (optional.len()) ")" }
                            @for one in &optional { (input(document, one)) }
                        }
                    }
                    (body_input(operation))
                    div.actions {
                        button.primary type="submit" { "Send " (operation.method.to_uppercase()) }
                        button.cancel type="button" hidden { "Cancel" }
                    }
                }
                div.result role="region" aria-label={ "Response of " (anchor) } aria-live="polite" {
                    p.note { "The response will be here." }
                }
            }
        }
    }
}

fn input(document: &Value, one: &Parameter<'_>) -> Markup {
    let schema = resolved(document, one.schema);
    let kind = schema::kind(document, one.schema);
    let is_list = kind.starts_with("list of ");
    let mut values: Vec<&str> = list(schema, "enum").filter_map(Value::as_str).collect();
    if kind == "boolean" {
        values = vec!["true", "false"];
    }
    html! {
        label {
            span { code { (one.name) } @if one.is_required { " " span.required { "required" } } }
            @if values.is_empty() {
                input type="text" data-in=(one.place) data-name=(one.name) data-list[is_list] data-object[one.is_object]
                    required[one.is_required] autocomplete="off" spellcheck="false"
                    placeholder=(if one.is_object { "name=value&name=value".to_owned() }
                        else if is_list { "values, separated by commas".to_owned() }
                        else { placeholder(document, one, kind) });
            } @else {
                select data-in=(one.place) data-name=(one.name) required[one.is_required] {
                    option value="" { "–" }
                    @for value in values { option { (value) } }
                }
            }
        }
    }
}

/// Returns an example of a required parameter, and the type of others.
fn placeholder(document: &Value, one: &Parameter<'_>, kind: String) -> String {
    if one.is_required { one.example(document) } else { kind }
}

fn body_input(operation: &Operation<'_>) -> Markup {
    let Some(content) = operation.json_body() else { return Markup::default() };
    let example = content.example.map(pretty).unwrap_or_default();
    let rows = example.lines().count().clamp(3, MAX_BODY_ROWS);
    html! {
        label {
            span { "Body (JSON)" @if operation.is_body_required() { " " span.required { "required" } } }
            textarea.code data-role="body" rows=(rows) spellcheck="false" autocomplete="off" { (example) }
        }
    }
}
