//! The page at `/`: what this sandbox is and what has been going on in it.

use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use maud::{Markup, html};

use super::style::{brand, frame};
use crate::sandbox::faults::FaultStatus;
use crate::sandbox::org::Organization;
use crate::sandbox::{Requests, Sandbox};

/// So many workspaces are listed.
const WORKSPACES: usize = 50;

/// The page.
pub(in crate::sandbox::api) fn show_page(
    State(sandbox): State<Sandbox>,
) -> std::future::Ready<Response> {
    let journal = sandbox.requests(None);
    let faults = sandbox.faults();
    let body = html! {
        (brand("Slack sandbox"))
        (figures(&sandbox))
        div class="card" { h2 { "Workspaces" } (sandbox.with_org(workspaces)) }
        div class="card" { h2 { "Calls" } (calls(&journal)) }
        div class="card" { h2 { "Faults that wait" } (fault_list(&faults)) }
        (hints())
    };
    let page = frame("Slack sandbox", "wide", &body);
    std::future::ready(Html(page.into_string()).into_response())
}

fn figures(sandbox: &Sandbox) -> Markup {
    let state = sandbox.state();
    let (name, id) = sandbox.with_org(|org| (org.name.clone(), org.id.clone()));
    let limits = if sandbox.limits_enabled() { "on" } else { "off" };
    html! {
        div class="card" {
            h1 { (name) }
            p class="soft" {
                "Organization " code { (id) } ", seed " (sandbox.options().seed)
                ". Apps: " (sandbox.app_names().join(", ")) ". Limits are " (limits)
                ", refilling " (sandbox.options().time_scale) " times as fast as Slack's. "
                "The provider's clock shows " (state.now) "."
            }
            div class="figures" {
                div { b { (state.users) } "accounts" }
                div { b { (state.active_users) } "active" }
                div { b { (state.workspaces) } "workspaces" }
                div { b { (state.role_assignments) } "system roles given" }
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

fn calls(journal: &Requests) -> Markup {
    html! {
        @if journal.counts.is_empty() { p class="soft" { "None yet." } }
        @else {
            div class="scroll" { table {
                tr { th { "Method" } th class="n" { "Calls" } th class="n" { "Throttled" } }
                @for (method, count) in &journal.counts {
                    @let throttled = journal.throttled.get(method).copied().unwrap_or(0);
                    tr {
                        td { code { (method) } }
                        td class="n" { (count) }
                        td class="n" { span class=[(throttled > 0).then_some("bad")] { (throttled) } }
                    }
                }
            } }
        }
    }
}

fn fault_list(faults: &[FaultStatus]) -> Markup {
    html! {
        @if faults.is_empty() { p class="soft" { "None." } }
        @for status in faults {
            p {
                code { "#" (status.id) } " " (format!("{:?}", status.fault.kind)) " on "
                code { (status.fault.method.as_deref().unwrap_or("all methods")) }
                @if let Some(count) = status.fault.count { ", " (count) " more times" }
                @if let Some(part) = status.fault.probability { ", with probability " (part) }
                ", hit " (status.hits) " calls so far"
            }
        }
    }
}

fn hints() -> Markup {
    html! {
        div class="card" {
            h2 { "Where things are" }
            p { code { "/api/METHOD" } " Web API · " code { "/scim/v1" } ", " code { "/scim/v2" }
                " SCIM · " code { "/oauth/v2/authorize" } " consent" }
            p { code { "/_sandbox/state" } " · " code { "reset" } " · " code { "advance-clock" }
                " · " code { "requests" } " · " code { "faults" } " · " code { "limits" } }
        }
    }
}
