//! The audit log: who did what to which account, newest first.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::super::json::Fields as _;
use super::super::parts::{empty, options, pager, select, status, table};
use super::super::view::{Page, PageResult, View};

/// Rows on a page.
const LIMIT: &str = "100";
/// The filters in the URL.
const FILTERS: [&str; 6] = ["kind", "actor", "action", "provider_method", "outcome", "scope"];

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let is_whole = view.query.get("scope") != Some("account");
    let account = view.account.as_ref().filter(|_| !is_whole).map(|account| account.id.text());
    let mut query = view.query.only(&["kind", "actor", "action", "provider_method", "outcome"]);
    query.push(("limit", LIMIT));
    query.extend(account.as_deref().map(|id| ("integrated_account_id", id)));
    query.extend(view.query.get("cursor").map(|cursor| ("next_cursor", cursor)));
    let list = view.api.get("/audit-log", &query).await?;
    let rows = list.list("result");
    let keys = view.db.api_keys().await?;
    let keys = keys.into_iter().map(|key| (key.id.to_string(), key.name)).collect();
    let body = html! {
        div.card {
            (filters(view, is_whole))
            @if rows.is_empty() { (empty("No entries", &html! { "No entry of the audit log matches the filters." })) }
            @else {
                (table("Audit log", &["When", "Who", "What", "Subject, request", "Outcome"], &html! { @for row in rows { (entry(view, row, &keys)) } }))
            }
            (pager(view, "/audit-log", &FILTERS, &list))
        }
    };
    let lead = html! { "Every change and every use of a token, without bodies. Newest first." };
    Ok(Page { title: "Audit log".to_owned(), lead, body, ..Page::default() })
}

fn filters(view: &View, is_whole: bool) -> Markup {
    let get = |name| view.query.get(name);
    let kinds = options(&[("change", "Changes"), ("use", "Uses")]);
    let outcomes = options(&[
        ("done", "Done"),
        ("failed", "Failed"),
        ("started", "Started"),
        ("answered", "Answered"),
        ("abandoned", "Abandoned"),
    ]);
    let scopes = options(&[("all", "All accounts"), ("account", "This account")]);
    let scope = if is_whole { "all" } else { "account" };
    html! {
        form.filters method="get" action=(view.href("/audit-log", &[])) role="search" {
            (view.account_field())
            (select(("kind", "Kind"), Some("Changes and uses"), &kinds, get("kind")))
            (select(("outcome", "Outcome"), Some("Any outcome"), &outcomes, get("outcome")))
            (select(("scope", "Accounts"), None, &scopes, Some(scope)))
            label.field { span { "Actor" } input type="text" name="actor" value=[get("actor")]; }
            label.field { span { "Action" } input type="text" name="action" value=[get("action")]; }
            label.field { span { "Provider method" } input type="text" name="provider_method" value=[get("provider_method")]; }
            button type="submit" { "Apply" }
        }
    }
}

/// Renders an entry. A key has its name, which links to all its entries.
fn entry(view: &View, row: &Value, keys: &BTreeMap<String, String>) -> Markup {
    let actor = row.text("actor");
    let by_actor = view.href("/audit-log", &[("actor", actor)]);
    html! {
        tr {
            td.when { (view.now.when_or(row.time("at"), "")) }
            td { a href=(by_actor) title=(actor) { (keys.get(actor).map_or(actor, String::as_str)) } }
            td {
                (row.text("action")) @if row.int("calls") > 1 { " ×" (row.int("calls")) }
                @if let Some(method) = row.some("provider_method") { div.quiet { code { (method) } @if let Some(status) = row.field("status").as_i64() { " " (status) } } }
            }
            td {
                @if let Some(subject) = row.some("subject") { div { code { (subject) } } }
                @if let Some(id) = row.some("request_id") { div.quiet { code { (id) } } }
            }
            td { (status(row.text("outcome"))) @if let Some(why) = row.some("reason") { " " (why) } }
        }
    }
}
