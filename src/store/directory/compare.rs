//! Compares what was read from a directory with its copy, writes the differences, and returns their events.

use std::collections::HashMap;

use serde_json::{Map, Value};
use time::OffsetDateTime;

use super::super::StoreError;
use super::super::change_events::{ChangeEvent, FeedLock};
use super::super::connections::TimedConnection;
use super::sizes;
use crate::domain::copied_object::{CopiedObject, UserColumns};
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

async fn end_versions(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    kind: CopyKind,
    ids: &[String],
) -> Result<(), StoreError> {
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE directory_versions SET valid_to = $5
         WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND valid_to = 'infinity'
           AND ctid = ANY (ARRAY (
               SELECT c.ctid FROM UNNEST($4::text[]) AS n (object_id)
               CROSS JOIN LATERAL (
                   SELECT v.ctid FROM directory_versions v
                   WHERE v.environment_id = $1 AND v.integrated_account_id = $2 AND v.kind = $3
                     AND v.object_id = n.object_id AND v.valid_to = 'infinity' LIMIT 1) c))",
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        kind.name(),
        ids,
        feed.at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn insert_versions(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    kind: CopyKind,
    objects: &[&CopiedObject],
    read_at: OffsetDateTime,
) -> Result<(), StoreError> {
    if objects.is_empty() {
        return Ok(());
    }
    let none = UserColumns::default();
    let users = objects.iter().map(|object| object.user.as_ref().unwrap_or(&none));
    let users: Vec<&UserColumns> = users.collect();
    let ids: Vec<String> = objects.iter().map(|object| object.id.clone()).collect();
    let hashes: Vec<Vec<u8>> = objects.iter().map(|object| object.hash.to_vec()).collect();
    let name_keys: Vec<_> = objects.iter().map(|object| object.name_key()).collect();
    let bodies: Vec<String> = objects.iter().map(|object| object.body.clone()).collect();
    let reference = |of: fn(&CopiedObject) -> &Option<String>| -> Vec<Option<String>> {
        objects.iter().map(|object| of(object).clone()).collect()
    };
    let text = |of: fn(&UserColumns) -> &Option<String>| -> Vec<Option<String>> {
        users.iter().map(|user| of(user).clone()).collect()
    };
    let name = |of: fn(&UserColumns) -> &String| -> Vec<String> {
        users.iter().map(|user| of(user).clone()).collect()
    };
    let time = |of: fn(&UserColumns) -> Option<OffsetDateTime>| -> Vec<Option<OffsetDateTime>> {
        users.iter().map(|user| of(user)).collect()
    };
    sqlx::query!(
        "INSERT INTO directory_versions (environment_id, integrated_account_id, kind, valid_from, read_at,
             object_id, hash, body, user_id, parent_id, role_id, name, name_key, email, username, title,
             department, status, user_type, manager_id, search_text, updated_at, last_activity_at)
         SELECT $1, $2, $3, $4, $5, n.object_id, n.hash, n.body::json, n.user_id, n.parent_id, n.role_id,
             n.name, n.name_key, n.email, n.username, n.title, n.department, NULLIF(n.status, ''),
             NULLIF(n.user_type, ''), n.manager_id, NULLIF(n.search_text, ''), n.updated_at,
             COALESCE(n.last_activity_at, (
                 SELECT max(o.last_activity_at) FROM directory_versions o
                 WHERE o.environment_id = $1 AND o.integrated_account_id = $2 AND o.kind = $3
                   AND o.object_id = n.object_id))
         FROM UNNEST($6::text[], $7::bytea[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[],
             $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::text[], $19::text[],
             $20::text[], $21::text[], $22::timestamptz[], $23::timestamptz[])
             AS n (object_id, hash, body, user_id, parent_id, role_id, name, name_key, email, username, title,
                 department, status, user_type, manager_id, search_text, updated_at, last_activity_at)",
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        kind.name(),
        feed.at,
        read_at,
        &ids,
        &hashes,
        &bodies,
        &reference(|object| &object.user_id) as &[Option<String>],
        &reference(|object| &object.parent_id) as &[Option<String>],
        &reference(|object| &object.role_id) as &[Option<String>],
        &reference(|object| &object.name) as &[Option<String>],
        &name_keys as &[Option<String>],
        &text(|user| &user.email) as &[Option<String>],
        &text(|user| &user.username) as &[Option<String>],
        &text(|user| &user.title) as &[Option<String>],
        &text(|user| &user.department) as &[Option<String>],
        &name(|user| &user.status),
        &name(|user| &user.user_type),
        &text(|user| &user.manager_id) as &[Option<String>],
        &name(|user| &user.search_text),
        &time(|user| user.updated_at) as &[Option<OffsetDateTime>],
        &time(|user| user.last_activity_at) as &[Option<OffsetDateTime>],
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Updates when users were last active, without a new version: it changes every day.
async fn update_activity(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    users: &[&CopiedObject],
) -> Result<(), StoreError> {
    let (ids, times) = activity(users.iter().copied());
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE directory_users u SET last_activity_at = n.at
         FROM UNNEST($3::text[], $4::timestamptz[]) AS n (object_id, at)
         CROSS JOIN LATERAL (
             SELECT c.valid_from FROM directory_users c
             WHERE c.environment_id = $1 AND c.integrated_account_id = $2 AND c.kind = 'user'
               AND c.object_id = n.object_id AND c.valid_to = 'infinity'
               AND (c.last_activity_at IS NULL OR c.last_activity_at < n.at) LIMIT 1) earlier
         WHERE u.environment_id = $1 AND u.integrated_account_id = $2 AND u.kind = 'user'
           AND u.object_id = n.object_id AND u.valid_from = earlier.valid_from",
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        &ids,
        &times,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns the ids of the users whose last activity is known, and the times.
fn activity<'o>(
    users: impl Iterator<Item = &'o CopiedObject>,
) -> (Vec<String>, Vec<OffsetDateTime>) {
    users
        .filter_map(|object| Some((object.id.clone(), object.user.as_ref()?.last_activity_at?)))
        .unzip()
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
