//! The home page at `/`: counters, request log, audit log, events and faults of the sandbox.

mod activity;
mod faults;
mod requests;

use axum::Form;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use time::OffsetDateTime;

use self::faults::FaultForm;
use super::style::{header_line, layout, tile};
use crate::sandbox::Sandbox;
use crate::sandbox::org::GridOrganization;

/// Maximum number of workspaces shown.
const MAX_WORKSPACES: usize = 50;
/// Maximum number of rows shown of each list.
const MAX_ROWS: usize = 40;

/// Shows the home page.
pub(in crate::sandbox::api) fn show_page(
    State(sandbox): State<Sandbox>,
) -> std::future::Ready<Response> {
    let log = sandbox.requests(None);
    let body = html! {
        (header_line("Slack sandbox", Some(("/", "Refresh"))))
        (summary(&sandbox))
        div class="columns" {
            div {
                div class="card" { h2 { "Latest requests" } (requests::newest(&log)) }
                div class="card" { h2 { "Audit log" } (activity::audit(&sandbox)) }
                div class="card" { h2 { "Workspaces" } (sandbox.with_org(workspaces)) }
            }
            div {
                div class="card" { h2 { "Fault injection" } (faults::card(&sandbox.faults())) }
                div class="card" { h2 { "Requests by method" } (requests::by_method(&log)) }
                div class="card" { h2 { "Event deliveries" } (activity::events(&sandbox)) }
                (endpoints())
            }
        }
    };
    let page = layout("Slack sandbox", "wide", &body);
    std::future::ready(Html(page.into_string()).into_response())
}

/// Applies a form of the page and redirects back to it.
pub(in crate::sandbox::api) fn submit_fault_form(
    State(sandbox): State<Sandbox>,
    Form(order): Form<FaultForm>,
) -> std::future::Ready<Response> {
    order.apply(&sandbox);
    std::future::ready(Redirect::to("/").into_response())
}

fn summary(sandbox: &Sandbox) -> Markup {
    let state = sandbox.stats();
    let (name, id) = sandbox.with_org(|org| (org.name.clone(), org.id.clone()));
    let apps = sandbox.apps();
    let apps: Vec<&str> = apps.iter().map(|app| app.name.as_str()).collect();
    let limits = if sandbox.limits_enabled() { "on" } else { "off" };
    let deactivated = state.users - state.active_users;
    html! {
        div class="card" {
            div class="hero" { (tile(&name, "large org")) div {
                h1 { (name) }
                p class="soft" {
                    "Organization " code { (id) } " · seed " (sandbox.options().seed)
                    " · apps: " (apps.join(", ")) " · rate limits " (limits) ", refilled "
                    (sandbox.options().time_scale) " times as fast as Slack's · the provider's clock: "
                    (state.now.date()) " " (time_of_day(state.now)) " UTC"
                }
            } }
            div class="figures" {
                div { b { (state.users) } "accounts" }
                div { b { (deactivated) } "deactivated" }
                div { b { (state.workspaces) } "workspaces" }
                div { b { (state.role_assignments) } "role assignments" }
                div { b { (state.groups) } "groups" }
                div { b { (state.tokens_issued) } "tokens issued" }
                div { b { (state.refreshes) } "refreshes" }
            }
        }
    }
}

fn workspaces(org: &GridOrganization) -> Markup {
    html! {
        div class="scroll" { table {
            tr { th { "Name" } th { "Id" } th { "Domain" } th { "Discoverability" } th class="n" { "Members" } }
            @for workspace in org.workspaces.iter().take(MAX_WORKSPACES) {
                tr {
                    td { (workspace.name) }
                    td { code { (workspace.id) } }
                    td { (workspace.domain) }
                    td { (workspace.discoverability.as_str()) }
                    td class="n" { (workspace.members.len()) }
                }
            }
        } }
    }
}

fn endpoints() -> Markup {
    let endpoints = [
        ("/api/METHOD", "Web API"),
        ("/scim/v1, /scim/v2", "SCIM"),
        ("/audit/v1/logs", "audit logs"),
        ("/oauth/v2/authorize", "consent"),
        ("/_sandbox/state, /reset, /advance-clock", "state and clock"),
        ("/_sandbox/requests, /faults, /limits", "request log, faults, rate limits"),
        ("/_sandbox/apps", "app settings"),
        ("/_sandbox/event-subscriptions, /event-deliveries, /event-faults", "Events API"),
        ("/_sandbox/audit-log, /churn", "audit log delay, generated changes"),
    ];
    html! {
        div class="card" {
            h2 { "Endpoints" }
            table { @for (path, what) in endpoints { tr { td { code { (path) } } td { (what) } } } }
        }
    }
}

/// Formats the time of day.
fn time_of_day(at: OffsetDateTime) -> String {
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}
