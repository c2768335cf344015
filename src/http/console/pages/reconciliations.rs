//! Reconciliations of an account: plans that wait to be approved, those under way, and earlier ones.

use std::collections::BTreeMap;

use maud::{Markup, html};
use serde_json::Value;

use super::super::format::{count, number};
use super::super::json::Fields as _;
use super::super::parts::{empty, options, pager, select, status};
use super::super::view::{Page, PageError, PageResult, View};
use crate::http::internal_api::segment;

/// Reconciliations on a page.
const LIMIT: &str = "30";
/// The filters in the URL.
const FILTERS: [&str; 1] = ["status"];
/// The statuses that can be selected.
const STATUSES: [(&str, &str); 9] = [
    ("planned", "Planned: to approve"),
    ("planning", "Planning"),
    ("applying", "Applying"),
    ("paused", "Paused"),
    ("applied", "Applied"),
    ("partially_applied", "Partially applied"),
    ("failed", "Failed"),
    ("cancelled", "Cancelled"),
    ("expired", "Expired"),
];

/// Where the desired state of a reconciliation is from.
pub(super) struct Source {
    /// What people call it.
    pub(super) title: String,
    /// How many people it has, and how they are matched.
    pub(super) detail: String,
}

/// Returns the names of the rule sets of reconciliations. Those that were deleted have none.
pub(super) async fn rule_set_names(
    view: &View,
    reconciliations: &[Value],
) -> Result<BTreeMap<String, String>, PageError> {
    if reconciliations.iter().all(|one| one.some("rule_set_id").is_none()) {
        return Ok(BTreeMap::new());
    }
    let account = view.account_id()?;
    let query = [("integrated_account_id", account.as_str()), ("limit", "200")];
    let list = view.api.get("/rule-sets", &query).await?;
    let names = list.list("result").iter();
    Ok(names.map(|set| (set.text("id").to_owned(), set.text("name").to_owned())).collect())
}

/// Returns where the desired state of a reconciliation is from.
pub(super) fn source(plan: &Value, rule_sets: &BTreeMap<String, String>) -> Source {
    let by_rules = plan.some("rule_set_id");
    let title = match (plan.some("inverse_of"), by_rules, plan.some("name")) {
        (Some(_), _, Some(name)) => format!("Inverse of {name}"),
        (Some(_), _, None) => "Inverse of a reconciliation".to_owned(),
        (None, Some(id), _) => match rule_sets.get(id) {
            Some(name) => format!("Rule set {name}"),
            None => "A deleted rule set".to_owned(),
        },
        (None, None, Some(name)) => name.to_owned(),
        (None, None, None) => "Desired state".to_owned(),
    };
    let people = count(plan.int("desired_users"), "person", "people");
    let detail = if plan.some("inverse_of").is_some() {
        "The values before the applied steps".to_owned()
    } else if by_rules.is_some() {
        "All users in the copy whom the rules match".to_owned()
    } else {
        format!("{people}, matched by {}", plan.text("match_by").replace('_', " "))
    };
    Source { title, detail }
}

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let account = view.account_id()?;
    let mut query = vec![("integrated_account_id", account.as_str()), ("limit", LIMIT)];
    query.extend(view.query.only(&FILTERS));
    query.extend(view.query.get("cursor").map(|cursor| ("next_cursor", cursor)));
    let list = view.api.get("/reconciliations", &query).await?;
    let plans = list.list("result");
    let rule_sets = rule_set_names(view, plans).await?;
    let synced = view.db.copies_synced_at(&[view.selected()?.id]).await?;
    let synced_at = synced.first().map(|(_, at)| *at);
    let is_filtered = !view.query.only(&FILTERS).is_empty();
    let body = html! {
        div.card {
            (filters(view))
            @if plans.is_empty() { (none(view, is_filtered)) }
            @else {
                table.cards {
                    caption.hidden { "Reconciliations" }
                    thead { tr { th scope="col" { "Desired state" } th scope="col" { "Status" } th scope="col" { "Changes" } th scope="col" { "Not done" } th scope="col" { "Requested" } } }
                    tbody { @for plan in plans { (row(view, plan, &rule_sets)) } }
                }
            }
            (pager(view, "/reconciliations", &FILTERS, &list))
        }
    };
    let lead = html! {
        @if synced_at.is_some() { span.dot aria-hidden="true" {} "Synced " (view.now.short(synced_at, "")) }
        @else { "No complete copy yet: plans are made from copies" }
        " · a plan changes nothing before it is applied, and expires"
    };
    let actions = html! {
        @if view.may.apply && view.base == "/console" {
            a.button href=(view.href("/rule-sets", &[])) { "Rule sets" }
            a.button.primary href=(view.href("/reconciliations/new", &[])) { "New reconciliation" }
        }
    };
    Ok(Page { title: "Reconciliations".to_owned(), lead, actions, body })
}

fn none(view: &View, is_filtered: bool) -> Markup {
    if is_filtered {
        return empty(
            "No match",
            &html! { "No reconciliation of this account has this status. " a href=(view.href("/reconciliations", &[])) { "All statuses" } },
        );
    }
    empty(
        "No reconciliations",
        &html! { "Upload an export of an HR system as CSV: it is compared with the directory, and nothing changes until you approve the plan." },
    )
}

fn filters(view: &View) -> Markup {
    html! {
        form.filters method="get" action=(view.href("/reconciliations", &[])) data-auto {
            (view.account_field())
            (select(("status", "Status"), Some("Any status"), &options(&STATUSES), view.query.get("status")))
            button type="submit" { "Apply" }
        }
    }
}

fn row(view: &View, plan: &Value, rule_sets: &BTreeMap<String, String>) -> Markup {
    let origin = source(plan, rule_sets);
    let path = format!("/reconciliations/{}", segment(plan.text("id")));
    html! {
        tr {
            td { a.strong href=(view.href(&path, &[])) { (origin.title) } div.quiet { (origin.detail) } }
            td data-label="Status" { div { (status(plan.text("status"))) @if plan.text("status") == "planned" { div.quiet { "expires " (view.now.short(plan.time("expires_at"), "")) } } } }
            td data-label="Changes" { (changes(plan)) }
            td data-label="Not done" { (open_steps(plan)) }
            td data-label="Requested" { (view.now.short(plan.time("created_at"), "")) }
        }
    }
}

fn changes(plan: &Value) -> Markup {
    let of = |kind: &str| plan.field("summary").int(kind);
    let (gained, changed, lost) =
        (of("create") + of("add"), of("update"), of("deactivate") + of("remove"));
    html! {
        span {
            @if plan.field("hash").is_null() { span.quiet { "–" } }
            @else if gained + changed + lost == 0 { span.quiet { "none" } }
            @if gained > 0 { span.gained { "+" (number(gained)) } " " }
            @if changed > 0 { span.changed { "~" (number(changed)) } " " }
            @if lost > 0 { span.lost { "−" (number(lost)) } }
        }
    }
}

/// Renders what a plan did not do.
fn open_steps(plan: &Value) -> Markup {
    let of = |outcome: &str| plan.field("counts").int(outcome);
    let parts = [
        (of("failed"), "failed".to_owned()),
        (of("conflict"), if of("conflict") == 1 { "conflict" } else { "conflicts" }.to_owned()),
        (of("skipped"), "skipped".to_owned()),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(steps, _)| *steps > 0)
        .map(|(steps, what)| format!("{} {what}", number(*steps)))
        .collect();
    html! { span.quiet { @if said.is_empty() { "–" } @else { (said.join(", ")) } } }
}
