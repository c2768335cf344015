//! Steps of plans as a diff: what a person gets, keeps with another value, or loses, with the reason and the outcome.

use maud::{Markup, html};
use serde_json::Value;

use super::super::format::{count, number, span, words};
use super::super::json::Fields as _;
use super::super::names::Names;
use super::super::parts::{Tone, status};
use super::super::view::View;
use super::timeline::shown;
use crate::http::html_page::prose;
use crate::http::internal_api::segment;

/// Fields of a new person that the sentence says already.
const SAID: [&str; 6] = ["name", "email", "emails", "username", "workspaces", "roles"];

/// Renders steps; `workspaces` are the names of those that they refer to.
pub(super) fn render(view: &View, steps: &[Value], workspaces: &Names) -> Markup {
    html! { ol.steps { @for step in steps { (item(view, step, workspaces)) } } }
}

fn item(view: &View, step: &Value, workspaces: &Names) -> Markup {
    let outcome = step.text("outcome");
    let why_not = step.some("detail").or(step.some("skipped"));
    let (tone, mark, meaning) = sign(step);
    html! {
        li {
            span class={ "sign " (tone.class()) } { span aria-hidden="true" { (mark) } span.hidden { (meaning) } }
            div {
                @if tone == Tone::Quiet { (status("skipped")) " " }
                @else if !matches!(outcome, "" | "pending") { (status(outcome)) " " }
                (subject(view, step)) " " (sentence(step, workspaces))
                @if let Some(reason) = step.some("reason") { span.quiet { " · " (prose(reason)) } }
                @if let Some(why) = why_not { p class=(if tone == Tone::Quiet { "quiet" } else { "why" }) { (prose(why)) } }
            }
            span.quiet.calls { (calls(step)) }
        }
    }
}

fn calls(step: &Value) -> String {
    if step.text("outcome") == "skipped" || step.some("skipped").is_some() {
        return String::new();
    }
    let calls = step.field("provider_calls").as_i64();
    calls.map(|calls| count(calls, "call", "calls")).unwrap_or_default()
}

/// Returns the meaning of a step: its tone, its mark, and the text of the mark.
fn sign(step: &Value) -> (Tone, &'static str, &'static str) {
    let kind = step.text("/operation/type");
    let is_skipped = step.text("outcome") == "skipped" || step.some("skipped").is_some();
    let is_change = matches!(kind, "user.update" | "user.expire")
        || (kind == "role_assignment.grant" && !step.field("/before/role").is_null());
    match (is_skipped, step.flag("is_removal"), is_change) {
        (true, ..) => (Tone::Quiet, "·", "skipped: "),
        (_, true, _) => (Tone::Bad, "−", "loses: "),
        (_, _, true) => (Tone::Warn, "~", "changes: "),
        _ => (Tone::Good, "+", "gets: "),
    }
}

fn subject(view: &View, step: &Value) -> Markup {
    let subject = step.field("subject");
    let name = subject.some("name").unwrap_or_else(|| subject.text("key"));
    let is_person = !step.text("/operation/type").starts_with("workspace.");
    let page = subject.some("id").filter(|_| is_person && view.base == "/console");
    html! {
        @if let Some(id) = page { a.strong href=(view.href(&format!("/people/{}", segment(id)), &[])) { (name) } }
        @else { strong { (name) } }
    }
}

