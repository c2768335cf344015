//! The history of a person as sentences: what changed, before and after, when and by whom.

use maud::{Markup, html};
use serde_json::Value;
use time::Duration;

use super::super::format::{count, words};
use super::super::json::Fields as _;
use super::super::names::Names;
use super::super::parts::{Tone, badge};
use super::super::view::{PageError, View};
use crate::domain::sync::CopyKind;

/// The maximum length of a value that is shown, in characters.
const MAX_VALUE_CHARS: usize = 80;

/// Access that is found within this time of the person was found by the same run.
const FIRST_SIGHT: Duration = Duration::minutes(2);

/// The names that the entries of a history refer to.
pub(in crate::http) struct HistoryNames {
    workspaces: Names,
    groups: Names,
}

impl HistoryNames {
    /// Reads the names.
    pub(in crate::http) async fn of(view: &View, entries: &[Value]) -> Result<Self, PageError> {
        let bodies: Vec<&Value> = entries.iter().map(body).collect();
        let workspaces = (CopyKind::Workspace, "workspace_id");
        Ok(Self {
            workspaces: Names::in_field(view, workspaces, &bodies).await?,
            groups: Names::in_field(view, (CopyKind::Group, "group_id"), &bodies).await?,
        })
    }
}

/// Renders entries of a history, newest first.
pub(in crate::http) fn render(view: &View, entries: &[Value], names: &HistoryNames) -> Markup {
    let first = first_seen(entries);
    html! {
        ol.timeline {
            @for entry in entries.iter().filter(|entry| !is_of_first_sight(entry, first)) {
                li {
                    p.what { (sentence(entry, names)) @if Some(entry) == first { (found_with(entries, entry)) } }
                    p.quiet { (view.now.when_or(entry.time("occurred_at").or(entry.time("at")), "")) " · " (actor(entry.field("actor"))) }
                }
            }
        }
    }
}

/// Returns the entry with which the person appeared.
fn first_seen(entries: &[Value]) -> Option<&Value> {
    entries.iter().find(|entry| entry.text("kind") == "user" && entry.text("change") == "created")
}

/// Whether an entry belongs to the appearance of the person: access that was found at the same time.
fn is_of_first_sight(entry: &Value, first: Option<&Value>) -> bool {
    let Some((at, seen)) = first.and_then(|first| first.time("at")).zip(entry.time("at")) else {
        return false;
    };
    entry.text("kind") != "user"
        && entry.text("change") == "created"
        && entry.field("actor").is_null()
        && (seen - at).abs() < FIRST_SIGHT
}

/// Renders the access that was found with the person.
fn found_with(entries: &[Value], first: &Value) -> Markup {
    let of = |kind: &str| {
        let found = entries.iter().filter(|one| is_of_first_sight(one, Some(first)));
        i64::try_from(found.filter(|one| one.text("kind") == kind).count()).unwrap_or_default()
    };
    html! {
        div { "with " (count(of("role_assignment"), "role", "roles")) ", " (count(of("workspace_member"), "workspace", "workspaces")) " and " (count(of("group_member"), "group", "groups")) }
    }
}

/// Returns the object of a change, or what it was before it was removed.
pub(in crate::http) fn body(entry: &Value) -> &Value {
    if entry.field("object").is_null() { entry.field("previous") } else { entry.field("object") }
}

fn sentence(entry: &Value, names: &HistoryNames) -> Markup {
    let (object, is_gone) = (body(entry), entry.text("change") == "removed");
    let workspace = object.some("workspace_id").map(|id| names.workspaces.get(id));
    html! {
        @match (entry.text("kind"), entry.text("change")) {
            ("role_assignment", _) => {
                strong { (if is_gone { "Lost the role " } else { "Got the role " }) (object.text("role_name")) }
                @if let Some(workspace) = workspace { " in " (workspace) }
                @if object.flag("is_privileged") { " " (badge(Tone::Bad, "privileged")) }
            }
            ("workspace_member", _) => { strong { (if is_gone { "Left workspace " } else { "Joined workspace " }) (workspace.unwrap_or_default()) } },
            ("group_member", _) => { strong { (if is_gone { "Left group " } else { "Joined group " }) (names.groups.get(object.text("group_id"))) } },
            (_, "created") => { strong { "First seen in the directory" } },
            (_, "removed") => { strong { "Removed from the directory" } },
            _ => (changes(entry.field("previous"), object)),
        }
    }
}

/// Renders the fields that changed, with the values before and after.
pub(in crate::http) fn changes(previous: &Value, object: &Value) -> Markup {
    let fields = previous.as_object().into_iter().flatten();
    html! {
        @for (name, before) in fields {
            div.change {
                strong { (title(name)) } " "
                del { span.hidden { "before: " } (shown(before)) } " → " ins { span.hidden { "after: " } (shown(object.field(name))) }
            }
        }
    }
}

fn title(name: &str) -> String {
    let text = words(name);
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Returns a value for people, of limited length.
pub(in crate::http) fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => "none".to_owned(),
        Value::String(text) if text.is_empty() => "empty".to_owned(),
        Value::String(text) => text.clone(),
        Value::Object(_) if value.some("name").is_some() => value.text("name").to_owned(),
        Value::Bool(flag) => (if *flag { "yes" } else { "no" }).to_owned(),
        Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    };
    let short: String = text.chars().take(MAX_VALUE_CHARS).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// Renders who made a change.
pub(in crate::http) fn actor(actor: &Value) -> Markup {
    let name = actor.some("name").or(actor.some("id"));
    html! {
        @match (actor.text("type"), name) {
            ("gateway", Some(name)) => { "by Switchboard, " (name) },
            ("gateway", None) => "by Switchboard",
            (_, Some(name)) => { "by " (name) @if let Some(app) = actor.some("/app/name") { " with " (app) } },
            (_, None) => "actor unknown",
        }
    }
}
