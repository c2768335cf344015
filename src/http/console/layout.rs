//! The frame of the console: head, navigation, messages, and the security headers of every page.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, html};
use serde_json::Value;

use super::context::Console;
use super::json::Fields as _;
use super::messages::message;
use super::parts::{Tone, badge};
use super::view::{Page, PageError, PageResult};
use crate::http::html_page::ICON;
use crate::http::problem::Problem;

/// Content security policy: nothing inline, nothing from elsewhere; the branding is previewed in a frame.
const CSP: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; \
    frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// An entry of the navigation.
struct Entry {
    path: &'static str,
    label: &'static str,
    /// Whether only a key with `admin` sees it.
    is_admin: bool,
}

const fn entry(path: &'static str, label: &'static str) -> Entry {
    Entry { path, label, is_admin: false }
}

const fn admin(path: &'static str, label: &'static str) -> Entry {
    Entry { path, label, is_admin: true }
}

/// The navigation: groups with their entries.
const NAVIGATION: [(&str, &[Entry]); 3] = [
    (
        "Customer",
        &[
            entry("", "Overview"),
            entry("/directory", "Directory"),
            entry("/roles", "Roles"),
            entry("/access-review", "Access review"),
            entry("/drift", "Drift"),
            entry("/reconciliations", "Reconciliations"),
            entry("/syncs", "Syncs"),
        ],
    ),
    ("Deliver", &[entry("/events", "Events"), admin("/webhooks", "Webhooks")]),
    (
        "Operate",
        &[
            entry("/accounts", "Accounts"),
            entry("/policies", "Policies"),
            entry("/rule-sets", "Rule sets"),
            entry("/budgets", "Provider budgets"),
            admin("/audit-log", "Audit log"),
            admin("/keys", "Keys"),
            admin("/sessions", "Sessions"),
            entry("/environment", "Environment"),
        ],
    ),
];

/// Returns a page within the frame, or the page of a problem.
pub(super) fn respond(console: &Console, result: PageResult) -> Response {
    let (status, page) = match result {
        Ok(page) => (StatusCode::OK, page),
        Err(PageError::NoAccount) => (StatusCode::OK, no_account(console)),
        Err(PageError::Refused(status, page)) => (status, *page),
        Err(PageError::Failure(failure)) => {
            (failure.status, problem_page(&failure.problem, Some(&console.view.href("", &[]))))
        }
    };
    let body = html! {
        a.skip href="#content" { "Skip to content" }
        div.shell {
            header.side {
                a.home href=(console.view.href("", &[])) { "Switchboard" }
                p.environment { span.quiet { "Environment " } strong { (console.environment) } }
                (account_switch(console))
                details.menu {
                    summary { "Menu" }
                    (navigation(console))
                }
            }
            main #content tabindex="-1" {
                (flash(console))
                @if !console.view.may.administer {
                    p.notice role="note" { "Read-only: the key of this session does not have the scope " code { "admin" } "." }
                }
                (heading(&page))
                (page.body)
            }
        }
    };
    html_response(status, &document(&page.title, &body))
}

fn heading(page: &Page) -> Markup {
    html! {
        div.heading {
            div { h1 { (page.title) } p.lead { (page.lead) } }
            div.actions { (page.actions) }
        }
    }
}

fn navigation(console: &Console) -> Markup {
    let may = console.view.may.administer;
    html! {
        nav aria-label="Console" {
            @for (group, entries) in NAVIGATION {
                h2 { (group) }
                ul {
                    @for entry in entries.iter().filter(|entry| may || !entry.is_admin) {
                        li { (link(console, entry)) }
                    }
                }
            }
        }
        div.who {
            p { span.quiet { "Signed in with " } strong { (console.key_name) } }
            form method="post" action="/console/sign-out" {
                (console.view.csrf_field())
                button.plain type="submit" { "Sign out" }
            }
        }
    }
}

