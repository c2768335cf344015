//! Maps entries of Slack's audit log to the changes that they report.

use serde_json::Value;

use super::effects::{
    EMAIL_FIELDS, GROUP_FIELDS, KIND_FIELDS, PROFILE_FIELDS, STATUS_FIELDS, USER_UPDATES, in_place,
    joined, level_effects, owners,
};
use super::wire::{AuditEntry, Named};
use crate::connectors::ChangeLogEntry;
use crate::connectors::slack_enterprise::api::is_id;
use crate::domain::effect::Effect;
use crate::domain::event::{ActingApp, EventActor, EventKind};
use crate::domain::reported_change::{Cause, ReportedChange, Subject};
use crate::domain::timestamp::Timestamp;

/// The actions that concern a directory.
pub(super) const ACTIONS: [&str; 33] = [
    "guest_created",
    "guest_deactivated",
    "guest_expiration_cleared",
    "guest_expiration_set",
    "guest_expired",
    "guest_joined_workspace",
    "guest_reactivated",
    "organization_renamed",
    "owner_transferred",
    "permissions_assigned",
    "permissions_removed",
    "role_assigned",
    "role_change_to_admin",
    "role_change_to_guest",
    "role_change_to_owner",
    "role_change_to_user",
    "role_removed",
    "user_added_to_usergroup",
    "user_created",
    "user_deactivated",
    "user_email_updated",
    "user_joined_workspace",
    "user_profile_deleted",
    "user_profile_updated",
    "user_reactivated",
    "user_removed_from_usergroup",
    "usergroup_added_to_team",
    "usergroup_removed_from_team",
    "usergroup_updated",
    "workspace_created",
    "workspace_deleted",
    "workspace_accepted_migration",
    "migration_completed",
];
/// The ids of actors that are no person: Slack itself.
const NO_PERSON: [&str; 2] = ["USLACKUSER", "USLACKSECURITY"];
/// The fields of `details` that name the users of an action on something else.
const USER_DETAILS: [&str; 5] =
    ["target_user", "target_user_id", "user", "user_ids", "affected_users"];
/// Maps an entry; `None` for one that is not understood.
pub(super) fn read(entry: &AuditEntry) -> Option<ChangeLogEntry> {
    let at = Timestamp::from_unix(entry.date_create).ok()?.utc();
    let (changes, needs_run) = changes(entry)?;
    let actor = actor(entry);
    let changes = changes.into_iter().map(|change| ReportedChange {
        subject: change.subject,
        with_roles: change.with_roles,
        cause: actor.clone().map(|actor| Cause { actor, at, effects: change.effects }),
    });
    Some(ChangeLogEntry { id: entry.id.clone(), at, changes: changes.collect(), needs_run })
}

/// A change without its actor.
struct Change {
    subject: Subject,
    with_roles: bool,
    effects: Vec<Effect>,
}

impl Change {
    fn of_user(id: &str, effects: Vec<Effect>) -> Self {
        Self { subject: Subject::User(id.to_owned()), with_roles: false, effects }
    }

    fn with_roles(self) -> Self {
        Self { with_roles: true, ..self }
    }
}

/// Returns the changes of a user's level: of the user, and of the workspace's lists of its owners and admins.
fn level_changes(user_id: &str, action: &str, workspace: Option<&str>) -> Vec<Change> {
    let mut effects = level_effects(user_id, action, workspace);
    effects.push(Effect::on("id", user_id, &USER_UPDATES).changing(&KIND_FIELDS));
    let mut changes = vec![Change::of_user(user_id, effects).with_roles()];
    changes.extend(workspace.filter(|id| is_id(id)).map(|workspace| Change {
        subject: Subject::Workspace(workspace.to_owned()),
        with_roles: false,
        effects: vec![owners(user_id, workspace, action)],
    }));
    changes
}

