//! Changes of privileged roles: who was granted or lost which, where, when and by whom.

use maud::{Markup, html};
use serde_json::Value;
use time::Duration;

use super::super::json::Fields as _;
use super::super::names::Names;
use super::super::parts::{Tone, badge, empty, options, select};
use super::super::view::{Page, PageError, PageResult, View};
use super::timeline::{actor, body};
use crate::domain::sync::CopyKind;
use crate::http::internal_api::segment;
use crate::store::RoleEventPage;

/// Changes on a page.
const LIMIT: i64 = 50;
/// The period if none is selected, in days.
const DEFAULT_DAYS: i64 = 7;

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let days = view.query.get("days").and_then(|days| days.parse().ok());
    let days = days.filter(|days| (1..=30).contains(days)).unwrap_or(DEFAULT_DAYS);
    let before = view.query.get("before").and_then(|before| before.parse().ok());
    let changes = RoleChanges::read(view, days, before, LIMIT).await?;
    let periods = options(&[("1", "24 hours"), ("7", "7 days"), ("30", "30 days")]);
    let is_full = i64::try_from(changes.events.len()).is_ok_and(|length| length == LIMIT);
    let older = changes.last.filter(|_| is_full).map(|last| last.to_string());
    let body = html! {
        div.card {
            form.filters method="get" action=(view.href("/roles/changes", &[])) data-auto {
                (view.account_field())
                (select(("days", "Within"), None, &periods, Some(&days.to_string())))
                button type="submit" { "Apply" }
            }
            (changes.render(view))
            nav.pager aria-label="Pages" {
                @if before.is_some() { a href=(view.href_with("/roles/changes", &["days"], &[])) { "Newest" } }
                @if let Some(last) = older { a rel="next" href=(view.href_with("/roles/changes", &["days"], &[("before", &last)])) { "Older" } }
            }
        }
    };
    let lead = html! { "Granted and revoked, as the copy of the directory shows it. Events are stored for 30 days." };
    Ok(Page { title: "Changes of privileged roles".to_owned(), lead, body, ..Page::default() })
}

/// Changes of privileged roles, newest first.
pub(in crate::http) struct RoleChanges {
    events: Vec<Value>,
    /// The position of the oldest one.
    last: Option<i64>,
    days: i64,
    people: Names,
    workspaces: Names,
}

impl RoleChanges {
    /// Reads up to `limit` changes of the last days, before a position.
    pub(in crate::http) async fn read(
        view: &View,
        days: i64,
        before: Option<i64>,
        limit: i64,
    ) -> Result<Self, PageError> {
        let account_id = view.selected()?.id;
        let since = view.time() - Duration::days(days);
        let page = RoleEventPage { account_id, since, before, limit };
        let positions = view.db.privileged_role_events(page).await?;
        let events = view.db.events_at(&positions).await?;
        let last = events.first().map(|(position, _)| *position);
        let events: Vec<Value> =
            events.iter().rev().filter_map(|(_, event)| serde_json::to_value(event).ok()).collect();
        let bodies: Vec<&Value> = events.iter().map(body).collect();
        let people = Names::in_field(view, (CopyKind::User, "user_id"), &bodies).await?;
        let workspaces = (CopyKind::Workspace, "workspace_id");
        let workspaces = Names::in_field(view, workspaces, &bodies).await?;
        Ok(Self { events, last, days, people, workspaces })
    }

    /// Renders them.
    pub(in crate::http) fn render(&self, view: &View) -> Markup {
        html! {
            @if self.events.is_empty() {
                (empty("No changes of privileged roles", &html! { "No privileged role was granted or revoked within the last " (self.days) " days, as far as the copy knows." }))
            } @else {
                ul.feed { @for event in &self.events { (self.row(view, event)) } }
            }
        }
    }

    fn row(&self, view: &View, event: &Value) -> Markup {
        let (held, is_gain) = (body(event), event.text("type").ends_with(".granted"));
        let id = held.text("user_id");
        html! {
            li {
                (if is_gain { badge(Tone::Bad, "+ granted") } else { badge(Tone::Quiet, "− revoked") }) " "
                a.strong href=(view.href(&format!("/people/{}", segment(id)), &[])) { (self.people.get(id)) }
                (if is_gain { " became " } else { " is no longer " }) strong { (held.text("role_name")) }
                @if let Some(place) = held.some("workspace_id") { " in " (self.workspaces.get(place)) }
                div.quiet { (view.now.when_or(event.time("occurred_at"), "")) " · " (actor(event.field("actor"))) }
            }
        }
    }
}
