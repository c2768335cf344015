//! The journal, as the page shows it.

use maud::{Markup, html};

use super::{ROWS, clock};
use crate::sandbox::{Request, Requests};

/// The newest calls, newest first.
pub(super) fn newest(journal: &Requests) -> Markup {
    html! {
        @if journal.requests.is_empty() { p class="soft" { "None yet." } }
        @else {
            div class="scroll" { table {
                tr { th { "At" } th { "Method" } th { "Answer" } th { "Who" } }
                @for call in journal.requests.iter().rev().take(ROWS) {
                    tr {
                        td class="t" { (clock(call.at)) }
                        td { code { (call.method) } }
                        td { (answer(call)) }
                        td { code { (call.account.as_deref().unwrap_or("—")) } }
                    }
                }
            } }
        }
    }
}

/// A status, and what it means.
fn answer(call: &Request) -> Markup {
    let class = match (call.status, &call.error) {
        (400.., _) => "pill bad",
        (_, Some(_)) => "pill odd",
        (_, None) => "pill",
    };
    html! {
        span class=(class) { (call.status) }
        @if let Some(error) = &call.error { " " code { (error) } }
    }
}

/// How often each method was called.
pub(super) fn by_method(journal: &Requests) -> Markup {
    html! {
        @if journal.counts.is_empty() { p class="soft" { "None yet." } }
        @else {
            div class="scroll" { table {
                tr { th { "Method" } th class="n" { "Calls" } th class="n" { "Throttled" } }
                @for (method, count) in &journal.counts {
                    @let throttled = journal.throttled.get(method).copied().unwrap_or(0);
                    tr {
                        td { code { (method) } }
                        td class="n" { (count) }
                        td class="n" {
                            @if throttled > 0 { span class="pill bad" { (throttled) } } @else { "0" }
                        }
                    }
                }
            } }
        }
    }
}
