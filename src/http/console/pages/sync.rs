//! One run of the sync: progress, what it found, and its problem.

use maud::{Markup, html};
use serde_json::Value;

use super::super::format::{number, words};
use super::super::json::Fields as _;
use super::super::parts::{button, facts, status, table};
use super::super::view::{Page, PageError, PageResult, View};
use super::syncs::{held, is_under_way, progress};
use crate::http::html_page::prose;
use crate::http::internal_api::segment;

/// Shows the page.
pub(in crate::http) async fn show(view: &View, id: &str) -> PageResult {
    let run = find(view, id).await?;
    let lead = html! { (status(run.text("status"))) " · requested " (view.now.short(run.time("created_at"), "")) " by " (run.text("started_by")) };
    let live = view.href(&format!("/syncs/{}/live", segment(id)), &[]);
    let body =
        html! { div data-live=[is_under_way(&run).then_some(live)] { (render(view, &run)) } };
    Ok(Page { title: "Run of the sync".to_owned(), lead, body, ..Page::default() })
}

/// Renders the part of the page that changes while the run is under way.
pub(in crate::http) async fn fragment(view: &View, id: &str) -> Result<Markup, PageError> {
    Ok(render(view, &find(view, id).await?))
}

async fn find(view: &View, id: &str) -> Result<Value, PageError> {
    let run = view.api.get(&format!("/syncs/{}", segment(id)), &[]).await?;
    Ok(run.field("result").clone())
}

fn render(view: &View, run: &Value) -> Markup {
    let id = segment(run.text("id"));
    let state = run.text("status");
    html! {
        @if state == "held" { (held(view, run)) }
        section.card aria-labelledby="progress" data-settled[!is_under_way(run)] {
            h2 #progress { "Progress" }
            (progress(run))
            (facts(&[
                ("Status", status(state)),
                ("Started", view.now.when_or(run.time("started_at"), "not yet")),
                ("Ended", view.now.when_or(run.time("ended_at"), "not yet")),
            ]))
            @if let Some(detail) = run.some("/problem/detail").filter(|_| state != "held") {
                p.notice.warn { strong { (words(run.text("/problem/code"))) } ": " (prose(detail)) }
            }
            @if view.may.apply {
                div.actions {
                    @if matches!(state, "running" | "queued") { (button(view, &view.href(&format!("/syncs/{id}/cancel"), &[]), "Cancel")) }
                    @if matches!(state, "failed" | "partial" | "cancelled") { (button(view, &view.href(&format!("/syncs/{id}/resume"), &[]), "Resume")) }
                }
            }
        }
        section.card aria-labelledby="found" {
            h2 #found { "Changes found" }
            (table("Table of changes", &["Kind", "Created", "Updated", "Removed", "Unchanged"], &html! {
                @for (kind, counts) in run.field("counts").as_object().into_iter().flatten() {
                    tr {
                        th scope="row" { (words(kind)) }
                        td { (number(counts.int("created"))) }
                        td { (number(counts.int("updated"))) }
                        td {
                            @let waiting = run.field("held_removals").field(kind).int("missing");
                            @if state == "held" && waiting > 0 { span.lost { (number(waiting)) } " if accepted" }
                            @else if counts.int("removed") > 0 { span.lost { (number(counts.int("removed"))) } }
                            @else { "0" }
                        }
                        td { (number(counts.int("unchanged"))) }
                    }
                }
            }))
        }
    }
}
