//! The events of each change, with their payloads.

use serde_json::{Map, Value, json};

use super::envelope::AppEvent;
use crate::sandbox::api::{UserObjectOptions, user_object, usergroup_object};
use crate::sandbox::grants::{Installation, SlackTokenType};
use crate::sandbox::org::{
    GridOrganization, GroupIndex, GroupOwner, OrgChange, OrgGroup, PersonIndex, RecordedChange,
};

/// Maximum number of listed members of a group; `user_count` has the actual number.
const MAX_SUBTEAM_USERS: usize = 500;

/// Returns the events of changes that were made together.
pub(super) fn events(org: &GridOrganization, changes: &[RecordedChange]) -> Vec<AppEvent> {
    changes.iter().flat_map(|recorded| change_events(org, changes, recorded)).collect()
}

fn change_events(
    org: &GridOrganization,
    all: &[RecordedChange],
    recorded: &RecordedChange,
) -> Vec<AppEvent> {
    let at = recorded.at;
    match &recorded.change {
        OrgChange::Created(person) => user(org, *person, None, "team_join"),
        OrgChange::Joined { person, workspace } => {
            // A new account joins its first workspace by its creation.
            let made = all.iter().any(|other| other.change == OrgChange::Created(*person));
            let first = org.person(*person).and_then(|one| one.memberships.first());
            if made && first.is_some_and(|one| one.workspace == *workspace) {
                return Vec::new();
            }
            user(org, *person, Some(*workspace), "team_join")
        }
        OrgChange::Left { person, workspace } => user_left(org, *person, *workspace, at),
        OrgChange::Profile { person, .. } => {
            user_changed_with(org, *person, "user_profile_changed", at)
        }
        OrgChange::Status(person) => user_changed_with(org, *person, "user_status_changed", at),
        OrgChange::Deactivated(person)
        | OrgChange::Reactivated(person)
        | OrgChange::Expiration { person, .. } => user_changed(org, *person, None, at),
        OrgChange::WorkspaceCreated(workspace) => team_access_granted(org, *workspace),
        OrgChange::WorkspaceRenamed(workspace) => team_renamed(org, *workspace),
        OrgChange::OrganizationRenamed => vec![organization_renamed(org)],
        OrgChange::GroupCreated(group) => subteam(org, *group, "subteam_created"),
        OrgChange::GroupChanged(group)
        | OrgChange::GroupLinked { group, .. }
        | OrgChange::GroupChannels { group, .. } => subteam(org, *group, "subteam_updated"),
        OrgChange::GroupMembers { group, added, removed, previous_update } => {
            let mut events = members_changed(org, *group, added, removed, *previous_update);
            events.extend(subteam(org, *group, "subteam_updated"));
            events
        }
        OrgChange::GroupDeleted { id, name } => vec![group_deleted(org, id, name, at)],
        // Slack reports these in the audit log only, or by another event of the same edit. Levels
        // and system roles have no events.
        OrgChange::Invited { .. }
        | OrgChange::Level { .. }
        | OrgChange::OrgLevel { .. }
        | OrgChange::RoleAssigned(_)
        | OrgChange::RoleRemoved(_)
        | OrgChange::WorkspaceSetting { .. }
        | OrgChange::SessionsEnded(_)
        | OrgChange::SessionEnded(_)
        | OrgChange::SessionSettings(_) => Vec::new(),
    }
}

/// Returns the event of revoked tokens. It names their users, not the tokens.
pub(super) fn tokens_revoked(grant: &Installation, kinds: &[SlackTokenType]) -> AppEvent {
    let of = |kind, id: Option<&String>| {
        if kinds.contains(&kind) { id.cloned().into_iter().collect() } else { Vec::new() }
    };
    let oauth =
        of(SlackTokenType::User, Some(&grant.user_id).filter(|_| !grant.user_scopes.is_empty()));
    let bot = of(SlackTokenType::Bot, grant.bot_user_id.as_ref());
    let fields = fields([("tokens", json!({"oauth": oauth, "bot": bot}))]);
    AppEvent { kind: "tokens_revoked", team: None, seen_in: Vec::new(), fields }
}

/// Returns the event of an uninstalled app.
pub(super) fn app_uninstalled() -> AppEvent {
    AppEvent { kind: "app_uninstalled", team: None, seen_in: Vec::new(), fields: Map::new() }
}

