//! Runs of the sync: the inbox of held runs, live progress, and earlier runs.

use maud::{Markup, html};
use serde_json::Value;
use time::Duration;

use super::super::format::{count, number, span, words};
use super::super::json::Fields as _;
use super::super::parts::{Confirmation, button, confirm, empty, pager, status, table};
use super::super::view::{Page, PageError, PageResult, View};
use crate::domain::sync::CopyKind;
use crate::http::html_page::prose;
use crate::http::internal_api::segment;

/// Runs on a page.
const LIMIT: &str = "20";

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let account = view.selected()?;
    let synced = view.db.copies_synced_at(&[account.id]).await?;
    let path = format!("/integrated-accounts/{}/sync-settings", account.id);
    let settings = view.api.get(&path, &[]).await?;
    let settings = settings.field("result");
    let is_enabled = settings.flag("enabled");
    let lead = html! {
        @match synced.first() {
            Some((_, at)) => { span.dot aria-hidden="true" {} "Synced " (view.now.short(Some(*at), "")) },
            None => "No complete copy yet",
        }
        @if is_enabled { " · a full run every " (span(Duration::seconds(settings.int("full_every_s")))) }
        @else { " · the sync of this account is off" }
    };
    let actions = html! {
        @if view.may.apply && is_enabled { (button(view, &view.href("/syncs/start", &[]), "Request a run")) }
    };
    let live = view.href("/syncs/live", &view.query.only(&["cursor"]));
    let (runs, is_settled) = runs(view).await?;
    let body = html! {
        @if !is_enabled {
            div.card { (empty("The sync is disabled", &html! { "The pages of this customer show the last copy. " @if view.may.administer { a href=(view.href(&format!("/accounts/{}", account.id), &[])) { "Settings of the account" } } })) }
        }
        div data-live=[(!is_settled).then_some(live)] { (runs) }
    };
    Ok(Page { title: "Syncs".to_owned(), lead, actions, body })
}

/// Renders the part of the page that changes while runs are under way.
pub(in crate::http) async fn fragment(view: &View) -> Result<Markup, PageError> {
    Ok(runs(view).await?.0)
}

/// Whether a run goes on, or waits for a decision.
pub(in crate::http) fn is_under_way(run: &Value) -> bool {
    matches!(run.text("status"), "queued" | "running" | "held")
}

/// Renders the runs; returns whether none is under way.
async fn runs(view: &View) -> Result<(Markup, bool), PageError> {
    let account = view.account_id()?;
    let mut query = vec![("integrated_account_id", account.as_str()), ("limit", LIMIT)];
    query.extend(view.query.get("cursor").map(|cursor| ("next_cursor", cursor)));
    let list = view.api.get("/syncs", &query).await?;
    let runs = list.list("result");
    let of = |wanted: &'static [&'static str]| {
        runs.iter().filter(move |run| wanted.contains(&run.text("status")))
    };
    let is_settled = !runs.iter().any(is_under_way);
    let rendered = html! {
        div data-settled[is_settled] {
            @for run in of(&["held"]) { (held(view, run)) }
            @for run in of(&["running", "queued"]) { (active(view, run)) }
            section.card aria-labelledby="runs" {
                h2 #runs { "Runs" }
                @if runs.is_empty() { (empty("No runs", &html! { "The sync of this account has not run yet." })) }
                @else { (table("Table of runs", &["Run", "Status", "Started", "Took", "Changes", "Provider calls", "Requested by"], &html! { @for run in runs { (row(view, run)) } })) }
                (pager(view, "/syncs", &[], &list))
            }
        }
    };
    Ok((rendered, is_settled))
}

fn row(view: &View, run: &Value) -> Markup {
    // The time of a run that was continued includes that in which it was held.
    let was_held = waiting(run) > 0 && run.text("status") != "held";
    let took = run.time("started_at").zip(run.time("ended_at")).map(|(start, end)| end - start);
    let took = took.filter(|_| !was_held);
    html! {
        tr {
            td { a href=(run_url(view, run)) { (view.now.short(run.time("created_at"), "run")) } }
            td { (status(run.text("status"))) }
            td { (view.now.when_or(run.time("started_at"), "not started")) }
            td { @match took { Some(took) if took < Duration::SECOND => { (took.whole_milliseconds()) " ms" }, Some(took) => (span(took)), None => "–" } }
            td { (changes(run)) }
            td { (number(run.int("provider_calls"))) }
            td { (run.text("started_by")) }
        }
    }
}

/// Returns the URL of the page of a run.
fn run_url(view: &View, run: &Value) -> String {
    view.href(&format!("/syncs/{}", segment(run.text("id"))), &[])
}

