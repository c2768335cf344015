//! Wire types of Slack's audit log.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use crate::connectors::rows::Rows;
use crate::connectors::slack_enterprise::wire::ResponseMetadata;

/// The response of `/actions`: the names by family.
#[derive(Debug, Deserialize)]
pub(super) struct ActionsPage {
    pub(super) actions: HashMap<String, Vec<String>>,
}

/// A page of `/logs`.
#[derive(Debug, Deserialize)]
pub(super) struct AuditPage<R> {
    pub(super) entries: Rows<R>,
    #[serde(default)]
    pub(super) response_metadata: ResponseMetadata,
}

/// An entry.
#[derive(Debug, Deserialize)]
pub(super) struct AuditEntry {
    pub(super) id: String,
    pub(super) date_create: i64,
    pub(super) action: String,
    pub(super) actor: Option<Actor>,
    pub(super) entity: Option<Entity>,
    pub(super) context: Option<Context>,
    pub(super) details: Option<Value>,
}

/// Who acted.
#[derive(Debug, Deserialize)]
pub(super) struct Actor {
    pub(super) user: Option<Named>,
}

/// An object with a name.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    pub(super) id: String,
    pub(super) name: Option<String>,
}

/// What was acted on.
#[derive(Debug, Deserialize)]
pub(super) struct Entity {
    pub(super) user: Option<Named>,
    pub(super) usergroup: Option<Named>,
    pub(super) workspace: Option<Named>,
    pub(super) role: Option<Named>,
}

/// Where, and by which app.
#[derive(Debug, Deserialize)]
pub(super) struct Context {
    pub(super) location: Option<Location>,
    pub(super) app: Option<Named>,
}

/// A workspace or the organization.
#[derive(Debug, Deserialize)]
pub(super) struct Location {
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    pub(super) id: Option<String>,
}
