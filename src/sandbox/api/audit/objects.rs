//! JSON of entries, actions and schemas of the audit logs API.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::sandbox::audit::{
    ACTIONS, AuditEntity, AuditLocation, AuditLogEntry, AuditUser, SYSTEM_USER_ID,
};

/// Returns an entry.
pub(super) fn entry(number: u64, entry: &AuditLogEntry) -> Value {
    let mut body = json!({
        "id": id(number, entry),
        "date_create": entry.at,
        "action": entry.action,
        "actor": {"type": "user", "user": actor(entry.actor.as_deref())},
        "entity": entity(&entry.entity),
        "context": context(entry),
    });
    if let (Some(fields), false) = (body.as_object_mut(), entry.details.is_empty()) {
        let details = entry.details.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        fields.insert("details".to_owned(), Value::Object(details.collect()));
    }
    body
}

/// Returns an entry id in Slack's format. It is derived from time and number, so that it is not
/// repeated after a restart.
fn id(number: u64, entry: &AuditLogEntry) -> String {
    let digest = Sha256::digest(format!("{} {number} {}", entry.at, entry.action));
    let hex: Vec<String> = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().concat();
    [part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 16)].join("-")
}

/// Returns the actor; a placeholder for none.
fn actor(user: Option<&AuditUser>) -> Value {
    match user {
        Some(user) => json!(user),
        None => json!({"id": SYSTEM_USER_ID, "name": "Slack", "email": "", "team": ""}),
    }
}

fn entity(entity: &AuditEntity) -> Value {
    let (kind, object) = match entity {
        AuditEntity::User(user) => ("user", json!(user)),
        AuditEntity::Workspace(team) => ("workspace", json!(team)),
        AuditEntity::Enterprise(team) => ("enterprise", json!(team)),
        AuditEntity::Usergroup(group) => ("usergroup", json!(group)),
        AuditEntity::Role(role) => ("role", json!(role)),
        AuditEntity::App(app) => ("app", json!(app)),
    };
    let mut fields = Map::new();
    fields.insert("type".to_owned(), Value::from(kind));
    fields.insert(kind.to_owned(), object);
    Value::Object(fields)
}

fn context(entry: &AuditLogEntry) -> Value {
    let (kind, team) = match &entry.location {
        AuditLocation::Workspace(team) => ("workspace", team),
        AuditLocation::Enterprise(team) => ("enterprise", team),
    };
    let mut context = json!({
        "location": {"type": kind, "id": team.id, "name": team.name, "domain": team.domain},
        "ua": "",
        "ip_address": "127.0.0.1",
        "session_id": null,
    });
    // Present only if an app made the change.
    if let (Some(fields), Some(app)) = (context.as_object_mut(), &entry.app) {
        fields.insert("app".to_owned(), json!(app));
    }
    context
}

/// Returns the response of `/actions`.
pub(super) fn actions() -> Value {
    let families: Map<String, Value> =
        ACTIONS.iter().map(|(family, names)| ((*family).to_owned(), json!(names))).collect();
    json!({"ok": true, "actions": families})
}

/// Returns the response of `/schemas`: the objects of an entry.
pub(super) fn schemas() -> Value {
    let (text, flag) = ("string", "boolean");
    let team = json!({"id": text, "name": text, "domain": text});
    let schemas = json!([
        {"type": "workspace", "workspace": &team},
        {"type": "enterprise", "enterprise": &team},
        {"type": "user", "user": {
            "id": text, "name": text, "email": text, "team": text, "account_type": text,
        }},
        {"type": "app", "app": {
            "id": text, "name": text, "is_distributed": flag, "is_directory_approved": flag,
            "is_workflow_app": flag, "scopes": "array", "bot_scopes": "array",
        }},
        {"type": "usergroup", "usergroup": {"id": text, "name": text}},
        {"type": "role", "role": {"id": text, "name": text, "type": text}},
    ]);
    json!({"ok": true, "schemas": schemas})
}
