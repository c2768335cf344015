//! The audit log and the events, as the page shows them.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::{ROWS, clock};
use crate::sandbox::audit::{Entry, Wanted};
use crate::sandbox::{Delivery, Sandbox};

/// The newest entries of the audit log, newest first.
pub(super) fn audit(sandbox: &Sandbox) -> Markup {
    let (entries, _) =
        sandbox.with_history(|history| history.audit(&Wanted::default(), None, ROWS));
    html! {
        @if entries.is_empty() { p class="soft" { "Nothing has been changed yet." } }
        @else {
            div class="scroll" { table {
                tr { th { "At" } th { "Action" } th { "To" } th { "By" } th { "In" } }
                @for (_, entry) in &entries { (line(entry)) }
            } }
        }
    }
}

fn line(entry: &Entry) -> Markup {
    let at = OffsetDateTime::from_unix_timestamp(entry.at).map(clock).unwrap_or_default();
    html! {
        tr {
            td class="t" { (at) }
            td { code { (entry.action) } }
            td { (entry.entity.name()) }
            td { (entry.actor.as_ref().map_or("Slack", |face| face.name.as_str())) }
            td { (entry.place.name()) }
        }
    }
}

/// The subscriptions, and the newest attempts to deliver, newest first.
pub(super) fn events(sandbox: &Sandbox) -> Markup {
    let subscriptions = sandbox.subscriptions();
    let view = sandbox.deliveries();
    html! {
        @for one in &subscriptions {
            p { code { (one.app_id) } " hears " (one.events.len()) " kinds at " code { (one.url) } }
        }
        @if subscriptions.is_empty() {
            p class="soft" {
                "No app listens. " code { "POST /_sandbox/event-subscriptions {\"url\"}" }
                " subscribes one."
            }
        }
        @if view.waiting > 0 { p class="soft" { (view.waiting) " wait to be sent." } }
        @if !view.deliveries.is_empty() {
            div class="scroll" { table {
                tr { th { "At" } th { "Event" } th { "Answer" } }
                @for delivery in view.deliveries.iter().rev().take(ROWS) { (attempt(delivery)) }
            } }
        }
    }
}

fn attempt(delivery: &Delivery) -> Markup {
    html! {
        tr {
            td class="t" { (clock(delivery.at)) }
            td {
                code { (delivery.kind) }
                @if delivery.retry_num > 0 { " " span class="pill odd" { "retry " (delivery.retry_num) } }
            }
            td {
                @if let Some(error) = &delivery.error { span class="pill bad" { (error) } }
                @else { span class="pill" { "taken" } }
            }
        }
    }
}
