//! The consent page: who asks for what, on which organization, and two buttons.

use maud::{Markup, html};
use url::Url;

use super::scopes::{changes, in_words};
use super::style::{brand, frame, tile};
use crate::sandbox::App;
use crate::sandbox::org::{OrgLevel, Organization, Person};

/// So many people are offered as the one who approves.
const APPROVERS: usize = 25;

/// What the page shows.
pub(in crate::sandbox::api) struct ConsentView<'a> {
    /// The app that asks.
    pub(in crate::sandbox::api) app: &'a App,
    /// The organization it asks for.
    pub(in crate::sandbox::api) org: &'a Organization,
    /// What it asks to do as the person.
    pub(in crate::sandbox::api) user_scopes: &'a [String],
    /// What it asks to do as itself.
    pub(in crate::sandbox::api) bot_scopes: &'a [String],
    /// The query of the page, which the form sends back.
    pub(in crate::sandbox::api) query: &'a str,
    /// The workspace that the app would like to have chosen.
    pub(in crate::sandbox::api) team: Option<&'a str>,
    /// Where the answer goes.
    pub(in crate::sandbox::api) redirect_uri: &'a Url,
}

/// The page.
pub(in crate::sandbox::api) fn consent_page(view: &ConsentView<'_>) -> Markup {
    let ConsentView { app, org, query, redirect_uri, .. } = view;
    let back = redirect_uri.host_str().unwrap_or_else(|| redirect_uri.scheme());
    let body = html! {
        (brand("Slack sandbox — a pretend organization", Some(("/", "What is this?"))))
        form class="card consent" method="post" action={"/oauth/v2/authorize?" (query)} {
            div class="meeting" { (tile(&app.name, "large")) i {} (tile(&org.name, "large org")) }
            h1 class="center" {
                (app.name) " is requesting permission to access the " (org.name) " organization"
            }
            p class="soft center" { "Nothing real is at stake: it exists in memory only." }
            (picker(view))
            (asked(view))
            div class="field" {
                label for="user" { "You are signed in as" }
                select id="user" name="user" {
                    @for person in approvers(org) {
                        option value=(person.id) { (person.full_name()) " — " (rank(person)) }
                    }
                }
            }
            p class="soft center field" { "Either way you go back to " b { (back) } "." }
            div class="sticky" { div class="buttons" {
                button type="submit" name="decision" value="cancel" { "Cancel" }
                button type="submit" name="decision" value="approve" class="main" { "Allow" }
            } }
        }
    };
    frame(&format!("{} wants to access {}", app.name, org.name), "", &body)
}

/// Where the app is to be installed: on the organization, or on one of its workspaces.
fn picker(view: &ConsentView<'_>) -> Markup {
    let org = view.org;
    html! {
        div class="field" {
            label for="team" { "Install on" }
            select id="team" name="team" {
                optgroup label="The organization" {
                    option value=(org.id) { (org.name) " — every workspace" }
                }
                optgroup label="One workspace only" {
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

/// The scopes, those that look apart from those that change something.
fn asked(view: &ConsentView<'_>) -> Markup {
    let name = &view.app.name;
    let whose = [("on your behalf", view.user_scopes), ("as itself", view.bot_scopes)];
    html! {
        @for (manner, scopes) in whose {
            @let (acts, looks): (Vec<&String>, Vec<&String>) =
                scopes.iter().partition(|scope| changes(scope));
            (scope_list(&format!("What will {name} see {manner}?"), &looks))
            (scope_list(&format!("What will {name} do {manner}?"), &acts))
        }
    }
}

fn scope_list(question: &str, scopes: &[&String]) -> Markup {
    html! {
        @if !scopes.is_empty() {
            details open {
                summary { (question) small { (scopes.len()) } }
                ul class="scopes" {
                    @for scope in scopes { li { (in_words(scope)) code { (scope) } } }
                }
            }
        }
    }
}

/// A page that says why there is no other.
pub(in crate::sandbox::api) fn trouble_page(code: &str, text: &str) -> Markup {
    let body = html! {
        (brand("Slack sandbox", None))
        div class="card" {
            h1 { "This request cannot go on" }
            p { (text) }
            p class="soft" { "Error code: " code { (code) } }
        }
    };
    frame("This request cannot go on", "", &body)
}

/// The primary owner, owners and admins, and one plain member to see a refusal with.
fn approvers(org: &Organization) -> Vec<&Person> {
    let usable = |person: &&Person| person.is_active() && !person.is_bot();
    let mut people: Vec<&Person> = org
        .people()
        .iter()
        .filter(usable)
        .filter(|person| person.org_level >= OrgLevel::Admin)
        .take(APPROVERS)
        .collect();
    people.sort_by_key(|person| std::cmp::Reverse(person.org_level));
    let plain =
        |person: &&Person| person.org_level == OrgLevel::Member && !person.memberships.is_empty();
    people.extend(org.people().iter().filter(usable).find(plain));
    people
}

fn rank(person: &Person) -> &'static str {
    match person.org_level {
        OrgLevel::PrimaryOwner => "primary owner of the organization",
        OrgLevel::Owner => "org owner",
        OrgLevel::Admin => "org admin",
        OrgLevel::Member => "member",
    }
}