fn link(console: &Console, entry: &Entry) -> Markup {
    let own = console.path.strip_prefix("/console").unwrap_or_default();
    let own = if own.starts_with("/people/") { "/directory" } else { own };
    let is_current = if entry.path.is_empty() {
        matches!(own, "" | "/")
    } else {
        own.strip_prefix(entry.path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let (count, what) = attention(console, entry.path);
    html! {
        a href=(console.view.href(entry.path, &[])) aria-current=[is_current.then_some("page")] {
            span { (entry.label) }
            @if count > 0 { " " (badge(Tone::Bad, &count.to_string())) span.hidden { " " (what) } }
        }
    }
}

/// Returns how much needs attention on a page, and what it is.
fn attention(console: &Console, path: &str) -> (i64, &'static str) {
    match path {
        "/drift" => (console.counts.open, "open violations"),
        "/reconciliations" => {
            let counts = &console.counts;
            (counts.plans + counts.failed_plans, "plans to approve or that failed")
        }
        "/syncs" => (console.counts.held, "held runs"),
        "/accounts" => (console.counts.needs_reauth, "accounts to connect again"),
        "/webhooks" => (console.counts.failing_webhooks, "failing webhooks"),
        _ => (0, ""),
    }
}

/// Renders the selection of the account. Without the script it has a button.
fn account_switch(console: &Console) -> Markup {
    let selected = console.view.account.as_ref();
    let is_listed = selected.is_none_or(|selected| {
        let id = selected.id.text();
        console.accounts.iter().any(|one| one.text("id") == id)
    });
    html! {
        @if let Some(selected) = selected {
            form.switch method="get" action=(switch_target(&console.path)) data-auto {
                label for="account" { "Account" }
                select #account name="account" {
                    @if !is_listed { (account_option(&selected.value, true)) }
                    @for one in &console.accounts {
                        (account_option(one, one.text("id") == selected.id.text()))
                    }
                }
                button type="submit" { "Switch" }
            }
        }
    }
}

/// Returns the page that shows another account: this one, unless it is about one object of the account.
fn switch_target(path: &str) -> String {
    let own = path.strip_prefix("/console/").unwrap_or_default();
    let first = own.split('/').next().unwrap_or_default();
    let first = if first == "people" { "directory" } else { first };
    if first.is_empty() { "/console".to_owned() } else { format!("/console/{first}") }
}

fn account_option(account: &Value, is_selected: bool) -> Markup {
    html! {
        option value=(account.text("id")) selected[is_selected] {
            (account.text("tenant_id")) " · " (account.text("/organization/name"))
            @if account.text("status") != "active" { " (" (account.text("status").replace('_', " ")) ")" }
        }
    }
}

fn flash(console: &Console) -> Markup {
    let text = console.view.query.get("done").and_then(message);
    html! { @if let Some(text) = text { p.flash role="status" { (text) } } }
}

fn no_account(console: &Console) -> Page {
    let may = console.view.may.administer;
    Page {
        title: "No customer is connected".to_owned(),
        body: html! {
            div.card {
                p { "This page shows the directory of a customer, and this environment has no account yet." }
                @if may { p { a.button.primary href="/console/accounts/connect" { "Connect a customer" } } }
            }
        },
        ..Page::default()
    }
}

/// Renders the page of a problem of the API.
pub(in crate::http) fn problem_page(problem: &Value, home: Option<&str>) -> Page {
    Page {
        title: problem.some("title").unwrap_or("Internal error").to_owned(),
        body: html! {
            div.card role="alert" {
                p { (problem.text("detail")) }
                @if !problem.list("errors").is_empty() {
                    ul {
                        @for error in problem.list("errors") {
                            li { @if let Some(place) = error.some("pointer") { code { (place) } " " } (error.text("message")) }
                        }
                    }
                }
                @if let Some(fix) = problem.some("/provider/fix") { p { (fix) } }
                @if let Some(seconds) = problem.field("retry_after_s").as_i64() {
                    p { "Try again in " (seconds) " s." }
                }
                @if let Some(id) = problem.some("request_id") { p.quiet { "Request " code { (id) } } }
                @if let Some(home) = home { p { a href=(home) { "Overview" } } }
            }
        },
        ..Page::default()
    }
}

/// Returns a page without the navigation, for browsers that are not signed in.
pub(in crate::http) fn bare(status: StatusCode, title: &str, content: &Markup) -> Response {
    let body =
        html! { main.alone #content { p.eyebrow { "Switchboard" } h1 { (title) } (content) } };
    html_response(status, &document(title, &body))
}

/// Returns the page of an error before the session is known.
pub(super) fn bare_error(error: PageError) -> Response {
    let (status, problem) = match error {
        PageError::Failure(failure) => (failure.status, failure.problem),
        PageError::NoAccount | PageError::Refused(..) => (StatusCode::NOT_FOUND, Value::Null),
    };
    let page = problem_page(&problem, Some("/console"));
    bare(status, &page.title, &page.body)
}

/// Returns the page of a problem before the session is known.
pub(super) fn bare_problem(problem: Problem) -> Response {
    bare_error(problem.into())
}

/// Renders a whole document.
pub(in crate::http) fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · Switchboard" }
                link rel="icon" href=(ICON);
                link rel="stylesheet" href="/console/console.css";
                script src="/console/console.js" defer {}
            }
            body { (body) }
        }
    }
}

fn html_response(status: StatusCode, document: &Markup) -> Response {
    let mut response = (status, Html(document.clone().into_string())).into_response();
    let headers = response.headers_mut();
    protect(headers);
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    response
}

/// Adds the headers of every page with data. Browsers send `Origin` with forms only if the page has a referrer.
pub(in crate::http) fn protect(headers: &mut HeaderMap) {
    let opener = HeaderName::from_static("cross-origin-opener-policy");
    headers.insert(opener, HeaderValue::from_static("same-origin"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
}
