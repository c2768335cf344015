//! One reconciliation: its plan as a diff, with what people lose first, and what becomes of the steps.

use maud::{Markup, html};
use serde_json::Value;
use time::Duration;

use super::super::format::{count, number, span, words};
use super::super::json::Fields as _;
use super::super::names::Names;
use super::super::parts::{empty, facts, pager, status, table};
use super::super::view::{Page, PageError, PageResult, View};
use super::plan_steps::{self, tiles};
use super::reconciliation_actions::{self, short_hash};
use super::reconciliations::{rule_set_names, source};
use crate::http::html_page::prose;
use crate::http::internal_api::segment;

/// Steps of a section within the page.
const LIMIT: &str = "20";
/// Steps of a section on a page of its own.
const FULL_LIMIT: &str = "100";

/// Steps with the same meaning.
#[derive(Debug, Clone, Copy)]
struct Section {
    /// Its name in the URL.
    name: &'static str,
    title: &'static str,
    why: &'static str,
    outcome: &'static str,
    is_removal: Option<bool>,
}

const fn section(
    (name, outcome, is_removal): (&'static str, &'static str, Option<bool>),
    title: &'static str,
    why: &'static str,
) -> Section {
    Section { name, title, why, outcome, is_removal }
}

/// The sections in their order: what needs a decision first, then what people lose.
const SECTIONS: [Section; 8] = [
    section(
        ("failed", "failed", None),
        "Failed",
        "the provider refused these steps, or their outcome is unknown",
    ),
    section(
        ("conflicts", "conflict", None),
        "Conflicts",
        "these people were changed after the plan was made, so they were left as they are",
    ),
    section(
        ("removals", "pending", Some(true)),
        "Removals first",
        "access that people lose, before anything else",
    ),
    section(("changes", "pending", Some(false)), "Changes", "what people get, and what changes"),
    section(("removed", "applied", Some(true)), "Removed", "what people lost"),
    section(("changed", "applied", Some(false)), "Changed", "what people got, and what changed"),
    section(("unchanged", "unchanged", None), "Unchanged", "found as desired before the step"),
    section(("skipped", "skipped", None), "Skipped", "never carried out, for the reason beside it"),
];

/// Shows the page.
pub(in crate::http) async fn show(view: &View, id: &str) -> PageResult {
    let plan = find(view, id).await?;
    let rule_sets = rule_set_names(view, std::slice::from_ref(&plan)).await?;
    let origin = source(&plan, &rule_sets);
    let path = format!("/reconciliations/{}", segment(id));
    let lead = html! {
        (origin.detail) " · requested " (view.now.short(plan.time("created_at"), ""))
        @if let Some(other) = plan.some("inverse_of") { " · undoes " a href=(view.href(&format!("/reconciliations/{}", segment(other)), &[])) { "another one" } }
    };
    let url = view.href(&format!("{path}/live"), &view.query.only(&["show", "cursor"]));
    let body =
        html! { div data-live=[is_moving(&plan).then_some(url)] { (render(view, &plan).await?) } };
    Ok(Page { title: origin.title, lead, body, ..Page::default() })
}

/// Whether the page changes without a request of a person.
fn is_moving(plan: &Value) -> bool {
    matches!(plan.text("status"), "planning" | "applying" | "paused")
}

/// Renders the part of the page that changes while the plan is made or applied.
pub(in crate::http) async fn fragment(view: &View, id: &str) -> Result<Markup, PageError> {
    render(view, &find(view, id).await?).await
}

async fn find(view: &View, id: &str) -> Result<Value, PageError> {
    let plan = view.api.get(&format!("/reconciliations/{}", segment(id)), &[]).await?;
    Ok(plan.field("result").clone())
}

async fn render(view: &View, plan: &Value) -> Result<Markup, PageError> {
    let chosen = view.query.get("show");
    let chosen = SECTIONS.iter().find(|one| Some(one.name) == chosen);
    let sections = match chosen {
        Some(one) => part(view, plan, one, true).await?,
        None => all(view, plan).await?,
    };
    let state = plan.text("status");
    Ok(html! {
        div.status data-settled[!is_moving(plan)] {
            p { (status(state)) " " (freshness(view, plan)) }
            @if view.may.apply { div.actions { (reconciliation_actions::render(view, plan)) } }
        }
        (problem(plan))
        @if state == "planning" { div.card role="status" { (empty("The plan is being made", &html! { (count(plan.int("desired_users"), "person is", "people are")) " compared with the copy. This page shows the plan as soon as it is made." })) progress aria-label="The plan is being made" {} } }
        @else if !plan.field("hash").is_null() { (tiles(plan)) }
        @if !matches!(state, "planning" | "planned" | "expired") && !plan.field("started_at").is_null() { (progress(plan)) }
        @if state == "planned" { (under_way(view, plan).await?) }
        (sections)
        @if chosen.is_none() { (left_out(plan)) (requested(view, plan)) }
    })
}

