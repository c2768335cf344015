//! The request log on the home page.

use maud::{Markup, html};

use super::{MAX_ROWS, time_of_day};
use crate::sandbox::{RecordedRequest, RequestLogView};

/// Renders the newest requests, newest first.
pub(super) fn newest(log: &RequestLogView) -> Markup {
    html! {
        @if log.requests.is_empty() { p class="soft" { "None yet." } }
        @else {
            div class="scroll" { table {
                tr { th { "Time" } th { "Method" } th { "Status" } th { "Account" } }
                @for request in log.requests.iter().rev().take(MAX_ROWS) {
                    tr {
                        td class="t" { (time_of_day(request.at)) }
                        td { code { (request.method) } }
                        td { (status_cell(request)) }
                        td { code { (request.account.as_deref().unwrap_or("—")) } }
                    }
                }
            } }
        }
    }
}

/// Renders a status with its error code.
fn status_cell(request: &RecordedRequest) -> Markup {
    let class = match (request.status, &request.error) {
        (400.., _) => "pill bad",
        (_, Some(_)) => "pill odd",
        (_, None) => "pill",
    };
    html! {
        span class=(class) { (request.status) }
        @if let Some(error) = &request.error { " " code { (error) } }
    }
}

/// Renders the number of requests by method.
pub(super) fn by_method(log: &RequestLogView) -> Markup {
    html! {
        @if log.counts.is_empty() { p class="soft" { "None yet." } }
        @else {
            div class="scroll" { table {
                tr { th { "Method" } th class="n" { "Calls" } th class="n" { "Throttled" } }
                @for (method, count) in &log.counts {
                    @let throttled = log.throttled.get(method).copied().unwrap_or(0);
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
