//! The organization's state and its views in both APIs, which must agree.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::ensure;
use serde_json::Value;
use switchboard::sandbox::org::{GridOrganization, OrgLevel, Person, WorkspaceLevel};

use super::call::{Caller, at};

/// What both APIs return about an account.
#[derive(Debug, PartialEq, Eq)]
struct Account {
    username: String,
    email: String,
    active: bool,
    guest: bool,
}

/// Checks the invariants of the state.
pub(crate) fn check_state(org: &GridOrganization) -> anyhow::Result<()> {
    let primary = org.people().iter().filter(|one| one.org_level == OrgLevel::PrimaryOwner);
    let primary: Vec<&Person> = primary.collect();
    ensure!(matches!(primary[..], [owner] if owner.is_active()), "primary owners: {primary:?}");
    for (index, person) in org.people().iter().enumerate() {
        check_person(org, index, person)?;
    }
    for (number, team) in org.workspaces.iter().enumerate() {
        let level = |index: &usize| Some(org.person(*index)?.membership(number)?.level);
        let levels: Vec<_> = team.members.iter().map(level).collect();
        ensure!(!levels.contains(&None), "{} lists a user who is not a member", team.name);
        let first =
            levels.iter().filter(|level| **level == Some(WorkspaceLevel::PrimaryOwner)).count();
        ensure!(first == 1, "{} has {first} primary owners", team.name);
        ensure!(level(&team.primary_owner) == Some(WorkspaceLevel::PrimaryOwner), "{}", team.name);
    }
    for (index, group) in org.groups.iter() {
        for member in &group.members {
            let knows = org.person(*member).is_some_and(|one| one.groups.contains(&index));
            ensure!(knows, "{member} does not know of {}", group.name);
        }
    }
    Ok(())
}

fn check_person(org: &GridOrganization, index: usize, person: &Person) -> anyhow::Result<()> {
    let id = &person.id;
    let found = org.find(id).map(|(found, _)| found);
    ensure!(found == Some(index), "{id} is found at {found:?}, not at {index}");
    let by_name = org.find_by_username(&person.username).map(|(found, _)| found);
    ensure!(by_name == Some(index), "{id}: {} is {by_name:?}", person.username);
    if !person.email.is_empty() {
        let by_email = org.find_by_email(&person.email).map(|(found, _)| found);
        ensure!(by_email == Some(index), "{id}: {} is {by_email:?}", person.email);
    }
    let guests: BTreeSet<bool> =
        person.memberships.iter().map(|one| one.level.is_guest()).collect();
    ensure!(guests.len() < 2, "{id} is guest and member: {:?}", person.memberships);
    if person.guest_level().is_some() {
        ensure!(person.org_level == OrgLevel::Member, "guest {id} ranks");
    }
    let places: BTreeSet<usize> = person.memberships.iter().map(|one| one.workspace).collect();
    ensure!(places.len() == person.memberships.len(), "{id} is somewhere twice");
    for place in places {
        let listed = org.workspaces.get(place).is_some_and(|team| team.members.contains(&index));
        ensure!(listed, "{id} is not in the list of workspace {place}");
    }
    for group in &person.groups {
        let listed = org.groups.get(*group).is_some_and(|group| group.members.contains(&index));
        ensure!(listed, "{id} is not in the list of group {group}");
    }
    Ok(())
}

/// Checks that the administrators' view and SCIM's contain the same users.
pub(crate) async fn check_views(caller: &Caller, token: &str) -> anyhow::Result<()> {
    let admin = admin_view(caller, token).await?;
    let scim = scim_view(caller, token).await?;
    let people: BTreeMap<&String, &Account> =
        admin.iter().filter(|(_, (bot, _))| !bot).map(|(id, (_, account))| (id, account)).collect();
    for (id, account) in &people {
        ensure!(scim.get(*id) == Some(account), "{id}: {account:?} but {:?}", scim.get(*id));
    }
    ensure!(people.len() == scim.len(), "{} users, SCIM has {}", people.len(), scim.len());
    let state = caller.sandbox.stats();
    let active = admin.values().filter(|(_, account)| account.active).count();
    ensure!((state.users, state.active_users) == (admin.len(), active), "{state:?}");
    Ok(())
}

async fn admin_view(
    caller: &Caller,
    token: &str,
) -> anyhow::Result<BTreeMap<String, (bool, Account)>> {
    let mut rows = BTreeMap::new();
    for active in ["true", "false"] {
        let args = [("is_active", active), ("limit", "1000")];
        let args = args.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let page = caller.web(token, "admin.users.list", &args).await?;
        ensure!(at(&page, "/response_metadata/next_cursor") == "", "more than a page");
        for row in at(&page, "/users").as_array().into_iter().flatten() {
            let account = Account {
                username: text(row, "/username"),
                email: text(row, "/email"),
                active: at(row, "/is_active") == true,
                guest: at(row, "/is_restricted") == true,
            };
            rows.insert(text(row, "/id"), (at(row, "/is_bot") == true, account));
        }
    }
    Ok(rows)
}

async fn scim_view(caller: &Caller, token: &str) -> anyhow::Result<BTreeMap<String, Account>> {
    let (_, page) = caller.scim(token, "GET", "/scim/v1/Users?count=1000", None).await?;
    let rows = at(&page, "/Resources").as_array().into_iter().flatten().map(|row| {
        let account = Account {
            username: text(row, "/userName"),
            email: text(row, "/emails/0/value"),
            active: at(row, "/active") == true,
            guest: row.get("urn:scim:schemas:extension:slack:guest:1.0").is_some(),
        };
        (text(row, "/id"), account)
    });
    Ok(rows.collect())
}

fn text(row: &Value, pointer: &str) -> String {
    row.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned()
}
