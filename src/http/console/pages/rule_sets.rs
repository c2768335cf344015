//! Rule sets: which attributes of people give which access. List, creation and change.

use axum::http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};

use super::super::fields::FormFields;
use super::super::format::count;
use super::super::json::Fields as _;
use super::super::names::Names;
use super::super::parts::{Tone, badge, empty, pager};
use super::super::view::{Page, PageError, PageResult, View};
use super::rule_set_form::{self, body};
use crate::http::internal_api::{ApiFailure, segment};
use crate::http::problem::{Problem, ProblemKind};

/// Rule sets on a page.
const LIMIT: &str = "50";

/// Shows the list.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let account = view.account_id()?;
    let mut query = vec![("integrated_account_id", account.as_str()), ("limit", LIMIT)];
    query.extend(view.query.get("cursor").map(|cursor| ("next_cursor", cursor)));
    let list = view.api.get("/rule-sets", &query).await?;
    let sets = list.list("result");
    let body = html! {
        div.card {
            @if sets.is_empty() { (empty("No rule sets", &html! { "A rule set gives people workspaces, roles and groups by their attributes: for example, Sales gets the workspace of Sales." })) }
            @else {
                table.cards {
                    caption.hidden { "Rule sets" }
                    thead { tr { th scope="col" { "Rule set" } th scope="col" { "Mode" } th scope="col" { "Applied" } th scope="col" { "Changed" } } }
                    tbody { @for set in sets { (row(view, set)) } }
                }
            }
            (pager(view, "/rule-sets", &[], &list))
        }
    };
    let total = i64::try_from(sets.len()).unwrap_or_default();
    let lead = html! { (count(total, "rule set", "rule sets")) " of " (view.selected()?.value.text("tenant_id")) " · all rules that match a person are combined" };
    let actions = html! { @if view.may.administer { a.button.primary href=(view.href("/rule-sets/new", &[])) { "New rule set" } } };
    Ok(Page { title: "Rule sets".to_owned(), lead, actions, body })
}

fn row(view: &View, set: &Value) -> Markup {
    let rules = set.list("rules");
    let total = i64::try_from(rules.len()).unwrap_or_default();
    html! {
        tr {
            td {
                a.strong href=(view.href(&format!("/rule-sets/{}", segment(set.text("id"))), &[])) { (set.text("name")) }
                div.quiet { (count(total, "rule", "rules")) }
            }
            td data-label="Mode" { @if set.text("mode") == "authoritative" { (badge(Tone::Warn, "authoritative")) } @else { "additive" } }
            td data-label="Applied" { @if set.flag("auto") { (badge(Tone::Info, "automatically")) } @else { span.quiet { "by plans" } } }
            td data-label="Changed" { (view.now.short(set.time("updated_at"), "")) }
        }
    }
}

/// Shows the form of a new rule set.
pub(in crate::http) async fn show_new(view: &View) -> PageResult {
    if !view.may.administer {
        let detail = "Rule sets are created with a key that has the scope `admin`.";
        return Err(Problem::new(ProblemKind::InsufficientScope, detail).into());
    }
    let workspaces = Names::workspaces(view).await?;
    new_page(view, &rule_set_form::draft(&workspaces), None)
}

fn new_page(view: &View, set: &Value, refused: Option<&ApiFailure>) -> PageResult {
    let action = view.href("/rule-sets", &[]);
    let body = html! {
        div.card.narrow { (rule_set_form::form(view, set, (&action, "Create the rule set"), refused)) }
    };
    let lead = html! { "For " (view.selected()?.value.text("tenant_id")) ". Nothing changes before a plan of it is applied, unless it is applied automatically." };
    Ok(Page { title: "New rule set".to_owned(), lead, body, ..Page::default() })
}

/// Creates a rule set of the selected account; returns its id.
///
/// # Errors
///
/// The form with the reasons, when the API refuses it.
pub(in crate::http) async fn create(view: &View, fields: &FormFields) -> Result<String, PageError> {
    let (mut body, invalid) = body(fields);
    body.insert("integrated_account_id".to_owned(), json!(view.account_id()?));
    let body = Value::Object(body);
    let sent = match invalid {
        None => view.api.send(Method::POST, "/rule-sets", &[], Some(&body)).await,
        Some(failure) => Err(failure),
    };
    match sent {
        Ok(created) => Ok(created.text("/result/id").to_owned()),
        Err(failure) if failure.status.is_client_error() && view.may.administer => {
            let page = new_page(view, &body, Some(&failure))?;
            Err(PageError::Refused(failure.status, Box::new(page)))
        }
        Err(failure) => Err(failure.into()),
    }
}
