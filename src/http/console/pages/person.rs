//! A person: roles, workspaces and groups on one side, the history on the other.

use maud::{Markup, html};
use serde_json::Value;

use super::super::format::count;
use super::super::json::Fields as _;
use super::super::names::{HeldRoles, Names};
use super::super::parts::{Confirmation, Tone, badge, confirm, empty, facts};
use super::super::view::{Page, PageResult, View};
use super::directory::{email_of, find, name_of, not_available, state};
use super::timeline::{self, HistoryNames};
use crate::domain::sync::CopyKind;
use crate::http::internal_api::segment;

/// Entries of the history.
const HISTORY: &str = "50";

/// Shows the page.
pub(in crate::http) async fn show(view: &View, id: &str) -> PageResult {
    let response = find(view, id).await?;
    let person = response.field("result");
    let roles = HeldRoles::of(view).await?;
    let manager = person.some("/manager/id").map(|id| vec![id]).unwrap_or_default();
    let managers = Names::of(view, CopyKind::User, &manager).await?;
    let account = view.account_id()?;
    let path = format!("/users/{}/history", segment(id));
    let query = [("integrated_account_id", account.as_str()), ("limit", HISTORY)];
    let history = view.api.get(&path, &query).await;
    let past = match &history {
        Ok(history) => {
            let entries = history.list("result");
            let names = HistoryNames::of(view, entries).await?;
            html! {
                @if entries.is_empty() { (empty("No changes", &html! { "Nothing changed since the first sync of this account." })) }
                @else { (timeline::render(view, entries, &names)) }
            }
        }
        Err(failure) => not_available(view, failure),
    };
    let body = html! {
        div.columns {
            section.card aria-labelledby="now" { h2 #now { "Now" } (profile(view, person, &roles, &managers)) }
            section.card aria-labelledby="history" { h2 #history { "History" } (past) }
        }
    };
    let lead = html! {
        (state(view, person)) " " (email_of(person))
        @if let Some(at) = response.time("synced_at") { " · synced " (view.now.short(Some(at), "")) }
    };
    let may_deactivate = view.may.administer
        && person.text("status") == "active"
        && view.query.get("as_of").is_none();
    let actions = html! { @if may_deactivate { (deactivation(view, person)) } };
    Ok(Page { title: name_of(person).to_owned(), lead, actions, body })
}

fn profile(view: &View, person: &Value, roles: &HeldRoles, managers: &Names) -> Markup {
    let text = |name: &str| html! { (person.some(name).unwrap_or("–")) };
    facts(&[
        ("Title", text("title")),
        ("Department", text("department")),
        ("Roles", role_list(person, roles)),
        ("Workspaces", names(person.list("workspaces"))),
        ("Groups", names(person.list("groups"))),
        ("Manager", manager(view, person, managers)),
        ("Two-factor authentication", flag(person.field("is_2fa_enabled"))),
        ("Single sign-on", flag(person.field("is_sso_enabled"))),
        (
            "Last active",
            view.now.when_or(person.time("last_activity_at"), "unknown to the provider"),
        ),
        ("Created", view.now.when_or(person.time("created_at"), "unknown to the provider")),
        ("Username", text("username")),
        ("Employee number", text("employee_number")),
        ("Id", html! { code { (person.text("id")) } }),
    ])
}

fn manager(view: &View, person: &Value, managers: &Names) -> Markup {
    html! {
        @match person.some("/manager/id") {
            Some(id) => a href=(view.href(&format!("/people/{}", segment(id)), &[])) { (managers.get(id)) },
            None => span.quiet { "none" },
        }
    }
}

fn flag(value: &Value) -> Markup {
    match value.as_bool() {
        Some(true) => badge(Tone::Good, "on"),
        Some(false) => badge(Tone::Warn, "off"),
        None => html! { span.quiet { "unknown to the provider" } },
    }
}

fn role_list(person: &Value, roles: &HeldRoles) -> Markup {
    let place = |role: &Value| {
        let id = role.text("workspace_id").to_owned();
        let workspaces = person.list("workspaces").iter();
        let named = workspaces.into_iter().find(|one| one.text("id") == id);
        named.and_then(|one| one.some("name")).map_or(id, str::to_owned)
    };
    html! {
        @if person.list("roles").is_empty() { span.quiet { "none" } }
        ul.plain {
            @for role in person.list("roles") {
                li {
                    @if roles.is_privileged(role.text("id")) { (badge(Tone::Bad, role.text("name"))) } @else { (role.text("name")) }
                    @if role.some("workspace_id").is_some() { span.quiet { " in " (place(role)) } }
                }
            }
        }
    }
}

fn names(list: &[Value]) -> Markup {
    let names: Vec<&str> =
        list.iter().map(|one| one.some("name").unwrap_or_else(|| one.text("id"))).collect();
    html! { @if names.is_empty() { span.quiet { "none" } } @else { (names.join(", ")) } }
}

fn deactivation(view: &View, person: &Value) -> Markup {
    let lost = |name, one, many| {
        count(i64::try_from(person.list(name).len()).unwrap_or_default(), one, many)
    };
    confirm(
        view,
        &Confirmation {
            label: "Deactivate…",
            action: view.href(&format!("/people/{}/deactivate", segment(person.text("id"))), &[]),
            warning: html! {
                p { strong { "1 person" } " can no longer sign in: " (name_of(person)) " loses " (lost("roles", "role", "roles")) " and " (lost("workspaces", "workspace", "workspaces")) "." }
                p { "The provider may not give roles and memberships back when the person is reactivated." }
            },
            fields: html! { label.check { input type="checkbox" name="sign_out" value="true"; " End the sessions of the person now" } },
            button: "Deactivate 1 person",
            is_dangerous: true,
        },
    )
}
