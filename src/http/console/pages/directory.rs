//! The directory: people of the synced copy, searched while typing, filtered, sorted, at any time of the history.

use maud::{Markup, html};
use serde_json::Value;

use super::super::format::{count, number, utc};
use super::super::json::Fields as _;
use super::super::names::{HeldRoles, Names};
use super::super::parts::{Tone, badge, empty, options, pager, select};
use super::super::view::{Page, PageError, PageResult, View};
use crate::http::internal_api::ApiFailure;

/// The filters in the URL.
const FILTERS: [&str; 8] =
    ["search", "status", "user_type", "role", "workspace", "department", "sort", "as_of"];
/// People on a page.
const LIMIT: &str = "50";
/// Workspaces of a person that are named.
const NAMED_WORKSPACES: usize = 2;

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let account = view.account_id()?;
    let roles = HeldRoles::of(view).await?;
    let workspaces = Names::workspaces(view).await?;
    let list = read(view, &account).await;
    let body = html! {
        div.card {
            (filters(view, &roles, &workspaces))
            div #results aria-live="polite" {
                @match &list {
                    Ok(list) => (results(view, list, &roles)),
                    Err(failure) => (not_available(view, failure)),
                }
            }
        }
    };
    let lead = list.as_ref().map(|list| lead(view, list)).unwrap_or_default();
    let actions = html! {
        @if view.base == "/console" { a.button href=(view.href("/access-review.csv", &[])) download { "Export access as CSV" } }
    };
    Ok(Page { title: "Directory".to_owned(), lead, actions, body })
}

async fn read(view: &View, account: &str) -> Result<Value, ApiFailure> {
    let as_of = view.query.get("as_of").map(as_time);
    let query = |name| view.query.get(name).unwrap_or_default();
    // A search is sorted by rank.
    let default_sort = if query("search").is_empty() { "name" } else { "" };
    let parameters = [
        ("integrated_account_id", account),
        ("source", "synced"),
        ("limit", LIMIT),
        ("include_total", "true"),
        ("search", query("search")),
        ("status", query("status")),
        ("user_type", query("user_type")),
        ("role[id]", query("role")),
        ("workspace[id]", query("workspace")),
        ("department", query("department")),
        ("sort", view.query.get("sort").unwrap_or(default_sort)),
        ("as_of", as_of.as_deref().unwrap_or_default()),
        ("next_cursor", query("cursor")),
    ];
    let present: Vec<_> = parameters.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    view.api.get("/users", &present).await
}

/// Returns the time of an input `datetime-local`, which has no zone: UTC.
pub(in crate::http) fn as_time(input: &str) -> String {
    match input.len() {
        16 => format!("{input}:00Z"),
        19 => format!("{input}Z"),
        _ => input.to_owned(),
    }
}

fn lead(view: &View, list: &Value) -> Markup {
    let total = list.field("total_count").as_i64();
    let is_filtered = FILTERS.iter().any(|name| view.query.get(name).is_some());
    let (one, many) =
        if is_filtered { ("person matches", "people match") } else { ("person", "people") };
    html! {
        @if let Some(at) = list.time("synced_at") {
            @if view.query.get("as_of").is_some() { "As it was at " (utc(at)) }
            @else { span.dot aria-hidden="true" {} "Synced " (view.now.short(Some(at), "")) }
        }
        @if let Some(total) = total { " · " (count(total, one, many)) }
    }
}

fn filters(view: &View, roles: &HeldRoles, workspaces: &Names) -> Markup {
    let get = |name| view.query.get(name);
    let statuses =
        options(&[("active", "Active"), ("inactive", "Deactivated"), ("invited", "Invited")]);
    let types = options(&[
        ("member", "Members"),
        ("guest_multi_channel", "Multi-channel guests"),
        ("guest_single_channel", "Single-channel guests"),
        ("bot", "Bots"),
    ]);
    let sorts = options(&[
        ("email", "E-mail"),
        ("-updated_at", "Changed last"),
        ("-last_activity_at", "Active last"),
        ("last_activity_at", "Inactive longest"),
    ]);
    html! {
        form.filters method="get" action=(view.href("/directory", &[])) role="search" data-live-form="results" {
            (view.account_field())
            label.field.grow {
                span { "Search" }
                input type="search" name="search" value=[get("search")] placeholder="Name, e-mail, handle, title" autocomplete="off";
            }
            (select(("status", "Status"), Some("Any status"), &statuses, get("status")))
            (select(("user_type", "Type"), Some("Any type"), &types, get("user_type")))
            (select(("role", "Role"), Some("Any role"), &roles.options(), get("role")))
            (select(("workspace", "Workspace"), Some("Any workspace"), &workspaces.options(), get("workspace")))
            label.field { span { "Department" } input type="text" name="department" value=[get("department")]; }
            (select(("sort", "Sort"), Some("Name, or rank of a search"), &sorts, get("sort")))
            label.field { span { "As of (UTC)" } input type="datetime-local" name="as_of" value=[get("as_of")]; }
            button type="submit" { "Apply" }
            @if FILTERS.iter().any(|name| get(name).is_some()) { a href=(view.href("/directory", &[])) { "Clear" } }
        }
    }
}

