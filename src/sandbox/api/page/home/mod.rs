//! The page at `/`: what this sandbox is, what has been going on in it, and what is to go wrong.

mod calls;
mod faults;
mod happenings;

use axum::Form;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Redirect, Response};
use maud::{Markup, html};
use time::OffsetDateTime;

use self::faults::Order;
use super::style::{brand, frame, tile};
use crate::sandbox::Sandbox;
use crate::sandbox::org::Organization;

/// So many workspaces are listed.
const WORKSPACES: usize = 50;
/// So many of the newest rows of a list are shown.
const ROWS: usize = 40;

/// The page.
pub(in crate::sandbox::api) fn show_page(
    State(sandbox): State<Sandbox>,
) -> std::future::Ready<Response> {
    let journal = sandbox.requests(None);
    let body = html! {
        (brand("Slack sandbox", Some(("/", "Refresh"))))
        (figures(&sandbox))
        div class="columns" {
            div {
                div class="card" { h2 { "Newest calls" } (calls::newest(&journal)) }
                div class="card" { h2 { "Audit log" } (happenings::audit(&sandbox)) }
                div class="card" { h2 { "Workspaces" } (sandbox.with_org(workspaces)) }
            }
            div {
                div class="card" { h2 { "What is to go wrong" } (faults::card(&sandbox.faults())) }
                div class="card" { h2 { "Calls by method" } (calls::by_method(&journal)) }
                div class="card" { h2 { "Events sent to apps" } (happenings::events(&sandbox)) }
                (hints())
            }
        }
    };
    let page = frame("Slack sandbox", "wide", &body);
    std::future::ready(Html(page.into_string()).into_response())
}

/// Does what a form of the page asks for, and shows the page again.
pub(in crate::sandbox::api) fn obey(
    State(sandbox): State<Sandbox>,
    Form(order): Form<Order>,
) -> std::future::Ready<Response> {
    order.carry_out(&sandbox);
    std::future::ready(Redirect::to("/").into_response())
}

fn figures(sandbox: &Sandbox) -> Markup {
    let state = sandbox.state();
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
                    " · apps: " (apps.join(", ")) " · limits " (limits) ", refilling "
                    (sandbox.options().time_scale) " times as fast as Slack's · the provider's clock: "
                    (state.now.date()) " " (clock(state.now)) " UTC"
                }
            } }
            div class="figures" {
                div { b { (state.users) } "accounts" }
                div { b { (deactivated) } "deactivated" }
                div { b { (state.workspaces) } "workspaces" }
                div { b { (state.role_assignments) } "roles given" }
                div { b { (state.groups) } "groups" }
                div { b { (state.tokens_issued) } "tokens issued" }
                div { b { (state.refreshes) } "refreshes" }
            }
        }
    }
}

fn workspaces(org: &Organization) -> Markup {
    html! {
        div class="scroll" { table {
            tr { th { "Name" } th { "Id" } th { "Domain" } th { "Who may enter" } th class="n" { "Members" } }
            @for workspace in org.workspaces.iter().take(WORKSPACES) {
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

fn hints() -> Markup {
    let doors = [
        ("/api/METHOD", "Web API"),
        ("/scim/v1, /scim/v2", "SCIM"),
        ("/audit/v1/logs", "audit logs"),
        ("/oauth/v2/authorize", "consent"),
        ("/_sandbox/state, /reset, /advance-clock", "figures, and time"),
        ("/_sandbox/requests, /faults, /limits", "calls, and trouble"),
        ("/_sandbox/apps", "apps and their settings"),
        ("/_sandbox/event-subscriptions, /event-deliveries", "the Events API"),
    ];
    html! {
        div class="card" {
            h2 { "Where things are" }
            table { @for (path, what) in doors { tr { td { code { (path) } } td { (what) } } } }
        }
    }
}

/// A moment's time of day.
fn clock(at: OffsetDateTime) -> String {
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}
