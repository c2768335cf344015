//! Policies: list, creation from a kind, the starter set, change and deletion.

use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Map, Value, json};

use super::super::fields::FormFields;
use super::super::format::{count, words};
use super::super::json::Fields as _;
use super::super::parts::{
    Confirmation, Tone, badge, button, confirm, empty, options, pager, select, status,
};
use super::super::view::{Page, PageError, PageResult, View};
use super::policy_form::{inputs, parameters};
use crate::http::html_page::prose;
use crate::http::internal_api::segment;

/// Policies on a page.
const LIMIT: &str = "100";

/// Shows the list.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let mut query = vec![("limit", LIMIT)];
    query.extend(view.query.get("cursor").map(|cursor| ("next_cursor", cursor)));
    let list = view.api.get("/policies", &query).await?;
    let policies = list.list("result");
    let kinds = view.api.get("/policies/kinds", &[]).await?;
    let body = html! {
        div.card {
            @if policies.is_empty() {
                (empty("No policies", &html! { "Nothing is checked yet. Begin with the starter set: no access after deactivation, named owners, guests that expire." }))
            } @else {
                table.cards {
                    caption.hidden { "Policies" }
                    thead { tr { th scope="col" { "Policy" } th scope="col" { "Severity" } th scope="col" { "Mode" } th scope="col" { "Applies to" } th scope="col" { "Changed" } } }
                    tbody { @for policy in policies { (row(view, policy)) } }
                }
            }
            (pager(view, "/policies", &[], &list))
        }
        @if view.may.administer { (kind_list(view, kinds.list("result"))) }
    };
    let total = i64::try_from(policies.len()).unwrap_or_default();
    let lead = html! { (count(total, "policy", "policies")) " · evaluated after each sync and on each event" };
    let actions = html! { @if view.may.administer { (button(view, &view.href("/policies/starter", &[]), "Create the starter set")) } };
    Ok(Page { title: "Policies".to_owned(), lead, actions, body })
}

fn row(view: &View, policy: &Value) -> Markup {
    let id = policy.text("id");
    let accounts = policy.field("integrated_account_ids").as_array().map(Vec::len);
    html! {
        tr {
            td {
                a.strong href=(view.href(&format!("/policies/{}", segment(id)), &[])) { (policy.text("name")) }
                @if !policy.flag("is_active") { " " (badge(Tone::Quiet, "off")) }
                div.quiet { (words(policy.text("kind"))) " · " a href=(view.href("/drift", &[("policy", id), ("status", "open")])) { "open violations" span.hidden { " of " (policy.text("name")) } } }
            }
            td data-label="Severity" { (status(policy.text("severity"))) }
            td data-label="Mode" { @if policy.text("mode") == "fix" { (badge(Tone::Warn, "fixes")) } @else { "alerts" } }
            td data-label="Applies to" { @match accounts { None => "all accounts", Some(number) => (count(i64::try_from(number).unwrap_or_default(), "account", "accounts")) } }
            td data-label="Changed" { (view.now.short(policy.time("updated_at"), "")) }
        }
    }
}

fn kind_list(view: &View, kinds: &[Value]) -> Markup {
    html! {
        section.card aria-labelledby="kinds" {
            h2 #kinds { "Create a policy" }
            ul.choices {
                @for kind in kinds {
                    li {
                        a.strong href=(view.href("/policies/new", &[("kind", kind.text("name"))])) { (words(kind.text("name"))) }
                        div.quiet { (prose(kind.text("description"))) }
                    }
                }
            }
        }
    }
}

/// Returns a kind of policies.
async fn kind(view: &View, name: &str) -> Result<Value, PageError> {
    let kinds = view.api.get("/policies/kinds", &[]).await?;
    let found = kinds.list("result").iter().find(|kind| kind.text("name") == name);
    Ok(found.cloned().unwrap_or_default())
}

/// Shows the form of a new policy.
pub(in crate::http) async fn show_new(view: &View) -> PageResult {
    let name = view.query.get("kind").unwrap_or_default();
    let kind = kind(view, name).await?;
    let draft = json!({"kind": name, "severity": "warning", "mode": "alert", "is_active": true, "grace_s": 0,
        "parameters": kind.field("example")});
    let action = view.href("/policies", &[]);
    let body =
        html! { div.card.narrow { (form(view, &kind, &draft, &action, "Create the policy")) } };
    let lead = prose(kind.text("description"));
    Ok(Page { title: format!("New policy: {}", words(name)), lead, body, ..Page::default() })
}

