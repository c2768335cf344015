//! The overview: what needs attention, the state of the copy, changes a day, and the latest changes of power.

use maud::{Markup, html};
use serde_json::Value;

use super::super::format::{count, number};
use super::super::json::Fields as _;
use super::super::names::Names;
use super::super::parts::{Tone, badge, empty, status};
use super::super::svg::{DAYS, first_day, sparkline};
use super::super::view::{Page, PageError, PageResult, View};
use super::syncs::{copied, last_run};
use super::timeline::actor;
use crate::domain::sync::CopyKind;
use crate::http::internal_api::segment;
use crate::store::{AttentionCounts, EventPage};

/// Changes of roles that are read; those of privileged roles are shown.
const ROLE_EVENTS: i64 = 60;
/// Changes of privileged roles that are shown.
const SHOWN_ROLE_EVENTS: usize = 8;

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let account = view.selected()?;
    let counts = view.db.attention(Some(account.id), view.time()).await?;
    let synced = view.db.copies_synced_at(&[account.id]).await?;
    let synced_at = synced.first().map(|(_, at)| *at);
    let days = view.db.daily_changes(account.id, first_day(view.time()), DAYS).await?;
    let last = last_run(view).await?;
    let size = |kind: &str| last.as_ref().map(|run| copied(run, kind));
    let power = role_changes(view).await?;
    let lead = html! {
        (account.value.text("/organization/name")) " · " (status(account.value.text("status")))
        " · " @if synced_at.is_some() { span.dot aria-hidden="true" {} "Synced " } (view.now.short(synced_at, "no copy yet"))
    };
    let body = html! {
        section aria-labelledby="attention" { h2.hidden #attention { "Needs attention" } (attention(view, &counts)) }
        div.tiles {
            (tile(size("user"), "people in the last full run", &view.href("/directory", &[])))
            (tile(size("workspace"), "workspaces", &view.href("/roles", &[])))
            (tile(size("group"), "groups", &view.href("/access-review", &[("access_type", "group")])))
            (tile(size("role_assignment"), "role assignments", &view.href("/roles", &[])))
        }
        section.card aria-labelledby="power" { h2 #power { "Latest changes of privileged roles" } (power) }
        section.card aria-labelledby="changes" { h2 #changes { "Changes a day" } (sparkline(&days)) }
    };
    let actions = html! { @if view.may.administer { a.button href="/console/accounts/connect" { "Connect a customer" } } };
    Ok(Page { title: "Overview".to_owned(), lead, actions, body })
}

fn tile(size: Option<i64>, what: &str, href: &str) -> Markup {
    html! {
        a.tile href=(href) {
            strong { @match size { Some(size) => (number(size)), None => "–" } }
            span.quiet { (what) }
        }
    }
}

fn attention(view: &View, counts: &AttentionCounts) -> Markup {
    let rows = [
        (
            counts.critical,
            Tone::Bad,
            "critical violation",
            "critical violations",
            "/drift",
            "Policies are violated in a way that you marked as critical.",
        ),
        (
            counts.open - counts.critical,
            Tone::Warn,
            "other open violation",
            "other open violations",
            "/drift",
            "Policies are violated.",
        ),
        (
            counts.held,
            Tone::Warn,
            "held run",
            "held runs",
            "/syncs",
            "A run of the sync would remove too much and waits for a decision.",
        ),
        (
            counts.failed_plans,
            Tone::Bad,
            "failed reconciliation",
            "failed reconciliations",
            "/reconciliations",
            "Steps of a plan failed, or the plan could not be made.",
        ),
        (
            counts.plans,
            Tone::Warn,
            "plan to approve",
            "plans to approve",
            "/reconciliations",
            "Nothing changes until the plan is applied; it expires.",
        ),
        (
            counts.needs_reauth,
            Tone::Bad,
            "account to connect again",
            "accounts to connect again",
            "/accounts",
            "The customer's grant is invalid.",
        ),
        (
            counts.failing_webhooks,
            Tone::Warn,
            "failing webhook",
            "failing webhooks",
            "/webhooks",
            "Events wait until the endpoint accepts them.",
        ),
    ];
    let is_calm = rows.iter().all(|(number, ..)| *number == 0);
    html! {
        @if is_calm { p.notice.good { "Nothing needs attention: no open violations, held runs, waiting or failed plans, invalid grants or failing webhooks." } }
        @else {
            ul.attention {
                @for (number, tone, one, many, path, why) in rows.iter().filter(|(number, ..)| *number > 0) {
                    li class=(tone.class()) { a href=(view.href(path, &[])) { (count(*number, one, many)) } span.quiet { " " (why) } }
                }
            }
        }
    }
}

/// Renders the latest grants and revocations of privileged roles: who, what, where, by whom.
async fn role_changes(view: &View) -> Result<Markup, PageError> {
    let account = view.selected()?.id;
    let page = EventPage {
        account_id: Some(account),
        prefix: "role_assignment.",
        before: None,
        limit: ROLE_EVENTS,
    };
    let positions = view.db.newest_events(page).await?;
    let events = view.db.events_at(&positions).await?;
    let events: Vec<Value> =
        events.iter().rev().filter_map(|(_, event)| serde_json::to_value(event).ok()).collect();
    let privileged = events.iter().filter(|event| assignment(event).flag("is_privileged"));
    let shown: Vec<&Value> = privileged.take(SHOWN_ROLE_EVENTS).collect();
    let people: Vec<&str> = shown.iter().map(|event| assignment(event).text("user_id")).collect();
    let people = Names::of(view, CopyKind::User, &people).await?;
    let places: Vec<&str> =
        shown.iter().filter_map(|event| assignment(event).some("workspace_id")).collect();
    let places = Names::of(view, CopyKind::Workspace, &places).await?;
    Ok(html! {
        @if shown.is_empty() { (empty("No changes of privileged roles", &html! { "No privileged role was granted or revoked within the last 30 days, as far as the copy knows." })) }
        @else { ul.feed { @for event in &shown { (role_change(view, event, &people, &places)) } } }
    })
}

/// Returns the role assignment of an event.
fn assignment(event: &Value) -> &Value {
    if event.field("object").is_null() { event.field("previous") } else { event.field("object") }
}

fn role_change(view: &View, event: &Value, people: &Names, places: &Names) -> Markup {
    let (held, is_gain) = (assignment(event), event.text("type").ends_with(".granted"));
    let id = held.text("user_id");
    html! {
        li {
            (if is_gain { badge(Tone::Bad, "+ granted") } else { badge(Tone::Quiet, "− revoked") }) " "
            a.strong href=(view.href(&format!("/people/{}", segment(id)), &[])) { (people.get(id)) }
            (if is_gain { " became " } else { " is no longer " }) strong { (held.text("role_name")) }
            @if let Some(place) = held.some("workspace_id") { " in " (places.get(place)) }
            div.quiet { (view.now.when_or(event.time("occurred_at"), "")) " · " (actor(event.field("actor"))) }
        }
    }
}
