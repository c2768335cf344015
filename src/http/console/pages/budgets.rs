//! Rate limits at the provider: how much of each budget is left, as bars.

use maud::{Markup, html};

use super::super::format::{count, number, span};
use super::super::json::Fields as _;
use super::super::parts::{empty, table};
use super::super::svg::meter;
use super::super::view::{Page, PageResult, View};
use crate::http::state::Services;
use crate::limit::BucketStatus;

/// Shows the page.
pub(in crate::http) fn show(view: &View, services: &Services) -> PageResult {
    let account = view.selected()?;
    let value = &account.value;
    let id = account.id.text();
    let organization =
        if value.some("base_url").is_some() { &id } else { value.text("/organization/id") };
    let app = value.some("provider_app_id").and_then(|id| id.parse().ok());
    let mut statuses = services.limiter.statuses_of(organization, app);
    statuses.sort_by_key(|one| std::cmp::Reverse(used(one) * 1_000 / capacity(one).max(1)));
    let known = i64::try_from(statuses.len()).unwrap_or_default();
    let stats = services.limiter.stats();
    let waiting = i64::try_from(stats.waiting).unwrap_or_default();
    let lead = html! { (count(known, "budget", "budgets")) " known · " (count(waiting, "call waits", "calls wait")) " for a permit, of all accounts" };
    let body = html! {
        div.card {
            @if statuses.is_empty() {
                (empty("Every budget is full", &html! { "This process has sent no call for this organization recently. A budget refills within a minute, and is listed here while it is not full." }))
            } @else { (bars(&statuses)) }
            p.quiet {
                "As this process knows them, the lowest first. "
                @match stats.redis_connected {
                    Some(true) => "Budgets are shared with the other gateways through Redis.",
                    Some(false) => "Redis is not reachable: this gateway uses its own share of each budget.",
                    None => "This gateway does not share its budgets with others.",
                }
            }
        }
    };
    Ok(Page { title: "Provider budgets".to_owned(), lead, body, ..Page::default() })
}

fn bars(statuses: &[BucketStatus]) -> Markup {
    let rows = html! {
        @for one in statuses {
            tr {
                th scope="row" { code { (one.name) } }
                td { (meter(used(one), capacity(one), &format!("{} of {} calls left", one.remaining, capacity(one)))) }
                td { (number(one.remaining.into())) " of " (number(capacity(one).into())) }
                td { (number(one.quota.into())) " a minute" }
                td { @if one.reset.is_zero() { "full" } @else { "full in " (span(time::Duration::try_from(one.reset).unwrap_or_default().max(time::Duration::SECOND))) } }
            }
        }
    };
    table("Table of budgets", &["Method", "Used", "Calls left now", "Rate", "Refill"], &rows)
}

/// Returns the calls that a budget has not regained yet.
fn used(status: &BucketStatus) -> u32 {
    let calls = status.reset.as_secs_f64() * f64::from(status.quota) / 60.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let calls = calls.ceil() as u32;
    calls
}

/// Returns the calls of a full budget.
fn capacity(status: &BucketStatus) -> u32 {
    status.remaining.saturating_add(used(status))
}