/// Shows a policy with its form.
pub(in crate::http) async fn show_one(view: &View, id: &str) -> PageResult {
    let path = format!("/policies/{}", segment(id));
    let response = view.api.get(&path, &[]).await?;
    let policy = response.field("result");
    let kind = kind(view, policy.text("kind")).await?;
    let action = view.href(&path, &[]);
    let body = html! {
        div.card.narrow {
            @if view.may.administer { (form(view, &kind, policy, &action, "Change the policy")) }
            @else { pre { (serde_json::to_string_pretty(policy.field("parameters")).unwrap_or_default()) } }
        }
    };
    let actions = html! {
        @if view.may.administer {
            (confirm(view, &Confirmation {
                label: "Delete…",
                action: view.href(&format!("{path}/delete"), &[]),
                warning: html! { p { "The policy and all of its violations, with their acknowledgements, are deleted. This cannot be undone." } },
                fields: html! {},
                button: "Delete the policy",
                is_dangerous: true,
            }))
        }
    };
    let lead = html! { (prose(kind.text("description"))) " Changed " (view.now.short(policy.time("updated_at"), "")) "." };
    Ok(Page { title: policy.text("name").to_owned(), lead, actions, body })
}

fn form(view: &View, kind: &Value, policy: &Value, action: &str, submit: &str) -> Markup {
    let severities = options(&[("critical", "Critical"), ("warning", "Warning"), ("info", "Info")]);
    let modes = options(&[
        ("alert", "Alert: report violations"),
        ("fix", "Fix: run the fix automatically, within the limits"),
    ]);
    let accounts = policy.texts("integrated_account_ids").join("\n");
    html! {
        form.stack method="post" action=(action) {
            (view.csrf_field())
            input type="hidden" name="kind" value=(policy.text("kind"));
            label.field { span { "Name" } input type="text" name="name" required maxlength="255" value=(policy.text("name")); }
            (inputs(kind.field("parameters"), policy.field("parameters")))
            (select(("severity", "Severity"), None, &severities, policy.some("severity")))
            (select(("mode", "Mode"), None, &modes, policy.some("mode")))
            label.field { span { "Seconds that a violation may last before it is reported" } input type="number" name="grace_s" min="0" value=(policy.int("grace_s")); }
            label.field { span { "Accounts, one id a line; empty for all" } textarea name="accounts" rows="2" { (accounts) } }
            label.check { input type="checkbox" name="is_active" value="true" checked[policy.flag("is_active")]; " Evaluate this policy" }
            button.primary type="submit" { (submit) }
        }
    }
}

/// Creates a policy, or changes the one with this id.
pub(in crate::http) async fn save(
    view: &View,
    id: Option<&str>,
    fields: &FormFields,
) -> Result<(), PageError> {
    let name = fields.get("kind").unwrap_or_default();
    let kind = kind(view, name).await?;
    let accounts = fields.entries("accounts");
    let mut body = Map::new();
    let mut set = |field: &str, value: Value| body.insert(field.to_owned(), value);
    set("name", json!(fields.get("name").unwrap_or_default()));
    set("severity", json!(fields.get("severity").unwrap_or("warning")));
    set("mode", json!(fields.get("mode").unwrap_or("alert")));
    set(
        "grace_s",
        json!(fields.get("grace_s").and_then(|text| text.parse::<i64>().ok()).unwrap_or(0)),
    );
    set("is_active", json!(fields.get("is_active").is_some()));
    set("integrated_account_ids", if accounts.is_empty() { Value::Null } else { json!(accounts) });
    set("parameters", parameters(kind.field("parameters"), fields)?);
    if let Some(id) = id {
        let path = format!("/policies/{}", segment(id));
        view.api.send(Method::PATCH, &path, &[], Some(&Value::Object(body))).await?;
    } else {
        body.insert("kind".to_owned(), json!(name));
        view.api.send(Method::POST, "/policies", &[], Some(&Value::Object(body))).await?;
    }
    Ok(())
}
