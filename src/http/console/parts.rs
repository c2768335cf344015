//! Parts of pages: badges, tables, selections, confirmations, pagers.

use maud::{Markup, html};
use serde_json::Value;

use super::json::Fields as _;
use super::view::View;

/// The meaning of a color. The text beside it says the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Tone {
    /// Gained, healthy.
    Good,
    /// Power is held or lost, something failed.
    Bad,
    /// Needs attention.
    Warn,
    /// Under way.
    Info,
    /// Neither.
    Quiet,
}

impl Tone {
    /// Returns the class.
    pub(in crate::http) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Quiet => "muted",
        }
    }

    /// Returns the tone of a status of the API.
    pub(in crate::http) fn of_status(status: &str) -> Self {
        match status {
            "active" | "succeeded" | "resolved" | "applied" | "done" | "answered" => Self::Good,
            "needs_reauth" | "failed" | "critical" | "refused" => Self::Bad,
            "held" | "partial" | "warning" | "open" | "invited" | "partially_applied"
            | "paused" | "conflict" => Self::Warn,
            "running" | "queued" | "pending" | "started" | "planning" | "planned" | "applying" => {
                Self::Info
            }
            _ => Self::Quiet,
        }
    }
}

/// Renders a badge.
pub(in crate::http) fn badge(tone: Tone, text: &str) -> Markup {
    html! { span class={ "badge " (tone.class()) } { (text) } }
}

/// Renders a status of the API as a badge.
pub(in crate::http) fn status(name: &str) -> Markup {
    badge(Tone::of_status(name), &name.replace('_', " "))
}

/// Renders the place of a list without rows: what is absent, and why.
pub(in crate::http) fn empty(title: &str, why: &Markup) -> Markup {
    html! { div.empty { p { strong { (title) } } p { (why) } } }
}

/// Renders a table within a region that scrolls and can be focused.
pub(in crate::http) fn table(label: &str, head: &[&str], rows: &Markup) -> Markup {
    html! {
        div.scroll role="region" aria-label=(label) tabindex="0" {
            table {
                thead { tr { @for title in head { th scope="col" { (title) } } } }
                tbody { (rows) }
            }
        }
    }
}

/// Renders terms with their values.
pub(in crate::http) fn facts(rows: &[(&str, Markup)]) -> Markup {
    html! {
        dl.facts { @for (term, value) in rows { div { dt { (term) } dd { (value) } } } }
    }
}

/// Renders a labelled selection. The first option selects everything.
pub(in crate::http) fn select(
    (name, label): (&str, &str),
    all: Option<&str>,
    options: &[(String, String)],
    selected: Option<&str>,
) -> Markup {
    html! {
        label.field {
            span { (label) }
            select name=(name) {
                @if let Some(all) = all { option value="" { (all) } }
                @for (value, text) in options {
                    option value=(value) selected[Some(value.as_str()) == selected] { (text) }
                }
            }
        }
    }
}

/// Returns options whose values are names of the API.
pub(in crate::http) fn options(names: &[(&str, &str)]) -> Vec<(String, String)> {
    names.iter().map(|(value, text)| ((*value).to_owned(), (*text).to_owned())).collect()
}

/// A change that is confirmed before it is made.
pub(in crate::http) struct Confirmation<'a> {
    /// The text of the button that opens it; it ends in `…`.
    pub(in crate::http) label: &'a str,
    /// The URL of the change.
    pub(in crate::http) action: String,
    /// What happens, to how many, and what cannot be undone.
    pub(in crate::http) warning: Markup,
    /// Further fields.
    pub(in crate::http) fields: Markup,
    /// The text of the button that makes the change.
    pub(in crate::http) button: &'a str,
    /// Whether people lose something.
    pub(in crate::http) is_dangerous: bool,
}

/// Renders a button that asks before the change. It works without the script.
pub(in crate::http) fn confirm(view: &View, change: &Confirmation<'_>) -> Markup {
    let class = if change.is_dangerous { "button danger" } else { "button" };
    html! {
        details.confirm {
            summary class=(class) { (change.label) }
            form.panel method="post" action=(change.action) {
                (view.csrf_field())
                (change.warning)
                (change.fields)
                button.danger[change.is_dangerous].primary[!change.is_dangerous] type="submit" { (change.button) }
            }
        }
    }
}

/// Renders a button that changes something that can be undone.
pub(in crate::http) fn button(view: &View, action: &str, label: &str) -> Markup {
    html! {
        form.inline method="post" action=(action) {
            (view.csrf_field())
            button type="submit" { (label) }
        }
    }
}

/// Renders the links to the first and the next page of a list. `retained` are the filters.
pub(in crate::http) fn pager(view: &View, path: &str, retained: &[&str], list: &Value) -> Markup {
    let next = list
        .some("next_cursor")
        .map(|cursor| view.href_with(path, retained, &[("cursor", cursor)]));
    html! {
        @if next.is_some() || view.query.get("cursor").is_some() {
            nav.pager aria-label="Pages" {
                @if view.query.get("cursor").is_some() {
                    a href=(view.href_with(path, retained, &[])) { "First page" }
                }
                @if let Some(next) = next { a rel="next" href=(next) { "Next page" } }
            }
        }
    }
}

/// Renders a value with a button that copies it; the button needs the script.
pub(in crate::http) fn copyable(id: &str, label: &str, text: &str) -> Markup {
    html! {
        div.copyable {
            label for=(id) { (label) }
            div.row {
                input id=(id) type="text" readonly value=(text);
                button type="button" data-copy=(id) hidden { "Copy" }
            }
        }
    }
}
