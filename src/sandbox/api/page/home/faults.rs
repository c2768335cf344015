//! The faults card of the home page: pending faults and a form to add one.

use maud::{Markup, html};
use serde::Deserialize;

use crate::sandbox::{Fault, FaultKind, FaultStatus, Sandbox};

/// Fault kinds with form value and label.
const KINDS: &[(FaultKind, &str, &str)] = &[
    (FaultKind::Latency, "latency", "delayed response"),
    (FaultKind::RateLimited, "rate_limited", "429 with Retry-After"),
    (FaultKind::ServerError, "server_error", "500, not processed"),
    (FaultKind::Html, "html", "503 with an HTML page"),
    (FaultKind::Refused, "refused", "error code of your choice"),
    (FaultKind::CutBody, "cut_body", "processed, half the response"),
    (FaultKind::LostResponse, "lost_response", "processed, no response"),
    (FaultKind::Timeout, "timeout", "no response, then 504"),
];

/// Forms of the faults card.
#[derive(Debug, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(in crate::sandbox::api) enum FaultForm {
    /// Adds a fault.
    Add {
        /// Affected methods; blank for all.
        method: String,
        /// Effect.
        kind: FaultKind,
        /// Number of calls; blank for one.
        count: String,
        /// Delay in seconds; blank for the default.
        seconds: String,
        /// Error code of a `refused` fault; blank for the default.
        #[serde(default)]
        error: String,
    },
    /// Removes all faults.
    Clear,
}

impl FaultForm {
    /// Applies the form to the sandbox.
    pub(super) fn apply(self, sandbox: &Sandbox) {
        match self {
            Self::Clear => sandbox.clear_faults(),
            Self::Add { method, kind, count, seconds, error } => {
                let method = Some(method.trim().to_owned()).filter(|method| !method.is_empty());
                let (count, seconds) = (count.trim().parse().ok(), seconds.trim().parse().ok());
                let error = Some(error.trim().to_owned()).filter(|error| !error.is_empty());
                sandbox.add_fault(Fault {
                    method,
                    count,
                    seconds,
                    error,
                    ..Fault::for_every_call(kind)
                });
            }
        }
    }
}

/// Renders the card.
pub(super) fn card(faults: &[FaultStatus]) -> Markup {
    html! {
        @if faults.is_empty() { p class="soft" { "No faults configured." } }
        @for status in faults { (pending_fault(status)) }
        form method="post" action="/" {
            div class="row" {
                div { label for="kind" { "Kind" } select id="kind" name="kind" {
                    @for (_, name, words) in KINDS { option value=(name) { (words) } }
                } }
                div { label for="method" { "Method" } input id="method" name="method" placeholder="all, or scim.*"; }
            }
            div class="row" {
                div { label for="count" { "Calls" } input id="count" name="count" type="number" min="1" placeholder="1"; }
                div { label for="seconds" { "Seconds" } input id="seconds" name="seconds" type="number" min="0" step="any"; }
                div { label for="error" { "Code" } input id="error" name="error" placeholder="for refused"; }
                button type="submit" name="order" value="add" class="main" { "Add" }
            }
        }
        @if !faults.is_empty() {
            form method="post" action="/" class="buttons" {
                button type="submit" name="order" value="clear" { "Clear all" }
            }
        }
    }
}

fn pending_fault(status: &FaultStatus) -> Markup {
    let words = KINDS.iter().find(|(kind, _, _)| *kind == status.fault.kind);
    html! {
        div class="fault" {
            span {
                (words.map_or("", |(_, _, words)| words)) " on "
                code { (status.fault.method.as_deref().unwrap_or("all methods")) }
            }
            span class="pill odd" {
                @if let Some(part) = status.fault.probability { "probability " (part) " · " }
                @if let Some(count) = status.fault.count { (count) " left · " }
                "hit " (status.hits)
            }
        }
    }
}
