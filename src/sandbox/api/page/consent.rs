//! The consent page: who asks for what, on which organization, and two buttons.

use maud::{Markup, html};

use super::style::{brand, frame};
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
}

/// The page.
pub(in crate::sandbox::api) fn consent_page(view: &ConsentView<'_>) -> Markup {
    let ConsentView { app, org, user_scopes, bot_scopes, query, team } = view;
    let on_workspace = team.is_some_and(|id| org.workspace(id).is_some());
    let body = html! {
        (brand("Slack sandbox — a pretend organization for trying things out"))
        form class="card" method="post" action={"/oauth/v2/authorize?" (query)} {
            h1 { (app.name) " wants to access " (org.name) }
            p class="soft" { "Nothing real is at stake: this organization exists in memory only." }
            @if !user_scopes.is_empty() {
                h2 { "On your behalf, " (app.name) " will be able to" }
                (scope_list(user_scopes))
            }
            @if !bot_scopes.is_empty() {
                h2 { "As itself, " (app.name) " will be able to" }
                (scope_list(bot_scopes))
            }
            h2 { "Where should it be installed?" }
            label class="choice" {
                input type="radio" name="install" value="org" checked[!on_workspace];
                span { (org.name) " — the whole organization" }
            }
            label class="choice" {
                input type="radio" name="install" value="workspace" checked[on_workspace];
                span { "One workspace only" }
            }
            label for="team" { "Workspace" }
            select id="team" name="team" {
                @for workspace in &org.workspaces {
                    option value=(workspace.id) selected[*team == Some(workspace.id.as_str())] {
                        (workspace.name)
                    }
                }
            }
            label for="user" { "You are signed in as" }
            select id="user" name="user" {
                @for person in approvers(org) {
                    option value=(person.id) { (person.full_name()) " — " (rank(person)) }
                }
            }
            div class="buttons" {
                button type="submit" name="decision" value="cancel" { "Cancel" }
                button type="submit" name="decision" value="approve" class="main" { "Allow" }
            }
        }
    };
    frame(&format!("{} wants to access {}", app.name, org.name), "", &body)
}

/// A page that says why there is no other.
pub(in crate::sandbox::api) fn trouble_page(code: &str, text: &str) -> Markup {
    let body = html! {
        (brand("Slack sandbox"))
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

fn scope_list(scopes: &[String]) -> Markup {
    html! {
        ul class="scopes" {
            @for scope in scopes { li { (in_words(scope)) br; code { (scope) } } }
        }
    }
}

/// What a scope lets an app do.
fn in_words(scope: &str) -> &'static str {
    match scope {
        "admin" => "Provision people and groups of the whole organization (SCIM)",
        "admin.users:read" => "See everybody in the organization, with their rank and sign-in data",
        "admin.users:write" => "Invite, assign, promote, demote and remove people",
        "admin.teams:read" => "See all workspaces, their settings, owners and admins",
        "admin.teams:write" => "Create workspaces and change their settings",
        "admin.roles:read" => "See who holds which administrative role",
        "admin.roles:write" => "Give administrative roles and take them away",
        "admin.usergroups:read" => "See which channels and workspaces belong to groups",
        "admin.usergroups:write" => "Change which channels and workspaces belong to groups",
        "users:read" => "See people and their profiles",
        "users:read.email" => "See people's e-mail addresses",
        "team:read" => "See the name and the address of workspaces",
        "auditlogs:read" => "Read the organization's audit log",
        _ => "Use what this scope opens",
    }
}
