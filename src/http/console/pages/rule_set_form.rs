//! The form of a rule set, and its rules as sentences.

use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::fields::FormFields;
use super::super::format::words;
use super::super::json::Fields as _;
use super::super::names::Names;
use super::super::parts::{options, select};
use super::super::view::View;
use crate::http::internal_api::ApiFailure;
use crate::http::problem::{Problem, ProblemKind};

/// The depth to which a condition is a sentence; deeper parts are JSON.
const MAX_DEPTH: u8 = 8;

/// Returns what the form of a new rule set begins with: a rule that gives a workspace.
pub(super) fn draft(workspaces: &Names) -> Value {
    let workspaces = workspaces.options();
    let workspace = workspaces.first().map_or("T0EXAMPLE", |(id, _)| id.as_str());
    json!({
        "name": "",
        "mode": "additive",
        "auto": false,
        "guards": {"max_removals": {"count": 20, "percent": 10}, "protected": []},
        "rules": [{
            "name": "Sales",
            "when": {"field": "department", "op": "eq", "value": "Sales"},
            "then": {"workspaces": [workspace]},
        }],
    })
}

/// Renders the form, with the reasons why it was refused.
pub(super) fn form(
    view: &View,
    set: &Value,
    (action, submit): (&str, &str),
    refused: Option<&ApiFailure>,
) -> Markup {
    let modes = options(&[
        ("additive", "Additive: only grant access"),
        ("authoritative", "Authoritative: also remove access that no rule grants"),
    ]);
    let guards = set.field("guards");
    html! {
        @if let Some(failure) = refused {
            div.notice.bad role="alert" {
                p { (failure.problem.text("detail")) }
                ul { @for one in failure.problem.list("errors") { li { code { (one.text("pointer")) } " " (one.text("message")) } } }
            }
        }
        form.stack method="post" action=(action) {
            (view.csrf_field())
            label.field { span { "Name" } input type="text" name="name" required maxlength="200" value=(set.text("name")); }
            (select(("mode", "Mode"), None, &modes, set.some("mode")))
            label.field {
                span { "Rules, as JSON" }
                textarea.code name="rules" rows="14" spellcheck="false" required { (pretty(set.field("rules"))) }
                span.quiet {
                    code { "when" } " is a condition on the person: " code { "field" } ", " code { "op" } " (eq, ne, in, starts_with, contains, exists) and " code { "value" }
                    ", or " code { "all" } ", " code { "any" } ", " code { "not" } ", " code { "expression" } ". "
                    code { "then" } " has " code { "workspaces" } ", " code { "roles" } ", " code { "groups" } " and " code { "user_type" } "."
                }
            }
            label.field {
                span { "People who are never changed, one id or e-mail address a line" }
                textarea name="protected" rows="2" { (guards.texts("protected").join("\n")) }
            }
            div.row {
                label.field { span { "Removals of a plan: number" } input type="number" name="max_removals" min="0" required value=(guards.int("/max_removals/count")); }
                label.field { span { "or percent of the people" } input type="number" name="max_removals_percent" min="0" max="100" required value=(guards.int("/max_removals/percent")); }
            }
            button.primary type="submit" { (submit) }
        }
    }
}

fn pretty(value: &Value) -> String {
    match value {
        // Text that was sent and is not JSON.
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            serde_json::to_string_pretty(value).unwrap_or_default()
        }
    }
}