/// Renders how old the copy is that the plan is based on, and until when it can be applied.
fn freshness(view: &View, plan: &Value) -> Markup {
    html! {
        @if plan.time("base_synced_at").is_some() { "against the copy of " (view.now.short(plan.time("base_synced_at"), "")) }
        @match plan.text("status") {
            "planned" => { " · expires " (view.now.short(plan.time("expires_at"), "")) },
            "expired" => { " · expired " (view.now.short(plan.time("expires_at"), "")) ": upload the desired state again" },
            "applying" | "paused" => { " · started " (view.now.short(plan.time("started_at"), "")) },
            _ => { @if plan.time("ended_at").is_some() { " · ended " (view.now.short(plan.time("ended_at"), "")) } },
        }
    }
}

fn problem(plan: &Value) -> Markup {
    html! {
        @if let Some(detail) = plan.some("/problem/detail") {
            p.notice.bad role="alert" { strong { (words(plan.text("/problem/code"))) } ": " (prose(detail)) }
        }
        @if plan.int("/counts/conflict") + plan.int("/counts/failed") > 0 && plan.time("ended_at").is_some() {
            p.notice.warn { "Failed and conflicting steps were not applied. Request a run of the sync, then plan again with the same desired state: the new plan has only what is still missing." }
        }
    }
}

/// Renders the progress of the steps.
fn progress(plan: &Value) -> Markup {
    let counts = plan.field("counts");
    let of = |outcome: &str| counts.int(outcome);
    let done = of("applied") + of("unchanged") + of("conflict") + of("failed");
    let total = done + of("pending");
    let left = plan.field("eta_s").as_i64().filter(|_| plan.text("status") == "applying");
    html! {
        section.card aria-labelledby="progress" {
            div.split {
                h2 #progress { "Progress" }
                span.quiet {
                    (number(done)) " of " (count(total, "step", "steps"))
                    " · " (count(of("conflict"), "conflict", "conflicts")) " · " (number(of("failed"))) " failed"
                    @if let Some(seconds) = left { " · about " (span(Duration::seconds(seconds))) " left" }
                }
            }
            progress value=(done) max=(total.max(1)) aria-label="Steps that ended" {}
        }
    }
}

/// Renders the other plan of the account that is being applied: until it ends, this one cannot be.
async fn under_way(view: &View, plan: &Value) -> Result<Markup, PageError> {
    let account = plan.text("integrated_account_id");
    let mut found = Vec::new();
    for state in ["applying", "paused"] {
        let query = [("integrated_account_id", account), ("status", state), ("limit", "1")];
        let list = view.api.get("/reconciliations", &query).await?;
        found.extend(list.list("result").first().cloned());
    }
    let rule_sets = rule_set_names(view, &found).await?;
    Ok(html! {
        @for other in &found {
            section.card aria-label="Another plan of this account" {
                p {
                    (status(other.text("status"))) " "
                    a.strong href=(view.href(&format!("/reconciliations/{}", segment(other.text("id"))), &[])) { (source(other, &rule_sets).title) }
                    span.quiet { " · " (number(other.int("/counts/pending"))) " steps left. One plan of an account is applied at a time." }
                }
            }
        }
    })
}

/// Renders all sections that have steps.
async fn all(view: &View, plan: &Value) -> Result<Markup, PageError> {
    let mut parts = Vec::new();
    for one in &SECTIONS {
        if plan.field("counts").int(one.outcome) > 0 {
            parts.push(part(view, plan, one, false).await?);
        }
    }
    let is_empty = parts.is_empty() && plan.text("status") == "planned";
    Ok(html! {
        @if is_empty { div.card { (empty("Nothing to do", &html! { "The directory is as desired already." })) } }
        @for part in parts { (part) }
    })
}

