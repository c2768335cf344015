//! Which events a change makes, and what they say.

use serde_json::{Map, Value, json};

use super::envelope::Event;
use crate::sandbox::api::{View, user_object, usergroup_object};
use crate::sandbox::grants::{Grant, TokenKind};
use crate::sandbox::org::{Change, Group, GroupIndex, Keeper, Organization, PersonIndex, Recorded};

/// The events of changes that were made together.
pub(super) fn events(org: &Organization, changes: &[Recorded]) -> Vec<Event> {
    changes.iter().flat_map(|recorded| of_change(org, changes, recorded)).collect()
}

fn of_change(org: &Organization, all: &[Recorded], recorded: &Recorded) -> Vec<Event> {
    let at = recorded.at;
    match &recorded.change {
        Change::Created(person) => user(org, *person, None, "team_join"),
        Change::Joined { person, workspace } => {
            // A new account joins its first workspace by being made.
            let made = all.iter().any(|other| other.change == Change::Created(*person));
            let first = org.person(*person).and_then(|one| one.memberships.first());
            if made && first.is_some_and(|one| one.workspace == *workspace) {
                return Vec::new();
            }
            user(org, *person, Some(*workspace), "team_join")
        }
        Change::Left { person, workspace } => left(org, *person, *workspace, at),
        Change::Profile(person) => {
            let mut events = changed(org, *person, None, at);
            events.extend(dated(user(org, *person, None, "user_profile_changed"), at));
            events
        }
        Change::Deactivated(person)
        | Change::Reactivated(person)
        | Change::OrgLevel { person, .. }
        | Change::Expiration { person, .. } => changed(org, *person, None, at),
        Change::Level { person, workspace, .. } => changed(org, *person, Some(*workspace), at),
        Change::WorkspaceRenamed(workspace) => renamed(org, *workspace),
        Change::GroupCreated(group) => subteam(org, *group, "subteam_created"),
        Change::GroupChanged(group) => subteam(org, *group, "subteam_updated"),
        Change::GroupMembers { group, added, removed } => {
            let mut events = members_changed(org, *group, added, removed);
            events.extend(subteam(org, *group, "subteam_updated"));
            events
        }
        Change::GroupDeleted { id, name } => vec![deleted(org, id, name, at)],
        // Of these Slack tells in the audit log only, or by an event of the same edit.
        Change::Invited { .. }
        | Change::RoleAssigned(_)
        | Change::RoleRemoved(_)
        | Change::WorkspaceCreated(_)
        | Change::WorkspaceSetting { .. }
        | Change::SessionsEnded(_)
        | Change::SessionEnded(_)
        | Change::SessionSettings(_) => Vec::new(),
    }
}

/// The event of tokens that were taken back. It names their users, never the tokens.
pub(super) fn tokens_revoked(grant: &Grant, kinds: &[TokenKind]) -> Event {
    let of = |kind, id: Option<&String>| {
        if kinds.contains(&kind) { id.cloned().into_iter().collect() } else { Vec::new() }
    };
    let oauth = of(TokenKind::User, Some(&grant.user_id).filter(|_| !grant.user_scopes.is_empty()));
    let bot = of(TokenKind::Bot, grant.bot_user_id.as_ref());
    let fields = fields([("tokens", json!({"oauth": oauth, "bot": bot}))]);
    Event { kind: "tokens_revoked", team: None, seen_in: Vec::new(), fields }
}

/// The event of an app that is gone.
pub(super) fn app_uninstalled() -> Event {
    Event { kind: "app_uninstalled", team: None, seen_in: Vec::new(), fields: Map::new() }
}

fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// An event about an account, as it is in a workspace or in its first one.
fn user(
    org: &Organization,
    index: PersonIndex,
    workspace: Option<usize>,
    kind: &'static str,
) -> Vec<Event> {
    let Some(person) = org.person(index) else {
        return Vec::new();
    };
    let object = user_object(org, person, View { workspace, email: true, locale: true });
    let number = workspace.or_else(|| person.memberships.first().map(|one| one.workspace));
    let team = number.and_then(|number| org.workspaces.get(number)).map(|one| one.id.clone());
    let seen_in = match workspace {
        Some(_) => team.iter().cloned().collect(),
        None => org.workspace_ids(person).into_iter().map(str::to_owned).collect(),
    };
    vec![Event { kind, team, seen_in, fields: fields([("user", object)]) }]
}