/// Returns the changes of an entry, and whether it concerns objects that it does not name.
fn changes(entry: &AuditEntry) -> Option<(Vec<Change>, bool)> {
    let entity = entry.entity.as_ref()?;
    let id_of = |named: &Option<Named>| {
        named.as_ref().map(|named| named.id.as_str()).filter(|id| is_id(id)).map(str::to_owned)
    };
    let one = |change: Change| Some((vec![change], false));
    let place = entry.context.as_ref().and_then(|context| context.location.as_ref());
    let workspace = place
        .filter(|place| place.kind.as_deref() == Some("workspace"))
        .and_then(|place| place.id.as_deref());
    match entry.action.as_str() {
        "user_created" | "guest_created" => {
            let id = id_of(&entity.user)?;
            let mut effects = vec![Effect::on("id", &id, &[EventKind::UserCreated])];
            effects.extend(joined(&id, None));
            one(Change::of_user(&id, effects).with_roles())
        }
        "user_deactivated" | "guest_deactivated" | "guest_expired" => {
            let id = id_of(&entity.user)?;
            // In a workspace: a removal from this workspace alone.
            let left = [EventKind::RoleRevoked, EventKind::WorkspaceMemberRemoved];
            let mut effects = vec![in_place(Effect::on("user_id", &id, &left), workspace)];
            if workspace.is_none() {
                let deactivated = Effect::on("id", &id, &[EventKind::UserDeactivated]);
                effects.push(deactivated.changing(&STATUS_FIELDS));
                effects.push(Effect::on("user_id", &id, &[EventKind::GroupMemberRemoved]));
            }
            one(Change::of_user(&id, effects).with_roles())
        }
        "user_reactivated" | "guest_reactivated" => {
            let id = id_of(&entity.user)?;
            let reactivated = Effect::on("id", &id, &[EventKind::UserReactivated]);
            let mut effects = vec![reactivated.changing(&STATUS_FIELDS)];
            effects.extend(joined(&id, None));
            one(Change::of_user(&id, effects).with_roles())
        }
        "user_joined_workspace" | "guest_joined_workspace" => {
            // The person is the entity, or the actor who joined the workspace that is the entity.
            let joining = id_of(&entity.user)
                .or_else(|| entry.actor.as_ref().and_then(|actor| id_of(&actor.user)))?;
            let to = id_of(&entity.workspace).or_else(|| workspace.map(str::to_owned));
            one(Change::of_user(&joining, joined(&joining, to.as_deref())).with_roles())
        }
        "user_email_updated"
        | "user_profile_updated"
        | "user_profile_deleted"
        | "guest_expiration_set"
        | "guest_expiration_cleared" => {
            let id = id_of(&entity.user)?;
            let fields: &[&str] = match entry.action.as_str() {
                "user_email_updated" => &EMAIL_FIELDS,
                "guest_expiration_set" | "guest_expiration_cleared" => &["expires_at"],
                _ => &PROFILE_FIELDS,
            };
            one(Change::of_user(&id, vec![Effect::on("id", &id, &USER_UPDATES).changing(fields)]))
        }
        "role_change_to_owner"
        | "role_change_to_admin"
        | "role_change_to_user"
        | "role_change_to_guest"
        | "owner_transferred" => {
            let Some(id) = id_of(&entity.user) else { return Some((Vec::new(), true)) };
            // It names one of the two owners.
            Some((
                level_changes(&id, &entry.action, workspace),
                entry.action == "owner_transferred",
            ))
        }
        "role_assigned" | "role_removed" | "permissions_assigned" | "permissions_removed" => {
            Some(role_changes(entry, id_of(&entity.user), id_of(&entity.role).as_ref()))
        }
        "user_added_to_usergroup" | "user_removed_from_usergroup" => {
            let group = id_of(&entity.usergroup)?;
            let kind = if entry.action == "user_added_to_usergroup" {
                EventKind::GroupMemberAdded
            } else {
                EventKind::GroupMemberRemoved
            };
            let users = users_of(entry.details.as_ref());
            let of = |user: &String| Effect::on("user_id", user, &[kind]).with("group_id", &group);
            let effects = users.iter().map(of).collect();
            one(Change { subject: Subject::Group(group), with_roles: false, effects })
        }
        "usergroup_updated" => {
            let id = id_of(&entity.usergroup)?;
            let effects = vec![
                Effect::on("id", &id, &[EventKind::GroupCreated]),
                Effect::on("id", &id, &[EventKind::GroupUpdated]).changing(&GROUP_FIELDS),
            ];
            one(Change { subject: Subject::Group(id), with_roles: false, effects })
        }
        "workspace_created" => {
            let id = id_of(&entity.workspace)?;
            let effects = vec![Effect::on("id", &id, &[EventKind::WorkspaceCreated])];
            one(Change { subject: Subject::Workspace(id), with_roles: false, effects })
        }
        // The group's members, the workspace's members, the profiles of users: more than the entry names.
        "organization_renamed"
        | "usergroup_added_to_team"
        | "usergroup_removed_from_team"
        | "workspace_deleted"
        | "workspace_accepted_migration"
        | "migration_completed" => Some((Vec::new(), true)),
        _ => None,
    }
}

/// Returns the changes of roles that are not levels.
fn role_changes(
    entry: &AuditEntry,
    entity_user: Option<String>,
    role: Option<&String>,
) -> (Vec<Change>, bool) {
    let users: Vec<String> =
        entity_user.map_or_else(|| users_of(entry.details.as_ref()), |user| vec![user]);
    let kind = if entry.action.ends_with("_assigned") {
        EventKind::RoleGranted
    } else {
        EventKind::RoleRevoked
    };
    let changes: Vec<Change> = users
        .iter()
        .map(|user| {
            let effects = role.into_iter().map(|role| Effect {
                role_ids: vec![role.clone()],
                ..Effect::on("user_id", user, &[kind])
            });
            Change::of_user(user, effects.collect()).with_roles()
        })
        .collect();
    let needs_run = changes.is_empty();
    (changes, needs_run)
}

