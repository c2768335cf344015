//! The history of one object: each change, newest first, with the earlier values.

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::{CopiedResource, CopyError, SyncedCopy};
use crate::domain::event::EventActor;
use crate::domain::sync::CopyKind;
use crate::store::VersionRow;

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryChange {
    /// It is no longer in the directory.
    Removed,
    /// It appeared in the directory.
    Created,
    /// Its fields changed.
    Updated,
}

/// A change of an object, or of what refers to it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HistoryEntry {
    /// When the gateway found it.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// When it happened by the provider's time; `null` when unknown.
    #[serde(with = "time::serde::rfc3339::option")]
    pub occurred_at: Option<OffsetDateTime>,
    /// Who made the change; `null` when unknown.
    pub actor: Option<EventActor>,
    /// What happened.
    pub change: HistoryChange,
    /// The kind of object: `user`, `workspace_member`, `role_assignment`, …
    #[schema(value_type = String, example = "user")]
    pub kind: CopyKind,
    /// The object's id.
    #[schema(example = "U0EXAMPLE")]
    pub object_id: String,
    /// The object after the change; `null` after a removal.
    #[schema(value_type = Option<Object>)]
    pub object: Option<Box<RawValue>>,
    /// The earlier values of the changed fields; after a removal, the whole object.
    #[schema(value_type = Option<Object>)]
    pub previous: Option<Box<RawValue>>,
}

impl SyncedCopy<'_> {
    /// Returns the changes of an object, newest first. Those of a user include its memberships and roles, those of a
    /// workspace or group its members.
    ///
    /// # Errors
    ///
    /// `NotSynced`, `NotFound` when the copy never had the object, or `Store`.
    pub async fn history(
        &self,
        resource: CopiedResource,
        id: &str,
    ) -> Result<Vec<HistoryEntry>, CopyError> {
        let freshness = self.freshness(resource.kind).await?;
        freshness.ok_or(CopyError::NotSynced(resource.name))?;
        let versions = self.db.versions(self.account.id, resource.kind, id).await?;
        if !versions.iter().any(|version| version.kind == resource.kind) {
            return Err(CopyError::NotFound(resource.singular));
        }
        Ok(entries(&versions))
    }
}

/// Returns the changes between versions, newest first.
fn entries(versions: &[VersionRow]) -> Vec<HistoryEntry> {
    let mut ordered: Vec<&VersionRow> = versions.iter().collect();
    ordered.sort_by_key(|version| (version.kind, &version.id, version.valid_from));
    let mut entries = Vec::new();
    let mut versions = ordered.into_iter().peekable();
    let mut last: Option<&VersionRow> = None;
    while let Some(version) = versions.next() {
        let is_same = |other: &VersionRow| other.kind == version.kind && other.id == version.id;
        let before = last.filter(|last| is_same(last) && last.valid_to == Some(version.valid_from));
        let is_replaced = versions
            .peek()
            .is_some_and(|next| is_same(next) && version.valid_to == Some(next.valid_from));
        entries.push(HistoryEntry {
            at: version.valid_from,
            occurred_at: version.made.at,
            actor: version.made.actor.clone(),
            change: before.map_or(HistoryChange::Created, |_| HistoryChange::Updated),
            kind: version.kind,
            object_id: version.id.clone(),
            object: Some(raw(&version.body)),
            previous: before.map(|before| previous(&before.body, &version.body)),
        });
        if let Some(at) = version.valid_to.filter(|_| !is_replaced) {
            entries.push(HistoryEntry {
                at,
                occurred_at: version.ended.at,
                actor: version.ended.actor.clone(),
                change: HistoryChange::Removed,
                kind: version.kind,
                object_id: version.id.clone(),
                object: None,
                previous: Some(raw(&version.body)),
            });
        }
        last = Some(version);
    }
    entries.sort_by(|one, other| {
        let key =
            |entry: &HistoryEntry| (entry.at, entry.change, entry.kind, entry.object_id.clone());
        key(other).cmp(&key(one))
    });
    entries
}

/// Returns the earlier values of the fields that differ.
fn previous(before: &str, after: &str) -> Box<RawValue> {
    let parse = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let after = parse(after);
    let differs = |(name, value): &(String, Value)| after.get(name) != Some(value);
    let fields: Map<String, Value> = parse(before).into_iter().filter(differs).collect();
    to_raw_value(&fields).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn raw(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
