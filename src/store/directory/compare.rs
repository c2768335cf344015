//! Compares what was read from a directory with its copy, writes the differences, and returns their events.

use std::collections::HashMap;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::super::StoreError;
use super::super::change_events::{ChangeEvent, FeedLock};
use super::super::connections::TimedConnection;
use super::sizes;
use super::write_versions::{end_versions, insert_versions, update_activity};
use crate::domain::copied_object::CopiedObject;
use crate::domain::event::EventKind;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::CopyKind;
use crate::domain::sync_run::ChangeCounts;

/// Maximum size of an object in a copy, in bytes. A larger one is left out.
const MAX_OBJECT_BYTES: usize = 512 * 1024;

/// What a page changed.
#[derive(Debug, Default)]
pub(in crate::store) struct Applied {
    /// The events, in order.
    pub(in crate::store) events: Vec<ChangeEvent>,
    /// The numbers of objects.
    pub(in crate::store) counts: ChangeCounts,
}

/// An object that is new or differs from its current version.
struct Difference {
    read_at: Option<OffsetDateTime>,
    body: Option<String>,
    is_removed_since: bool,
}

/// Writes objects of one kind that were requested from the provider at `read_at`. An object whose version was read
/// later, or that was removed later, is left as it is.
pub(in crate::store) async fn apply(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    kind: CopyKind,
    objects: &[CopiedObject],
    read_at: OffsetDateTime,
) -> Result<Applied, StoreError> {
    if objects.is_empty() {
        return Ok(Applied::default());
    }
    let fits = |object: &&CopiedObject| {
        let fits = object.body.len() <= MAX_OBJECT_BYTES;
        if !fits {
            tracing::warn!(account = %feed.account.1, %kind, "an object is too large for the copy");
        }
        fits
    };
    let objects: HashMap<&str, &CopiedObject> =
        objects.iter().filter(fits).map(|object| (object.id.as_str(), object)).collect();
    let differences = differences(&mut *connection, feed, kind, &objects, read_at).await?;
    let mut applied = Applied::default();
    let (mut changed, mut written) = (Vec::new(), Vec::new());
    let mut ids: Vec<&str> = objects.keys().copied().collect();
    ids.sort_unstable();
    for object in ids.into_iter().filter_map(|id| objects.get(id)) {
        match differences.get(&object.id) {
            None => applied.counts.unchanged += 1,
            Some(found) if found.is_removed_since => {}
            Some(found) if found.read_at.is_some_and(|at| at > read_at) => {}
            Some(Difference { body: Some(before), .. }) => {
                applied.counts.updated += 1;
                applied.events.extend(change_events(object, before));
                changed.push(object.id.clone());
                written.push(*object);
            }
            Some(Difference { body: None, .. }) => {
                applied.counts.created += 1;
                applied.events.push(added(object));
                written.push(*object);
            }
        }
    }
    end_versions(&mut *connection, feed, kind, &changed).await?;
    insert_versions(&mut *connection, feed, kind, &written, read_at).await?;
    sizes::add_changes(&mut *connection, feed, kind, applied.counts).await?;
    if kind == CopyKind::User {
        let users: Vec<&CopiedObject> = objects.into_values().collect();
        update_activity(connection, feed, &users).await?;
    }
    Ok(applied)
}