fn changed(
    org: &Organization,
    index: PersonIndex,
    workspace: Option<usize>,
    at: i64,
) -> Vec<Event> {
    dated(user(org, index, workspace, "user_change"), at)
}

fn dated(mut events: Vec<Event>, at: i64) -> Vec<Event> {
    for event in &mut events {
        event.fields.insert("cache_ts".to_owned(), json!(at));
    }
    events
}

/// To a workspace, an account that left it is a deleted one.
fn left(org: &Organization, index: PersonIndex, workspace: usize, at: i64) -> Vec<Event> {
    let mut events = changed(org, index, Some(workspace), at);
    for event in &mut events {
        let team = event.team.clone();
        if let Some(user) = event.fields.get_mut("user").and_then(Value::as_object_mut) {
            user.insert("deleted".to_owned(), Value::Bool(true));
            user.insert("team_id".to_owned(), json!(team));
        }
    }
    events
}

fn renamed(org: &Organization, workspace: usize) -> Vec<Event> {
    let event = |name: &str, id: &str| Event {
        kind: "team_rename",
        team: Some(id.to_owned()),
        seen_in: vec![id.to_owned()],
        fields: fields([("name", json!(name))]),
    };
    org.workspaces.get(workspace).map(|one| event(&one.name, &one.id)).into_iter().collect()
}

fn subteam(org: &Organization, index: GroupIndex, kind: &'static str) -> Vec<Event> {
    let event = |group: &Group| {
        let (team, seen_in) = teams(org, group);
        Event { kind, team, seen_in, fields: fields([("subteam", usergroup_object(org, group))]) }
    };
    org.groups.get(index).map(event).into_iter().collect()
}

/// The workspace of a group, and those that see it.
fn teams(org: &Organization, group: &Group) -> (Option<String>, Vec<String>) {
    let id = |number: &usize| org.workspaces.get(*number).map(|one| one.id.clone());
    match &group.keeper {
        Keeper::IdentityProvider => (None, group.workspaces.iter().filter_map(id).collect()),
        Keeper::Workspace(number) => (id(number), id(number).into_iter().collect()),
    }
}

fn ids(org: &Organization, people: impl IntoIterator<Item = PersonIndex>) -> Vec<String> {
    let id = |index| org.person(index).map(|person| person.id.clone());
    people.into_iter().filter_map(id).collect()
}

fn members_changed(
    org: &Organization,
    index: GroupIndex,
    added: &[PersonIndex],
    removed: &[PersonIndex],
) -> Vec<Event> {
    let Some(group) = org.groups.get(index) else {
        return Vec::new();
    };
    let (team, seen_in) = teams(org, group);
    let team_id = team.as_ref().unwrap_or(&org.id).clone();
    let (added, removed) = (ids(org, added.iter().copied()), ids(org, removed.iter().copied()));
    let fields = fields([
        ("subteam_id", json!(group.id)),
        ("team_id", json!(team_id)),
        ("date_previous_update", json!(group.created)),
        ("date_update", json!(group.updated)),
        ("added_users_count", json!(added.len())),
        ("added_users", json!(added)),
        ("removed_users_count", json!(removed.len())),
        ("removed_users", json!(removed)),
    ]);
    vec![Event { kind: "subteam_members_changed", team, seen_in, fields }]
}

/// What is left to say of a group that is gone.
fn deleted(org: &Organization, id: &str, name: &str, at: i64) -> Event {
    let subteam = json!({
        "id": id,
        "team_id": org.id,
        "is_usergroup": true,
        "is_subteam": true,
        "name": name,
        "is_external": false,
        "date_update": at,
        "date_delete": at,
        "users": [],
        "user_count": 0,
    });
    let fields = fields([("subteam", subteam)]);
    Event { kind: "subteam_updated", team: None, seen_in: Vec::new(), fields }
}
