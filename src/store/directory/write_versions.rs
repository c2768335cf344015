//! Writes versions of objects: the end of the current ones, new ones, and when users were last active.

use time::OffsetDateTime;

use super::super::StoreError;
use super::super::change_events::FeedLock;
use super::super::connections::TimedConnection;
use crate::domain::copied_object::{CopiedObject, UserColumns};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::sync::CopyKind;

/// Ends the current versions of objects.
pub(super) async fn end_versions(
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

/// Inserts versions of objects that were requested from the provider at `read_at`.
pub(super) async fn insert_versions(
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
pub(super) async fn update_activity(
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