fn results(view: &View, list: &Value, roles: &HeldRoles) -> Markup {
    let people = list.list("result");
    html! {
        @if people.is_empty() {
            (empty("No match", &html! { "No person of the copy has all of these properties. Remove a filter, or search for the beginning of a name." }))
        } @else {
            table.cards {
                caption.hidden { "People" }
                thead { tr {
                    th scope="col" { "Person" } th scope="col" { "Title, department" } th scope="col" { "Roles" }
                    th scope="col" { "Workspaces" } th scope="col" { "Last active" }
                } }
                tbody { @for person in people { (row(view, person, roles)) } }
            }
            (pager(view, "/directory", &FILTERS, list))
        }
    }
}

fn row(view: &View, person: &Value, roles: &HeldRoles) -> Markup {
    let mut path = String::from("/people/");
    path.push_str(&crate::http::internal_api::segment(person.text("id")));
    html! {
        tr {
            td {
                a.strong href=(view.href_with(&path, &["as_of"], &[])) { (name_of(person)) } " " (state(view, person))
                div.quiet { (email_of(person)) }
            }
            td data-label="Title" { (person.text("title")) div.quiet { (person.text("department")) } }
            td data-label="Roles" { (role_badges(person, roles)) }
            td data-label="Workspaces" { (workspace_names(person)) }
            td data-label="Last active" { (view.now.short(person.time("last_activity_at"), "unknown")) }
        }
    }
}

/// Returns the name of a person, or what else identifies it.
pub(in crate::http) fn name_of(person: &Value) -> &str {
    let some = [person.some("name"), person.some("username"), person.some("id")];
    some.into_iter().flatten().next().unwrap_or_default()
}

/// Returns the primary e-mail address.
pub(in crate::http) fn email_of(person: &Value) -> &str {
    let emails = person.list("emails");
    let primary = emails.iter().find(|email| email.flag("is_primary")).or(emails.first());
    primary.map(|email| email.text("email")).unwrap_or_default()
}

/// Renders the state of a person, if it is not an active member.
pub(in crate::http) fn state(view: &View, person: &Value) -> Markup {
    let kind = match person.text("user_type") {
        "guest_multi_channel" | "guest_single_channel" => "guest",
        "bot" => "bot",
        _ => "",
    };
    html! {
        @match person.text("status") {
            "active" => {},
            "inactive" => (badge(Tone::Quiet, "deactivated")),
            other => (badge(Tone::Warn, other)),
        }
        @if !kind.is_empty() {
            @match person.time("expires_at") {
                Some(end) => (badge(Tone::Warn, &format!("{kind}, ends {}", view.now.age(end)))),
                None => (badge(if kind == "guest" { Tone::Warn } else { Tone::Quiet }, kind)),
            }
        }
    }
}

fn role_badges(person: &Value, roles: &HeldRoles) -> Markup {
    let (privileged, other): (Vec<_>, Vec<_>) =
        person.list("roles").iter().partition(|role| roles.is_privileged(role.text("id")));
    let mut names: Vec<&str> = privileged.iter().map(|role| role.text("name")).collect();
    names.dedup();
    html! {
        @for name in &names { (badge(Tone::Bad, name)) " " }
        @if names.is_empty() {
            @match other.first() {
                Some(role) => span.quiet { (role.text("name")) },
                None => span.quiet { "none" },
            }
        }
    }
}

fn workspace_names(person: &Value) -> Markup {
    let names: Vec<&str> = person
        .list("workspaces")
        .iter()
        .map(|one| one.some("name").unwrap_or_else(|| one.text("id")))
        .collect();
    let shown: Vec<&str> = names.iter().copied().take(NAMED_WORKSPACES).collect();
    let more = i64::try_from(names.len() - shown.len()).unwrap_or_default();
    html! {
        @if names.is_empty() { span.quiet { "none" } }
        (shown.join(", "))
        @if more > 0 { ", +" (number(more)) }
    }
}

/// Renders why the copy cannot be read, in place of the list.
pub(in crate::http) fn not_available(view: &View, failure: &ApiFailure) -> Markup {
    let problem = &failure.problem;
    html! {
        div.empty role="alert" {
            p { strong { (problem.some("title").unwrap_or("Not available")) } }
            p { (problem.text("detail")) }
            @for error in problem.list("errors") { p { code { (error.text("pointer")) } " " (error.text("message")) } }
            @if problem.text("type").ends_with("/not_synced") {
                p { "The pages of a customer read the synced copy of the directory. " a href=(view.href("/syncs", &[])) { "Request a run of the sync" } "." }
            }
        }
    }
}

/// Returns the person of the copy.
pub(in crate::http) async fn find(view: &View, id: &str) -> Result<Value, PageError> {
    let account = view.account_id()?;
    let as_of = view.query.get("as_of").map(as_time).unwrap_or_default();
    let path = format!("/users/{}", crate::http::internal_api::segment(id));
    let mut query = vec![("integrated_account_id", account.as_str()), ("source", "synced")];
    if !as_of.is_empty() {
        query.push(("as_of", &as_of));
    }
    Ok(view.api.get(&path, &query).await?)
}
