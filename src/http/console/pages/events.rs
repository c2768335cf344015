//! Events, newest first, with the values before and after.

use maud::{Markup, html};
use serde_json::Value;

use super::super::format::count;
use super::super::json::Fields as _;
use super::super::names::Names;
use super::super::parts::{Tone, badge, empty, options, select};
use super::super::svg::{DAYS, first_day, sparkline};
use super::super::view::{Page, PageError, PageResult, View};
use super::timeline::{actor, body, changes};
use crate::domain::sync::CopyKind;
use crate::http::internal_api::segment;
use crate::store::EventPage;

/// Events on a page.
const LIMIT: i64 = 30;
/// The beginnings of types that can be selected.
const KINDS: [(&str, &str); 9] = [
    ("user.", "People"),
    ("role_assignment.", "Roles"),
    ("workspace_member.", "Workspace members"),
    ("workspace.", "Workspaces"),
    ("group", "Groups"),
    ("drift.", "Drift"),
    ("sync.", "Syncs"),
    ("integrated_account.", "Accounts"),
    ("webhook.", "Webhooks"),
];

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let chosen = view.query.get("kind").filter(|kind| KINDS.iter().any(|(known, _)| known == kind));
    let is_whole = view.query.get("scope") == Some("all");
    let account_id = view.account.as_ref().filter(|_| !is_whole).map(|account| account.id);
    let before = view.query.get("before").and_then(|before| before.parse().ok());
    let page = EventPage { account_id, prefix: chosen.unwrap_or_default(), before, limit: LIMIT };
    let positions = view.db.newest_events(page).await?;
    let events = view.db.events_at(&positions).await?;
    let days = match account_id {
        Some(id) => view.db.daily_changes(id, first_day(view.time()), DAYS).await?,
        None => Vec::new(),
    };
    let last = events.first().map(|(position, _)| position.to_string());
    let is_full = i64::try_from(positions.len()).is_ok_and(|length| length == LIMIT);
    let rows: Vec<Value> =
        events.iter().rev().filter_map(|(_, event)| serde_json::to_value(event).ok()).collect();
    let names = EventNames::of(view, &rows).await?;
    let retained = ["kind", "scope"];
    let body = html! {
        @if !days.is_empty() { section.card aria-labelledby="days" { h2 #days { "Changes per day" } (sparkline(&days)) } }
        div.card {
            (filters(view, chosen, is_whole))
            @if rows.is_empty() { (empty("No events", &html! { "Nothing of this kind happened within the last 30 days." })) }
            ul.feed { @for event in &rows { (row(view, event, &names)) } }
            nav.pager aria-label="Pages" {
                @if before.is_some() { a href=(view.href_with("/events", &retained, &[])) { "Newest" } }
                @if let Some(last) = last.filter(|_| is_full) { a rel="next" href=(view.href_with("/events", &retained, &[("before", &last)])) { "Older" } }
            }
        }
    };
    let total: i64 = days.iter().map(|day| day.count).sum();
    let lead = html! {
        @if account_id.is_some() { (count(total, "event", "events")) " in the last 14 days · " }
        "events are stored for 30 days"
    };
    Ok(Page { title: "Events".to_owned(), lead, body, ..Page::default() })
}

fn filters(view: &View, chosen: Option<&str>, is_whole: bool) -> Markup {
    let scopes = options(&[("account", "This account"), ("all", "All accounts")]);
    let scope = if is_whole { "all" } else { "account" };
    html! {
        form.filters method="get" action=(view.href("/events", &[])) data-auto {
            (view.account_field())
            (select(("kind", "Kind"), Some("All events"), &options(&KINDS), chosen))
            (select(("scope", "Accounts"), None, &scopes, Some(scope)))
            button type="submit" { "Apply" }
        }
    }
}

fn tone(kind: &str) -> Tone {
    match kind.rsplit('.').next().unwrap_or_default() {
        "granted" | "created" | "added" | "reactivated" | "succeeded" | "active" => Tone::Good,
        "revoked" | "removed" | "deactivated" | "failed" | "needs_reauth" | "disabled" => Tone::Bad,
        "detected" | "held" | "partial" => Tone::Warn,
        _ => Tone::Quiet,
    }
}

/// The names that events of the selected account refer to.
#[derive(Default)]
struct EventNames {
    people: Names,
    workspaces: Names,
    groups: Names,
}

impl EventNames {
    async fn of(view: &View, events: &[Value]) -> Result<Self, PageError> {
        let Ok(account) = view.account_id() else { return Ok(Self::default()) };
        // The ids of another account can be the same.
        let own = events.iter().filter(|one| one.text("integrated_account_id") == account);
        let bodies: Vec<&Value> = own.map(body).collect();
        let workspaces = (CopyKind::Workspace, "workspace_id");
        Ok(Self {
            people: Names::in_field(view, (CopyKind::User, "user_id"), &bodies).await?,
            workspaces: Names::in_field(view, workspaces, &bodies).await?,
            groups: Names::in_field(view, (CopyKind::Group, "group_id"), &bodies).await?,
        })
    }
}

fn row(view: &View, event: &Value, names: &EventNames) -> Markup {
    let is_of_account = view.account_id().is_ok_and(|id| id == event.text("integrated_account_id"));
    let (kind, object) = (event.text("type"), event.field("object"));
    html! {
        li {
            (badge(tone(kind), kind)) " "
            (subject(view, event, is_of_account.then_some(names)))
            @if kind.ends_with(".updated") { (changes(event.field("previous"), object)) }
            div.quiet {
                (view.now.when_or(event.time("occurred_at"), "")) " · " (origin(event.text("origin")))
                @if !event.field("actor").is_null() { " · " (actor(event.field("actor"))) }
            }
            details.data { summary { "Details" } pre { (serde_json::to_string_pretty(event).unwrap_or_default()) } }
        }
    }
}

/// Renders what an event is about: a person with the role, workspace or group, or the object's name.
fn subject(view: &View, event: &Value, names: Option<&EventNames>) -> Markup {
    let object = body(event);
    let of = object.some("user_id").map(|id| (id, names.map_or(id, |names| names.people.get(id))));
    let noun = event.text("type").split('.').next().unwrap_or_default();
    let person = if noun == "user" { object.some("id").zip(object.some("name")) } else { of };
    let place = object.some("workspace_id");
    let place = place.map(|id| names.map_or(id, |names| names.workspaces.get(id)));
    let group = object.some("group_id");
    let group = group.map(|id| names.map_or(id, |names| names.groups.get(id)));
    let other = object.some("name").or(object.some("/evidence/summary"));
    html! {
        @match person {
            Some((id, name)) if names.is_some() => a.strong href=(view.href(&format!("/people/{}", segment(id)), &[])) { (name) },
            Some((_, name)) => strong { (name) },
            None => @if let Some(name) = other { strong { (name) } },
        }
        @if let Some(role) = object.some("role_name") { ": " (role) }
        @if let Some(place) = place { " in " (place) }
        @if let Some(group) = group { " in the group " (group) }
    }
}

fn origin(name: &str) -> &'static str {
    match name {
        "gateway" => "made by Switchboard",
        "provider_event" => "reported by the provider",
        "audit_log" => "found in the provider's audit log",
        _ => "found by the sync",
    }
}
