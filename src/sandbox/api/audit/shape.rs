//! Entries, actions and schemas in the shapes of the audit logs API.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::sandbox::audit::{ACTIONS, Entity, Entry, Face, NOBODY, Place};

/// An entry.
pub(super) fn entry(number: u64, entry: &Entry) -> Value {
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

/// An id like the real ones. It says when the entry was made and which one it was, so a sandbox
/// that is started again does not repeat it.
fn id(number: u64, entry: &Entry) -> String {
    let digest = Sha256::digest(format!("{} {number} {}", entry.at, entry.action));
    let hex: Vec<String> = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().concat();
    [part(0, 4), part(4, 6), part(6, 8), part(8, 10), part(10, 16)].join("-")
}

/// Who acted. What nobody did was done by a placeholder.
fn actor(face: Option<&Face>) -> Value {
    match face {
        Some(face) => json!(face),
        None => json!({"id": NOBODY, "name": "Slack", "email": "", "team": ""}),
    }
}

fn entity(entity: &Entity) -> Value {
    let (kind, thing) = match entity {
        Entity::User(face) => ("user", json!(face)),
        Entity::Workspace(site) => ("workspace", json!(site)),
        Entity::Usergroup(group) => ("usergroup", json!(group)),
        Entity::Role(role) => ("role", json!(role)),
        Entity::App(app) => ("app", json!(app)),
    };
    let mut fields = Map::new();
    fields.insert("type".to_owned(), Value::from(kind));
    fields.insert(kind.to_owned(), thing);
    Value::Object(fields)
}

fn context(entry: &Entry) -> Value {
    let (kind, site) = match &entry.place {
        Place::Workspace(site) => ("workspace", site),
        Place::Enterprise(site) => ("enterprise", site),
    };
    let mut context = json!({
        "location": {"type": kind, "id": site.id, "name": site.name, "domain": site.domain},
        "ua": "",
        "ip_address": "127.0.0.1",
        "session_id": null,
    });
    // The app is there only when something was done through one.
    if let (Some(fields), Some(app)) = (context.as_object_mut(), &entry.app) {
        fields.insert("app".to_owned(), json!(app));
    }
    context
}

/// The answer of `/actions`.
pub(super) fn actions() -> Value {
    let families: Map<String, Value> =
        ACTIONS.iter().map(|(family, names)| ((*family).to_owned(), json!(names))).collect();
    json!({"ok": true, "actions": families})
}

/// The answer of `/schemas`: what the objects of an entry look like.
pub(super) fn schemas() -> Value {
    let (text, flag) = ("string", "boolean");
    let site = json!({"id": text, "name": text, "domain": text});
    let schemas = json!([
        {"type": "workspace", "workspace": &site},
        {"type": "enterprise", "enterprise": &site},
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