fn fields<const N: usize>(pairs: [(&str, Value); N]) -> Map<String, Value> {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns an event about an account, as it is in a workspace or in its first one.
fn user(
    org: &GridOrganization,
    index: PersonIndex,
    workspace: Option<usize>,
    kind: &'static str,
) -> Vec<AppEvent> {
    let Some(person) = org.person(index) else {
        return Vec::new();
    };
    let object =
        user_object(org, person, UserObjectOptions { workspace, email: true, locale: true });
    let number = workspace.or_else(|| person.memberships.first().map(|one| one.workspace));
    let team = number.and_then(|number| org.workspaces.get(number)).map(|one| one.id.clone());
    let seen_in = match workspace {
        Some(_) => team.iter().cloned().collect(),
        None => org.workspace_ids(person).into_iter().map(str::to_owned).collect(),
    };
    vec![AppEvent { kind, team, seen_in, fields: fields([("user", object)]) }]
}

fn user_changed(
    org: &GridOrganization,
    index: PersonIndex,
    workspace: Option<usize>,
    at: i64,
) -> Vec<AppEvent> {
    with_timestamp(user(org, index, workspace, "user_change"), at)
}

/// Returns `user_change` and the more specific event that Slack sends with it.
fn user_changed_with(
    org: &GridOrganization,
    index: PersonIndex,
    kind: &'static str,
    at: i64,
) -> Vec<AppEvent> {
    let mut events = user_changed(org, index, None, at);
    events.extend(with_timestamp(user(org, index, None, kind), at));
    events
}

fn with_timestamp(mut events: Vec<AppEvent>, at: i64) -> Vec<AppEvent> {
    for event in &mut events {
        event.fields.insert("cache_ts".to_owned(), json!(at));
    }
    events
}

/// For a workspace, an account that left it counts as deleted.
fn user_left(
    org: &GridOrganization,
    index: PersonIndex,
    workspace: usize,
    at: i64,
) -> Vec<AppEvent> {
    let mut events = user_changed(org, index, Some(workspace), at);
    for event in &mut events {
        let team = event.team.clone();
        if let Some(user) = event.fields.get_mut("user").and_then(Value::as_object_mut) {
            user.insert("deleted".to_owned(), Value::Bool(true));
            user.insert("team_id".to_owned(), json!(team));
        }
    }
    events
}

/// Returns the event for apps installed on the organization: their tokens are valid for a new
/// workspace.
fn team_access_granted(org: &GridOrganization, workspace: usize) -> Vec<AppEvent> {
    let event = |id: &str| AppEvent {
        kind: "team_access_granted",
        team: None,
        seen_in: Vec::new(),
        fields: fields([("team_ids", json!([id]))]),
    };
    org.workspaces.get(workspace).map(|one| event(&one.id)).into_iter().collect()
}

fn organization_renamed(org: &GridOrganization) -> AppEvent {
    AppEvent {
        kind: "enterprise_rename",
        team: None,
        seen_in: org.workspaces.iter().map(|one| one.id.clone()).collect(),
        fields: fields([("name", json!(org.name))]),
    }
}

fn team_renamed(org: &GridOrganization, workspace: usize) -> Vec<AppEvent> {
    let event = |name: &str, id: &str| AppEvent {
        kind: "team_rename",
        team: Some(id.to_owned()),
        seen_in: vec![id.to_owned()],
        fields: fields([("name", json!(name))]),
    };
    org.workspaces.get(workspace).map(|one| event(&one.name, &one.id)).into_iter().collect()
}

fn subteam(org: &GridOrganization, index: GroupIndex, kind: &'static str) -> Vec<AppEvent> {
    let event = |group: &OrgGroup| {
        let (team, seen_in) = teams(org, group);
        let mut object = usergroup_object(org, group);
        if let Some(users) = object.get_mut("users").and_then(Value::as_array_mut) {
            users.truncate(MAX_SUBTEAM_USERS);
        }
        AppEvent { kind, team, seen_in, fields: fields([("subteam", object)]) }
    };
    org.groups.get(index).map(event).into_iter().collect()
}

/// Returns the workspace of a group, and the workspaces that see it.
fn teams(org: &GridOrganization, group: &OrgGroup) -> (Option<String>, Vec<String>) {
    let id = |number: &usize| org.workspaces.get(*number).map(|one| one.id.clone());
    match &group.owner {
        GroupOwner::IdentityProvider => (None, group.workspaces.iter().filter_map(id).collect()),
        GroupOwner::Workspace(number) => (id(number), id(number).into_iter().collect()),
    }
}

fn ids(org: &GridOrganization, people: impl IntoIterator<Item = PersonIndex>) -> Vec<String> {
    let id = |index| org.person(index).map(|person| person.id.clone());
    people.into_iter().filter_map(id).collect()
}

fn members_changed(
    org: &GridOrganization,
    index: GroupIndex,
    added: &[PersonIndex],
    removed: &[PersonIndex],
    previous_update: i64,
) -> Vec<AppEvent> {
    let Some(group) = org.groups.get(index) else {
        return Vec::new();
    };
    let (team, seen_in) = teams(org, group);
    let team_id = team.as_ref().unwrap_or(&org.id).clone();
    let (added, removed) = (ids(org, added.iter().copied()), ids(org, removed.iter().copied()));
    let fields = fields([
        ("subteam_id", json!(group.id)),
        ("team_id", json!(team_id)),
        ("date_previous_update", json!(previous_update)),
        ("date_update", json!(group.updated)),
        ("added_users_count", json!(added.len())),
        ("added_users", json!(added)),
        ("removed_users_count", json!(removed.len())),
        ("removed_users", json!(removed)),
    ]);
    vec![AppEvent { kind: "subteam_members_changed", team, seen_in, fields }]
}

/// Returns the event of a deleted group.
fn group_deleted(org: &GridOrganization, id: &str, name: &str, at: i64) -> AppEvent {
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
    AppEvent { kind: "subteam_updated", team: None, seen_in: Vec::new(), fields }
}