/// Returns the sum of a kind of changes over all kinds of objects.
pub(in crate::http) fn total(run: &Value, change: &str) -> i64 {
    let counts = run.field("counts").as_object();
    counts.into_iter().flatten().map(|(_, counts)| counts.int(change)).sum()
}

/// Returns the number of objects that a held run would remove.
fn waiting(run: &Value) -> i64 {
    let kinds = run.field("held_removals").as_object();
    kinds.into_iter().flatten().map(|(_, removals)| removals.int("missing")).sum()
}

fn changes(run: &Value) -> Markup {
    let (created, updated, removed) =
        (total(run, "created"), total(run, "updated"), total(run, "removed"));
    let waiting = if run.text("status") == "held" { waiting(run) } else { 0 };
    html! {
        @if created + updated + removed + waiting == 0 { span.quiet { "none" } }
        @else {
            @if created > 0 { span.gained { "+" (number(created)) } " " }
            @if updated > 0 { span.changed { "~" (number(updated)) } " " }
            @if removed > 0 { span.lost { "−" (number(removed)) } " " }
            @if waiting > 0 { span.lost title="removals that wait for a decision" { "−" (number(waiting)) "?" } }
        }
    }
}

/// Renders a held run with the decision.
pub(in crate::http) fn held(view: &View, run: &Value) -> Markup {
    let id = segment(run.text("id"));
    let settle = |what: &str| view.href(&format!("/syncs/{id}/{what}"), &[]);
    html! {
        article.card.violation.warn {
            header { (status("held")) " " h2 { "A run waits for a decision" } span.quiet { (view.now.lasting(run.time("ended_at"))) } }
            @if waiting(run) == 0 { p { (prose(run.text("/problem/detail"))) } }
            @else { p { "The provider did not list " strong { (missing(run)) } ". Check at the provider whether they were removed, then accept or reject the run." } }
            p.quiet { "Until then they stay in the copy, except those that the provider reports one by one. " a href=(run_url(view, run)) { "Changes that the run found" } }
            @if view.may.apply {
                div.actions {
                    (confirm(view, &Confirmation {
                        label: "Accept…",
                        action: settle("accept"),
                        warning: html! { p { "The run requests " strong { @if waiting(run) == 0 { "the objects that were not listed" } @else { (missing(run)) } } " from the provider, one by one, and removes those that the provider does not have from the copy." } p { "Events of the removals are sent and cannot be taken back. Nothing changes at the provider." } },
                        fields: html! {},
                        button: "Accept the removals",
                        is_dangerous: true,
                    }))
                    (confirm(view, &Confirmation {
                        label: "Reject…",
                        action: settle("reject"),
                        warning: html! { p { "The run ends and nothing is removed from the copy. The next run may be held again." } },
                        fields: html! {},
                        button: "Reject the run",
                        is_dangerous: false,
                    }))
                }
            }
        }
    }
}

/// Returns what a held run would remove, such as `121 of the 332 group memberships in the copy`.
fn missing(run: &Value) -> String {
    let kinds = run.field("held_removals").as_object();
    let text = |(kind, removals): (&String, &Value)| {
        let noun = kind.parse::<CopyKind>().map_or("objects", CopyKind::plural);
        let (missing, present) = (number(removals.int("missing")), number(removals.int("present")));
        format!("{missing} of the {present} {noun} in the copy")
    };
    kinds.into_iter().flatten().map(text).collect::<Vec<_>>().join(" and ")
}

/// Renders a run under way with its progress.
fn active(view: &View, run: &Value) -> Markup {
    let id = segment(run.text("id"));
    html! {
        article.card {
            header.split {
                h2 { (status(run.text("status"))) " " a href=(run_url(view, run)) { "Run" } }
                @if let Some(seconds) = run.field("eta_s").as_i64() { span.quiet { "about " (span(Duration::seconds(seconds))) " left" } }
                @if view.may.apply { (button(view, &view.href(&format!("/syncs/{id}/cancel"), &[]), "Cancel")) }
            }
            (progress(run))
        }
    }
}

/// Renders the progress of each resource.
pub(in crate::http) fn progress(run: &Value) -> Markup {
    html! {
        ul.progress {
            @for part in run.list("progress") {
                @let (done, expected) = (part.int("done"), part.field("expected").as_i64());
                @let label = words(part.text("resource"));
                li {
                    span { (label) }
                    @match expected {
                        Some(expected) => progress value=(done) max=(expected.max(1)) aria-label=(label) {},
                        None => progress value=(i64::from(run.text("status") != "running")) max="1" aria-label=(label) {},
                    }
                    span.quiet { (number(done)) @if let Some(expected) = expected { " of " (number(expected)) } }
                }
            }
        }
        p.quiet { (count(run.int("provider_calls"), "provider call", "provider calls")) }
    }
}
