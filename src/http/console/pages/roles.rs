//! Roles: where the privileged ones are concentrated, and who holds each.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::super::format::{count, number};
use super::super::names::{HeldRoles, Names};
use super::super::parts::{Tone, badge, empty, table};
use super::super::svg::{HeatCell, HeatMap};
use super::super::view::{Page, PageResult, View};
use crate::domain::role::RoleScope;
use crate::store::RolePlace;

/// Rows of the heat map: the places with the most holders.
const MAX_PLACES: usize = 25;
/// Columns of the heat map: the roles of the organization, then those with the most holders.
const MAX_COLUMNS: usize = 12;

/// A row of the heat map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'p> {
    Organization,
    Workspace(&'p str),
    /// All channels.
    Channels,
}

impl<'p> Place<'p> {
    fn of(place: &'p RolePlace) -> Self {
        match (place.scope, place.workspace_id.as_deref()) {
            (RoleScope::Channel, _) => Self::Channels,
            (RoleScope::Organization | RoleScope::Workspace, Some(id)) => Self::Workspace(id),
            (RoleScope::Organization | RoleScope::Workspace, None) => Self::Organization,
        }
    }

    fn title(self, workspaces: &Names) -> String {
        match self {
            Self::Organization => "Organization".to_owned(),
            Self::Workspace(id) => workspaces.get(id).to_owned(),
            Self::Channels => "Channels".to_owned(),
        }
    }
}

/// Shows the page.
pub(in crate::http) async fn show(view: &View) -> PageResult {
    let account = view.selected()?;
    let roles = HeldRoles::of(view).await?;
    let workspaces = Names::workspaces(view).await?;
    let places = view.db.role_places(account.id, &roles.privileged()).await?;
    let synced = view.db.copies_synced_at(&[account.id]).await?;
    let synced_at = synced.first().map(|(_, at)| *at);
    let privileged: i64 = places.iter().map(|place| place.assignments).sum();
    let lead = html! {
        @if let Some(at) = synced_at { span.dot aria-hidden="true" {} "Synced " (view.now.short(Some(at), "")) " · " }
        (count(privileged, "privileged assignment", "privileged assignments"))
    };
    let body = html! {
        @if roles.0.is_empty() {
            div.card { (empty("No roles in the copy", &html! { "The copy has no role assignments yet: the sync has not read them, or there are none." })) }
        } @else {
            (heat_card(&heat_map(view, &places, &roles, &workspaces)))
            (all_roles(view, &places, &roles))
        }
    };
    let actions =
        html! { a.button href=(view.href("/roles/changes", &[])) { "Changes of the last 7 days" } };
    Ok(Page { title: "Roles".to_owned(), lead, actions, body })
}

fn heat_card(map: &HeatMap) -> Markup {
    html! {
        section.card aria-labelledby="heat" {
            h2 #heat { "Privileged roles by workspace" }
            @if map.rows.is_empty() { (empty("No privileged roles", &html! { "No assignment of the copy is privileged." })) }
            @else {
                div.picture role="region" aria-label="Heat map" tabindex="0" { (map.picture()) }
                details.data { summary { "As a table, with the people behind each number" } (map.table("Table of privileged roles by workspace")) }
                p.quiet { "The roles of the organization, then those with the most holders. Stronger cells have more people; the number is in each cell." }
            }
        }
    }
}

/// Returns the roles as columns and their places as rows, the organization first.
fn heat_map(view: &View, places: &[RolePlace], roles: &HeldRoles, workspaces: &Names) -> HeatMap {
    let totals = totals(places);
    let mut columns: Vec<(&str, i64)> =
        totals.into_iter().map(|(id, (assignments, _))| (id, assignments)).collect();
    let of_organization: BTreeSet<&str> = places
        .iter()
        .filter(|place| Place::of(place) == Place::Organization)
        .map(|place| place.role_id.as_str())
        .collect();
    columns.sort_by_key(|(role, held)| (!of_organization.contains(role), Reverse(*held)));
    columns.truncate(MAX_COLUMNS);
    let mut rows: BTreeMap<Place<'_>, BTreeMap<&str, i64>> = BTreeMap::new();
    for place in places {
        let row = rows.entry(Place::of(place)).or_default();
        *row.entry(place.role_id.as_str()).or_default() += place.people;
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    rows.sort_by_key(|(place, row)| {
        (*place != Place::Organization, Reverse(row.values().sum::<i64>()))
    });
    // The list of holders can be limited to a workspace only.
    let href = |role: &str, place: Place<'_>| match place {
        Place::Workspace(id) => Some(holders(view, role, Some(id))),
        Place::Organization | Place::Channels => {
            let is_everywhere =
                places.iter().all(|other| other.role_id != role || Place::of(other) == place);
            is_everywhere.then(|| holders(view, role, None))
        }
    };
    let rows = rows.into_iter().take(MAX_PLACES).map(|(place, row)| {
        let title = place.title(workspaces);
        let cells = columns.iter().map(|(role, _)| HeatCell {
            people: row.get(role).copied().unwrap_or_default(),
            href: href(role, place),
        });
        (title, cells.collect())
    });
    HeatMap {
        rows: rows.collect(),
        columns: columns.iter().map(|(role, _)| roles.name(role).to_owned()).collect(),
    }
}

/// Returns the number of assignments and of places of each role.
fn totals(places: &[RolePlace]) -> BTreeMap<&str, (i64, i64)> {
    let mut totals: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
    for place in places {
        let total = totals.entry(&place.role_id).or_default();
        total.0 += place.assignments;
        total.1 += place.places;
    }
    totals
}

/// Returns the page with the holders of a role.
fn holders(view: &View, role_id: &str, workspace_id: Option<&str>) -> String {
    view.href(
        "/access-review",
        &[
            ("access_type", "role"),
            ("role_id", role_id),
            ("workspace_id", workspace_id.unwrap_or_default()),
        ],
    )
}

fn all_roles(view: &View, places: &[RolePlace], roles: &HeldRoles) -> Markup {
    let totals = totals(places);
    let rows = html! {
        @for (id, name) in roles.options() {
            @let total = totals.get(id.as_str());
            tr {
                th scope="row" { (name) @if total.is_some() { " " (badge(Tone::Bad, "privileged")) } }
                td { code { (id) } }
                td { @match total { Some((assignments, _)) => (number(*assignments)), None => span.quiet { "–" } } }
                td { @match total { Some((_, places)) => (number(*places)), None => span.quiet { "–" } } }
                td { a href=(holders(view, &id, None)) { "Holders" span.hidden { " of " (name) } } }
            }
        }
    };
    html! {
        section.card aria-labelledby="all" {
            h2 #all { "All roles" }
            (table("Table of all roles", &["Role", "Id", "Assignments", "Places", "People"], &rows))
            p.quiet { "Assignments are counted for privileged roles." }
        }
    }
}