/// Renders the steps of a section: the first of them, or a page.
async fn part(
    view: &View,
    plan: &Value,
    one: &Section,
    is_alone: bool,
) -> Result<Markup, PageError> {
    let path = format!("/reconciliations/{}", segment(plan.text("id")));
    let limit = if is_alone { FULL_LIMIT } else { LIMIT };
    let mut query = vec![("outcome", one.outcome), ("limit", limit)];
    query.extend(one.is_removal.map(|is| ("is_removal", if is { "true" } else { "false" })));
    if is_alone {
        query.extend(view.query.get("cursor").map(|cursor| ("next_cursor", cursor)));
    }
    let list = view.api.get(&format!("{path}/steps"), &query).await?;
    let steps = list.list("result");
    if steps.is_empty() && !is_alone {
        return Ok(html! {});
    }
    let workspaces = Names::workspaces(view).await?;
    let more = list.some("next_cursor").filter(|_| !is_alone);
    Ok(html! {
        section.card aria-labelledby=(one.name) {
            div.split {
                h2 id=(one.name) { (one.title) span.quiet.plain { " · " (one.why) } }
                @if is_alone { a href=(view.href(&path, &[])) { "The whole plan" } }
            }
            @if steps.is_empty() { (empty("No steps", &html! { "The plan has no such steps, or they have another outcome now." })) }
            (plan_steps::render(view, steps, &workspaces))
            @if more.is_some() { p.more { a href=(view.href(&path, &[("show", one.name)])) { (rest(plan, one)) } } }
            @if is_alone { (pager(view, &path, &["show"], &list)) }
        }
    })
}

/// Returns the text of the link to all steps of a section, with their number if it is known.
fn rest(plan: &Value, one: &Section) -> String {
    let (all, lost) = (plan.field("counts").int(one.outcome), plan.int("/removals/removals"));
    let is_planned = plan.text("status") == "planned";
    let total = match one.is_removal {
        None => Some(all),
        Some(true) => is_planned.then_some(lost),
        Some(false) => is_planned.then_some(all - lost),
    };
    total.map_or_else(|| "All of them".to_owned(), |total| format!("All {}", number(total)))
}

/// Renders the rows of the desired state that were left out.
fn left_out(plan: &Value) -> Markup {
    let errors = plan.list("row_errors");
    html! {
        @if !errors.is_empty() {
            section.card aria-labelledby="left-out" {
                h2 #left-out { "Rows that were left out" }
                (row_errors(errors))
            }
        }
    }
}

/// Renders what is wrong with rows of a desired state, by line and column.
pub(super) fn row_errors(errors: &[Value]) -> Markup {
    table(
        "Table of rows that can't be used",
        &["Line", "Column", "What is wrong"],
        &html! {
            @for error in errors {
                tr {
                    th scope="row" { @match error.field("row").as_i64() { Some(row) => (number(row)), None => "–" } }
                    td { @match error.some("column").or(error.some("pointer")) { Some(column) => code { (column) }, None => span.quiet { "the whole line" } } }
                    td { (prose(error.text("message"))) }
                }
            }
        },
    )
}

/// Renders the options, and who requested and applied the plan.
fn requested(view: &View, plan: &Value) -> Markup {
    let mode = match plan.text("mode") {
        "authoritative" => {
            "authoritative: people who are not desired in a place are removed from it"
        }
        _ => "additive: no person is removed from a place",
    };
    let scope = plan.field("scope");
    let exceptions: usize =
        ["workspaces", "roles", "groups"].iter().map(|kind| scope.list(kind).len()).sum();
    let who = |key: &str| html! { @match plan.some(key) { Some(id) => code { (id) }, None => span.quiet { "not yet" } } };
    html! {
        section.card aria-labelledby="requested" {
            h2 #requested { "What was requested" }
            (facts(&[
                ("Mode", html! { (mode) @if exceptions > 0 { span.quiet { " · of " (count(i64::try_from(exceptions).unwrap_or_default(), "place", "places")) " by scope" } } }),
                ("Absent people", html! { @if plan.flag("prune") { "deactivated (prune)" } @else { "stay as they are" } }),
                ("Removal limit", html! { (number(plan.int("/guards/max_removals/count"))) ", or " (plan.int("/guards/max_removals/percent")) " % of the people" }),
                ("Requested by", html! { (who("created_by")) " " (view.now.when_or(plan.time("created_at"), "")) }),
                ("Applied by", html! { (who("applied_by")) " " @if plan.time("started_at").is_some() { (view.now.when_or(plan.time("started_at"), "")) } }),
                ("Plan", html! { code { (short_hash(plan)) } }),
            ]))
        }
    }
}
