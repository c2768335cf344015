//! Faults: those that wait, and a form for one more.

use maud::{Markup, html};
use serde::Deserialize;

use crate::sandbox::{Fault, FaultKind, FaultStatus, Sandbox};

/// The kinds, each with its name in a form and in words.
const KINDS: &[(FaultKind, &str, &str)] = &[
    (FaultKind::Latency, "latency", "a late answer"),
    (FaultKind::RateLimited, "rate_limited", "429, come again later"),
    (FaultKind::ServerError, "server_error", "500, nothing done"),
    (FaultKind::Html, "html", "503 with a page in HTML"),
    (FaultKind::Refused, "refused", "a code of your choice"),
    (FaultKind::CutBody, "cut_body", "done, half an answer"),
    (FaultKind::LostAnswer, "lost_answer", "done, no answer"),
    (FaultKind::Timeout, "timeout", "nothing for long"),
];

/// What a form of the card asks for.
#[derive(Debug, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub(in crate::sandbox::api) enum Order {
    /// One more fault.
    Add {
        /// The methods it hits; blank for all.
        method: String,
        /// What goes wrong.
        kind: FaultKind,
        /// How many calls it hits; blank for one.
        count: String,
        /// How long it takes; blank for the usual time.
        seconds: String,
        /// The code of a refusal; blank for the usual one.
        #[serde(default)]
        error: String,
    },
    /// No more faults.
    Clear,
}

impl Order {
    /// Does it.
    pub(super) fn carry_out(self, sandbox: &Sandbox) {
        match self {
            Self::Clear => sandbox.clear_faults(),
            Self::Add { method, kind, count, seconds, error } => {
                let method = Some(method.trim().to_owned()).filter(|method| !method.is_empty());
                let (count, seconds) = (count.trim().parse().ok(), seconds.trim().parse().ok());
                let error = Some(error.trim().to_owned()).filter(|error| !error.is_empty());
                sandbox.add_fault(Fault { method, count, seconds, error, ..Fault::every(kind) });
            }
        }
    }
}

/// The card.
pub(super) fn card(faults: &[FaultStatus]) -> Markup {
    html! {
        @if faults.is_empty() { p class="soft" { "Nothing: every call is answered as it should be." } }
        @for status in faults { (waiting(status)) }
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
                div { label for="error" { "Code" } input id="error" name="error" placeholder="of a refusal"; }
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

fn waiting(status: &FaultStatus) -> Markup {
    let words = KINDS.iter().find(|(kind, _, _)| *kind == status.fault.kind);
    html! {
        div class="fault" {
            span {
                (words.map_or("", |(_, _, words)| words)) " on "
                code { (status.fault.method.as_deref().unwrap_or("all methods")) }
            }
            span class="pill odd" {
                @if let Some(part) = status.fault.probability { "chance " (part) " · " }
                @if let Some(count) = status.fault.count { (count) " left · " }
                "hit " (status.hits)
            }
        }
    }
}