/// Returns the ids of the users that the details of an action name.
fn users_of(details: Option<&Value>) -> Vec<String> {
    let mut users: Vec<String> = USER_DETAILS
        .iter()
        .filter_map(|name| details?.get(*name))
        .flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice))
        .filter_map(|value| value.as_str().or_else(|| value.get("id")?.as_str()))
        .filter(|id| is_id(id) && id.starts_with(['U', 'W']))
        .map(str::to_owned)
        .collect();
    users.sort_unstable();
    users.dedup();
    users
}

/// Returns who acted; `None` when it was no person.
fn actor(entry: &AuditEntry) -> Option<EventActor> {
    let user = entry.actor.as_ref()?.user.as_ref()?;
    if NO_PERSON.contains(&user.id.as_str()) {
        return None;
    }
    let app = entry.context.as_ref().and_then(|context| context.app.as_ref());
    Some(EventActor {
        kind: "user".to_owned(),
        id: Some(user.id.clone()),
        name: user.name.clone(),
        app: app.map(|app| ActingApp { id: app.id.clone(), name: app.name.clone() }),
        request_id: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry(
        action: &str,
        entity: &Value,
        location: &Value,
        details: &Value,
    ) -> Option<ChangeLogEntry> {
        let entry = json!({"id": "a1", "date_create": 1_700_000_000, "action": action,
            "actor": {"type": "user", "user": {"id": "W9", "name": "Ada", "email": "a@example.com"}},
            "entity": entity, "context": {"location": location, "app": {"id": "A1", "name": "Okta"}},
            "details": details});
        read(&serde_json::from_value(entry).unwrap())
    }

    fn user(id: &str) -> Value {
        json!({"type": "user", "user": {"id": id, "name": "Bob"}})
    }

    #[test]
    fn a_promotion_explains_the_new_level_and_the_end_of_the_old_one_in_its_place() {
        let team = json!({"type": "workspace", "id": "T1"});
        let read = entry("role_change_to_owner", &user("W1"), &team, &json!(null)).unwrap();
        let change = &read.changes[0];
        assert_eq!(change.subject, Subject::User("W1".to_owned()));
        let cause = change.cause.as_ref().unwrap();
        assert_eq!(cause.actor.name.as_deref(), Some("Ada"));
        assert_eq!(cause.actor.app.as_ref().unwrap().name.as_deref(), Some("Okta"));
        let explains = |kind, role: &str, team: &str| {
            let held = json!({"user_id": "W1", "role_id": role, "workspace_id": team});
            let held = held.as_object().unwrap();
            cause.effects.iter().any(|effect| effect.concerns(kind, held))
        };
        assert!(explains(EventKind::RoleGranted, "ws:owner", "T1"));
        assert!(explains(EventKind::RoleRevoked, "ws:member", "T1"));
        assert!(!explains(EventKind::RoleGranted, "ws:owner", "T2"));
        assert!(!explains(EventKind::RoleGranted, "org:owner", "T1"));
        assert!(!explains(EventKind::RoleGranted, "ws:admin", "T1"));
    }

    #[test]
    fn assigned_roles_name_their_users_in_the_details_or_need_a_run() {
        let role = json!({"type": "role", "role": {"id": "Rl0A", "name": "Users admin"}});
        let place = json!({"type": "enterprise", "id": "E1"});
        let details = json!({"target_user": "W1", "user_ids": ["W2", 7, "C1", {"id": "W3"}]});
        let read = entry("role_assigned", &role, &place, &details).unwrap();
        let users: Vec<&str> = read.changes.iter().map(|change| change.subject.id()).collect();
        assert_eq!((users, read.needs_run), (vec!["W1", "W2", "W3"], false));
        let read = entry("role_assigned", &role, &place, &json!({})).unwrap();
        assert!(read.needs_run && read.changes.is_empty());
    }

    #[test]
    fn unknown_and_damaged_entries_are_left_out() {
        let place = json!({"type": "enterprise", "id": "E1"});
        assert!(entry("file_downloaded", &user("W1"), &place, &json!(null)).is_none());
        assert!(entry("user_created", &json!({"type": "user"}), &place, &json!(null)).is_none());
        assert!(entry("user_created", &user("../x"), &place, &json!(null)).is_none());
    }

    #[test]
    fn slack_itself_is_no_actor() {
        let entry = json!({"id": "a1", "date_create": 1_700_000_000, "action": "user_deactivated",
            "actor": {"type": "user", "user": {"id": "USLACKUSER", "name": "Slack"}},
            "entity": user("W1")});
        let read = read(&serde_json::from_value(entry).unwrap()).unwrap();
        assert_eq!(read.changes[0].cause, None);
    }
}