/// Returns the rule set of a form, and why it can't be sent: its rules are not JSON.
pub(super) fn body(fields: &FormFields) -> (Map<String, Value>, Option<ApiFailure>) {
    let text = fields.get("rules").unwrap_or("[]");
    let (rules, invalid) = match serde_json::from_str(text) {
        Ok(rules) => (rules, None),
        Err(error) => {
            let problem = Problem::new(ProblemKind::InvalidBody, "The rules are not valid JSON.");
            (json!(text), Some(problem.with_error("/rules", error.to_string()).into()))
        }
    };
    let number = |name: &str| {
        let text = fields.get(name).unwrap_or("0");
        text.parse::<u64>().map_or_else(|_| json!(text), Value::from)
    };
    let limit = json!({"count": number("max_removals"), "percent": number("max_removals_percent")});
    let guards = json!({"max_removals": limit, "protected": fields.entries("protected")});
    let mut body = Map::new();
    body.insert("name".to_owned(), json!(fields.get("name").unwrap_or_default()));
    body.insert("mode".to_owned(), json!(fields.get("mode").unwrap_or("additive")));
    body.insert("rules".to_owned(), rules);
    body.insert("guards".to_owned(), guards);
    (body, invalid)
}

/// Renders the rules as sentences; `workspaces` are the names of those that they refer to.
pub(super) fn sentences(set: &Value, workspaces: &Names) -> Markup {
    html! {
        ol.rules {
            @for (place, rule) in set.list("rules").iter().enumerate() {
                li {
                    strong { @match rule.some("name") { Some(name) => (name), None => { "rule " (place + 1) } } }
                    div { span.quiet { "when " } (condition(rule.field("when"), MAX_DEPTH)) }
                    div { span.quiet { "then " } (targets(rule.field("then"), workspaces)) }
                }
            }
        }
    }
}

/// Renders a condition as a sentence.
fn condition(when: &Value, depth: u8) -> Markup {
    let joined = |parts: &[Value], word: &str| {
        html! {
            "("
            @for (place, part) in parts.iter().enumerate() { @if place > 0 { strong { " " (word) " " } } (condition(part, depth - 1)) }
            ")"
        }
    };
    if depth == 0 {
        return html! { code { (when.to_string()) } };
    }
    if let Some(field) = when.some("field") {
        let op = match when.text("op") {
            "eq" => "is",
            "ne" => "is not",
            "in" => "is one of",
            "starts_with" => "begins with",
            "contains" => "contains",
            "exists" if when.flag("value") => return html! { code { (field) } " has a value" },
            "exists" => return html! { code { (field) } " has no value" },
            _ => "?",
        };
        return html! { code { (field) } " " (op) " " strong { (value(when.field("value"))) } };
    }
    match (when.list("all"), when.list("any"), when.field("not"), when.some("expression")) {
        (all @ [_, ..], ..) => joined(all, "and"),
        (_, any @ [_, ..], ..) => joined(any, "or"),
        (.., Some(expression)) => html! { "the expression " code { (expression) } " is true" },
        (_, _, Value::Null, None) => html! { "always" },
        (_, _, not, None) => html! { "not " (condition(not, depth - 1)) },
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => {
            let texts =
                all.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned));
            texts.collect::<Vec<_>>().join(", ")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// Renders what a rule gives, or all rules together.
pub(super) fn targets(then: &Value, workspaces: &Names) -> Markup {
    let id = |one: &Value| one.as_str().or(one.some("id")).unwrap_or_default().to_owned();
    let place = |one: &Value| {
        one.some("workspace_id").map(|id| format!(" in {}", workspaces.get(id))).unwrap_or_default()
    };
    let listed: Vec<String> =
        then.list("workspaces").iter().map(|one| workspaces.get(&id(one)).to_owned()).collect();
    let roles: Vec<String> =
        then.list("roles").iter().map(|one| format!("{}{}", id(one), place(one))).collect();
    let groups: Vec<String> = then.list("groups").iter().map(id).collect();
    let kind: Vec<String> = then.some("user_type").map(words).into_iter().collect();
    let parts =
        [("workspace", listed), ("role", roles), ("group", groups), ("kind of member", kind)];
    let given = parts.iter().filter(|(_, all)| !all.is_empty());
    html! {
        @if parts.iter().all(|(_, all)| all.is_empty()) { span.quiet { "nothing" } }
        @for (place, (what, all)) in given.enumerate() {
            @if place > 0 { ", " }
            (what) " "
            @for (place, one) in all.iter().enumerate() { @if place > 0 { ", " } span.gained { (one) } }
        }
    }
}