/// Ends the current versions of objects that were not in the directory at `read_at`.
pub(in crate::store) async fn remove(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    kind: CopyKind,
    ids: &[String],
    read_at: OffsetDateTime,
) -> Result<Applied, StoreError> {
    if ids.is_empty() {
        return Ok(Applied::default());
    }
    let rows = sqlx::query!(
        // By the rows' places in the table of this kind: one lookup in an index for each, also without statistics.
        r#"UPDATE directory_versions SET valid_to = $5
           WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3
             AND valid_to = 'infinity' AND read_at <= $6
             AND ctid = ANY (ARRAY (
                 SELECT c.ctid FROM UNNEST($4::text[]) AS n (object_id)
                 CROSS JOIN LATERAL (
                     SELECT v.ctid FROM directory_versions v
                     WHERE v.environment_id = $1 AND v.integrated_account_id = $2 AND v.kind = $3
                       AND v.object_id = n.object_id AND v.valid_to = 'infinity' LIMIT 1) c))
           RETURNING object_id, body::text AS "body!", user_id, parent_id"#,
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        kind.name(),
        ids,
        feed.at,
        read_at,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut applied = Applied::default();
    applied.counts.removed = rows.len().try_into().unwrap_or(u64::MAX);
    sizes::add_changes(connection, feed, kind, applied.counts).await?;
    let mut rows: Vec<_> = rows
        .into_iter()
        .map(|row| {
            let subject_id =
                subject_id(kind, &row.object_id, row.user_id.as_ref(), row.parent_id.as_ref());
            (row.object_id, row.body, subject_id)
        })
        .collect();
    rows.sort_unstable();
    let event = |(id, body, subject_id)| removed(kind, id, body, subject_id);
    applied.events = rows.into_iter().map(event).collect();
    Ok(applied)
}

async fn differences(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    kind: CopyKind,
    objects: &HashMap<&str, &CopiedObject>,
    read_at: OffsetDateTime,
) -> Result<HashMap<String, Difference>, StoreError> {
    let (ids, hashes): (Vec<String>, Vec<Vec<u8>>) =
        objects.values().map(|object| (object.id.clone(), object.hash.to_vec())).unzip();
    let rows = sqlx::query!(
        // A subquery with a limit is one lookup in an index for each object. While the first run fills the copy, the
        // planner has no statistics of it, and a join would read the whole copy for each page.
        r#"SELECT n.object_id AS "object_id!", v.read_at AS "read_at?", v.body::text AS "body?",
                  (v.object_id IS NULL AND (
                      SELECT e.object_id FROM directory_versions e
                      WHERE e.environment_id = $1 AND e.integrated_account_id = $2 AND e.kind = $3
                        AND e.object_id = n.object_id AND e.valid_to <> 'infinity' AND e.valid_to > $6
                      LIMIT 1) IS NOT NULL) AS "is_removed_since!"
           FROM UNNEST($4::text[], $5::bytea[]) AS n (object_id, hash)
           LEFT JOIN LATERAL (
               SELECT c.object_id, c.hash, c.read_at, c.body FROM directory_versions c
               WHERE c.environment_id = $1 AND c.integrated_account_id = $2 AND c.kind = $3
                 AND c.object_id = n.object_id AND c.valid_to = 'infinity' LIMIT 1) v ON true
           WHERE v.hash IS DISTINCT FROM n.hash"#,
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        kind.name(),
        &ids,
        &hashes,
        read_at,
    )
    .fetch_all(connection)
    .await?;
    let difference = |row: (Option<OffsetDateTime>, Option<String>, bool)| Difference {
        read_at: row.0,
        body: row.1,
        is_removed_since: row.2,
    };
    Ok(rows
        .into_iter()
        .map(|row| (row.object_id, difference((row.read_at, row.body, row.is_removed_since))))
        .collect())
}

fn added(object: &CopiedObject) -> ChangeEvent {
    ChangeEvent {
        kind: EventKind::added(object.kind),
        object: Some(object.body.clone()),
        previous: None,
        data: None,
        subject: Some((object.kind, object.id.clone())),
        subject_id: subject_id(
            object.kind,
            &object.id,
            object.user_id.as_ref(),
            object.parent_id.as_ref(),
        ),
        attribution: None,
    }
}

/// Returns the id of the user, workspace or group that an object is read with.
fn subject_id(
    kind: CopyKind,
    id: &str,
    user_id: Option<&String>,
    parent_id: Option<&String>,
) -> Option<String> {
    match kind {
        CopyKind::User | CopyKind::Workspace | CopyKind::Group => Some(id.to_owned()),
        CopyKind::WorkspaceMember | CopyKind::RoleAssignment => user_id.cloned(),
        CopyKind::GroupMember => parent_id.cloned(),
    }
}

pub(super) fn removed(
    kind: CopyKind,
    id: String,
    before: String,
    subject_id: Option<String>,
) -> ChangeEvent {
    ChangeEvent {
        kind: EventKind::removed(kind),
        object: None,
        previous: Some(before),
        data: None,
        subject: Some((kind, id)),
        subject_id,
        attribution: None,
    }
}

/// Returns the events of an object that differs from its earlier body.
fn change_events(object: &CopiedObject, before: &str) -> Vec<ChangeEvent> {
    let Some(kind) = EventKind::updated(object.kind) else {
        let added = added(object);
        let subject_id = added.subject_id.clone();
        return vec![removed(object.kind, object.id.clone(), before.to_owned(), subject_id), added];
    };
    let (earlier, later) = (parse_object(before), parse_object(&object.body));
    let status = |fields: &Map<String, Value>| {
        fields.get("status").and_then(Value::as_str).is_some_and(|status| {
            // The two states in which a user can't sign in.
            matches!(status, "inactive" | "deleted")
        })
    };
    let kind = match (kind, status(&earlier), status(&later)) {
        (EventKind::UserUpdated, false, true) => EventKind::UserDeactivated,
        (EventKind::UserUpdated, true, false) => EventKind::UserReactivated,
        (kind, ..) => kind,
    };
    let differs = |(name, value): &(String, Value)| later.get(name) != Some(value);
    let previous: Map<String, Value> = earlier.into_iter().filter(differs).collect();
    let previous = Some(Value::Object(previous).to_string());
    vec![ChangeEvent { kind, previous, ..added(object) }]
}

fn parse_object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}
