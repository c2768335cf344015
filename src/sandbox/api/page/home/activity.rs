//! Audit log and event deliveries on the home page.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::{MAX_ROWS, time_of_day};
use crate::sandbox::audit::{AuditLogEntry, AuditLogQuery};
use crate::sandbox::{Delivery, Sandbox};

/// Renders the newest audit log entries, newest first.
pub(super) fn audit(sandbox: &Sandbox) -> Markup {
    let (entries, _) = sandbox
        .with_change_log(|history| history.audit_page(&AuditLogQuery::default(), None, MAX_ROWS));
    html! {
        @if entries.is_empty() { p class="soft" { "No changes yet." } }
        @else {
            div class="scroll" { table {
                tr { th { "Time" } th { "Action" } th { "Entity" } th { "Actor" } th { "Location" } }
                @for (_, entry) in &entries { (audit_row(entry)) }
            } }
        }
    }
}

fn audit_row(entry: &AuditLogEntry) -> Markup {
    let at = OffsetDateTime::from_unix_timestamp(entry.at).map(time_of_day).unwrap_or_default();
    html! {
        tr {
            td class="t" { (at) }
            td { code { (entry.action) } }
            td { (entry.entity.name()) }
            td { (entry.actor.as_ref().map_or("Slack", |user| user.name.as_str())) }
            td { (entry.location.name()) }
        }
    }
}

/// Renders the subscriptions and the newest delivery attempts, newest first.
pub(super) fn events(sandbox: &Sandbox) -> Markup {
    let subscriptions = sandbox.subscriptions();
    let view = sandbox.deliveries();
    html! {
        @for one in &subscriptions {
            p { code { (one.app_id) } " receives " (one.events.len()) " event types at " code { (one.url) } }
        }
        @if subscriptions.is_empty() {
            p class="soft" {
                "No subscriptions. " code { "POST /_sandbox/event-subscriptions {\"url\"}" }
                " adds one."
            }
        }
        @if view.waiting > 0 { p class="soft" { (view.waiting) " queued." } }
        @if !view.deliveries.is_empty() {
            div class="scroll" { table {
                tr { th { "Time" } th { "Event" } th { "Result" } }
                @for delivery in view.deliveries.iter().rev().take(MAX_ROWS) { (delivery_row(delivery)) }
            } }
        }
    }
}

fn delivery_row(delivery: &Delivery) -> Markup {
    html! {
        tr {
            td class="t" { (time_of_day(delivery.at)) }
            td {
                code { (delivery.kind) }
                @if delivery.retry_num > 0 { " " span class="pill odd" { "retry " (delivery.retry_num) } }
            }
            td {
                @if let Some(error) = &delivery.error { span class="pill bad" { (error) } }
                @else { span class="pill" { "delivered" } }
            }
        }
    }
}