fn sentence(step: &Value, workspaces: &Names) -> Markup {
    let (operation, before, after) =
        (step.field("operation"), step.field("before"), step.field("after"));
    let place = |one: &Value| {
        let id = one.some("workspace_id").map(|id| workspaces.get(id).to_owned());
        html! { @if let Some(name) = id { " in " (name) } @else { " in the organization" } }
    };
    html! {
        @match operation.text("type") {
            "workspace.create" => { "workspace is " ins { "created" } },
            "user.create" => (creation(after, workspaces)),
            "user.update" => (values(before, after)),
            "user.deactivate" => { "is " span.lost { "deactivated" } },
            "user.expire" => { "loses access in " span.lost { (count(operation.int("in_days"), "day", "days")) } },
            "workspace_member.add" => { "joins workspace " ins { (object(after, "workspace", operation.text("workspace_id"))) } },
            "workspace_member.remove" => { "leaves workspace " del { (object(before, "workspace", operation.text("workspace_id"))) } },
            "group_member.add" => { "joins group " ins { (object(after, "group", operation.text("group_id"))) } },
            "group_member.remove" => { "leaves group " del { (object(before, "group", operation.text("group_id"))) } },
            "role_assignment.grant" => {
                "role "
                @if !before.field("role").is_null() { del { span.hidden { "before: " } (object(before, "role", "")) } " → " }
                ins { span.hidden { "after: " } (object(after, "role", operation.text("role_id"))) } (place(operation))
            },
            "role_assignment.revoke" => { "is no longer " del { (object(before, "role", operation.text("role_id"))) } (place(operation)) },
            other => (words(other)),
        }
    }
}

/// Returns the name of an object that a step has, otherwise its id.
fn object<'s>(values: &'s Value, kind: &str, id: &'s str) -> &'s str {
    let one = values.field(kind);
    one.some("name").or(one.some("id")).unwrap_or(id)
}

/// Renders the fields that change.
fn values(before: &Value, after: &Value) -> Markup {
    let fields = after.as_object();
    html! {
        @for (place, (name, value)) in fields.into_iter().flatten().enumerate() {
            @if place > 0 { ", " }
            (words(name)) " "
            del { span.hidden { "before: " } (shown(before.field(name))) } " → " ins { span.hidden { "after: " } (shown(value)) }
        }
    }
}

fn creation(user: &Value, workspaces: &Names) -> Markup {
    let fields = user.as_object().into_iter().flatten();
    let others = fields.filter(|(name, _)| !SAID.contains(&name.as_str()));
    let names = |list: &str| -> Vec<String> {
        let ids = user.list(list).iter().map(|one| one.some("id").or(one.as_str()));
        ids.flatten().map(|id| workspaces.get(id).to_owned()).collect()
    };
    let (places, roles) = (names("workspaces"), names("roles"));
    html! {
        "is " ins { "created" }
        @if !places.is_empty() { " in " (places.join(", ")) }
        @if !roles.is_empty() { " with " (roles.join(", ")) }
        @for (name, value) in others { ", " (words(name)) " " ins { (shown(value)) } }
    }
}

/// Renders a number of the plan in a tile.
fn tile(value: &str, what: &str, tone: Option<Tone>) -> Markup {
    html! {
        div.tile {
            strong class=[tone.map(Tone::class)] { (value) }
            span.quiet { (what) }
        }
    }
}

/// Renders the numbers of a plan.
pub(super) fn tiles(plan: &Value) -> Markup {
    let (summary, limit) = (plan.field("summary"), plan.field("removals"));
    let lost = summary.int("deactivate") + summary.int("remove");
    let removals = limit.field("removals").as_i64().unwrap_or(lost);
    let allowed = limit.field("allowed").as_i64();
    let removed = allowed.map_or_else(
        || "removals".to_owned(),
        |allowed| format!("removals (limit {})", number(allowed)),
    );
    let calls = count(plan.int("provider_calls"), "call", "calls");
    let eta = plan.field("eta_s").as_i64().map(time::Duration::seconds);
    let eta = eta.map_or_else(|| "–".to_owned(), |eta| format!("≈ {}", span(eta)));
    html! {
        div.tiles.numbers {
            (tile(&number(summary.int("create")), "created", None))
            (tile(&number(summary.int("update")), "people changed", None))
            (tile(&number(summary.int("add")), "added to workspaces, roles, groups", None))
            (tile(&number(removals), &removed, (removals > 0).then_some(Tone::Bad)))
            @if summary.int("skip") > 0 { (tile(&number(summary.int("skip")), "skipped, each with its reason", None)) }
            (tile(&eta, &format!("{calls}, within the provider's limits"), None))
        }
    }
}
