//! The consent page: app, scopes, organization or workspace, and the decision.

use maud::{Markup, html};
use url::Url;

use super::scopes::{description, is_write_scope};
use super::style::{header_line, layout, tile};
use crate::sandbox::SlackApp;
use crate::sandbox::org::{GridOrganization, OrgLevel, Person};

/// Maximum number of administrators in the list of users.
const MAX_APPROVERS: usize = 25;

/// Data of the consent page.
pub(in crate::sandbox::api) struct ConsentView<'a> {
    /// The requesting app.
    pub(in crate::sandbox::api) app: &'a SlackApp,
    /// The organization.
    pub(in crate::sandbox::api) org: &'a GridOrganization,
    /// Requested user scopes.
    pub(in crate::sandbox::api) user_scopes: &'a [String],
    /// Requested bot scopes.
    pub(in crate::sandbox::api) bot_scopes: &'a [String],
    /// Query of the page, which the form repeats.
    pub(in crate::sandbox::api) query: &'a str,
    /// Preselected workspace.
    pub(in crate::sandbox::api) team: Option<&'a str>,
    /// Redirect URI of the response.
    pub(in crate::sandbox::api) redirect_uri: &'a Url,
}

/// Renders the consent page.
pub(in crate::sandbox::api) fn consent_page(view: &ConsentView<'_>) -> Markup {
    let ConsentView { app, org, query, redirect_uri, .. } = view;
    let back = redirect_uri.host_str().unwrap_or_else(|| redirect_uri.scheme());
    let body = html! {
        (header_line("Slack sandbox — simulated organization", Some(("/", "About"))))
        form class="card consent" method="post" action={"/oauth/v2/authorize?" (query)} {
            div class="meeting" { (tile(&app.name, "large")) i {} (tile(&org.name, "large org")) }
            h1 class="center" {
                (app.name) " is requesting permission to access the " (org.name) " organization"
            }
            p class="soft center" { "This organization is simulated and exists in memory only." }
            (workspace_picker(view))
            (requested_scopes(view))
            div class="field" {
                label for="user" { "Signed in as" }
                select id="user" name="user" {
                    @for person in approvers(org) {
                        option value=(person.id) { (person.full_name()) " — " (org_level_label(person)) }
                    }
                }
            }
            p class="soft center field" { "Both buttons redirect to " b { (back) } "." }
            div class="sticky" { div class="buttons" {
                button type="submit" name="decision" value="cancel" { "Cancel" }
                button type="submit" name="decision" value="approve" class="main" { "Allow" }
            } }
        }
    };
    layout(&format!("{} wants to access {}", app.name, org.name), "", &body)
}

/// Renders the choice between the organization and one of its workspaces.
fn workspace_picker(view: &ConsentView<'_>) -> Markup {
    let org = view.org;
    html! {
        div class="field" {
            label for="team" { "Install on" }
            select id="team" name="team" {
                optgroup label="The organization" {
                    option value=(org.id) { (org.name) " — every workspace" }
                }
                optgroup label="A single workspace" {
                    @for workspace in &org.workspaces {
                        option value=(workspace.id) selected[view.team == Some(workspace.id.as_str())] {
                            (workspace.name) " — " (workspace.domain) ".slack.com"
                        }
                    }
                }
            }
        }
    }
}

/// Renders the requested scopes, read scopes apart from write scopes.
fn requested_scopes(view: &ConsentView<'_>) -> Markup {
    let name = &view.app.name;
    let whose = [("on your behalf", view.user_scopes), ("as itself", view.bot_scopes)];
    html! {
        @for (manner, scopes) in whose {
            @let (acts, looks): (Vec<&String>, Vec<&String>) =
                scopes.iter().partition(|scope| is_write_scope(scope));
            (scope_list(&format!("{name} can read, {manner}"), &looks))
            (scope_list(&format!("{name} can change, {manner}"), &acts))
        }
    }
}

fn scope_list(question: &str, scopes: &[&String]) -> Markup {
    html! {
        @if !scopes.is_empty() {
            details open {
                summary { (question) small { (scopes.len()) } }
                ul class="scopes" {
                    @for scope in scopes { li { (description(scope)) code { (scope) } } }
                }
            }
        }
    }
}

/// Renders the page of an invalid authorization request.
pub(in crate::sandbox::api) fn error_page(code: &str, text: &str) -> Markup {
    let body = html! {
        (header_line("Slack sandbox", None))
        div class="card" {
            h1 { "Invalid authorization request" }
            p { (text) }
            p class="soft" { "Error code: " code { (code) } }
        }
    };
    layout("Invalid authorization request", "", &body)
}

/// Returns the primary owner, owners and admins, and one ordinary member to test a rejection with.
fn approvers(org: &GridOrganization) -> Vec<&Person> {
    let usable = |person: &&Person| person.is_active() && !person.is_bot();
    let mut people: Vec<&Person> = org
        .people()
        .iter()
        .filter(usable)
        .filter(|person| person.org_level >= OrgLevel::Admin)
        .take(MAX_APPROVERS)
        .collect();
    people.sort_by_key(|person| std::cmp::Reverse(person.org_level));
    let plain =
        |person: &&Person| person.org_level == OrgLevel::Member && !person.memberships.is_empty();
    people.extend(org.people().iter().filter(usable).find(plain));
    people
}

fn org_level_label(person: &Person) -> &'static str {
    match person.org_level {
        OrgLevel::PrimaryOwner => "primary owner of the organization",
        OrgLevel::Owner => "org owner",
        OrgLevel::Admin => "org admin",
        OrgLevel::Member => "member",
    }
}
