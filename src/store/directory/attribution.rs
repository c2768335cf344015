//! Who made the changes of a copy, as the provider's audit log says: set when a change is written, or when the log has
//! its entries later; withdrawn when a late entry leaves a doubt.

use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

use super::super::StoreError;
use super::super::change_events::{Attribution, ChangeEvent, FeedLock};
use super::super::connections::{TimedConnection, Transaction};
use super::super::policies;
use super::timeline::{TimedCause, TimedEvent, Verdict, explain};
use crate::domain::effect::FoundChange;
use crate::domain::event::{EventActor, EventKind, EventOrigin};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::reported_change::Cause;
use crate::domain::sync::CopyKind;

/// How long entries are stored: late ones are compared with them.
const CAUSE_RETENTION: Duration = Duration::days(1);
/// Maximum number of entries of an object that are compared, the newest ones.
const MAX_CAUSES: i64 = 1_000;
/// Maximum number of earlier events of an object that are compared, the newest ones.
const MAX_EARLIER_EVENTS: i64 = 500;
/// How far before an entry an event may have been found, at most.
const MARGIN: Duration = Duration::minutes(1);

/// What the provider's audit log says of the user, workspace or group that was read.
#[derive(Debug, Clone, Copy)]
pub struct LogCauses<'a> {
    /// Its id.
    pub subject_id: &'a str,
    /// The new entries.
    pub causes: &'a [Cause],
}

/// An event in the feed.
struct StoredEvent {
    position: i64,
    is_own: bool,
    is_removal: bool,
    made: Option<(EventActor, Option<OffsetDateTime>)>,
}

/// Sets who made the changes of these events, and of those that were found before, in the events and in the versions.
pub(super) async fn attribute(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    events: &mut [ChangeEvent],
    (log, read_at): (LogCauses<'_>, OffsetDateTime),
) -> Result<(), StoreError> {
    if log.causes.is_empty() {
        return Ok(());
    }
    store_causes(&mut *connection, feed, log, read_at).await?;
    let mut causes = load_causes(&mut *connection, feed, log.subject_id).await?;
    let (stored, mut timed) =
        earlier_events(&mut *connection, feed, log.subject_id, &mut causes).await?;
    let mut new = Vec::new();
    for (index, event) in events.iter().enumerate() {
        let (object, previous) = (event.object.as_deref(), event.previous.as_deref());
        if let (Some(change), Some(object)) =
            (FoundChange::of(event.kind, object, previous), event.subject.clone())
        {
            timed.push(TimedEvent { change, object, read_at, at: feed.at });
            new.push(index);
        }
    }
    let verdicts = explain(&timed, &causes);
    for ((stored, timed), verdict) in stored.iter().zip(&timed).zip(&verdicts) {
        correct(&mut *connection, feed, (stored, timed), *verdict).await?;
    }
    for (index, verdict) in new.into_iter().zip(verdicts.into_iter().skip(stored.len())) {
        if let (Some(event), Verdict::Made(cause, at)) = (events.get_mut(index), verdict)
            && event.attribution.is_none()
        {
            event.attribution = Some(Attribution {
                actor: cause.actor.clone(),
                occurred_at: Some(at),
                origin: EventOrigin::AuditLog,
            });
        }
    }
    Ok(())
}

/// Sets who made the versions of new events.
pub(in crate::store) async fn write_version_actors(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    events: &[ChangeEvent],
) -> Result<(), StoreError> {
    for event in events {
        let (Some((kind, id)), Some(known)) = (&event.subject, &event.attribution) else {
            continue;
        };
        let version = (*kind, id.as_str(), feed.at);
        let by = Some((&known.actor, known.occurred_at));
        set_version_actor(&mut *connection, feed, version, event.object.is_none(), by).await?;
    }
    Ok(())
}

/// Stores new entries, which explain what was found until this read.
async fn store_causes(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    log: LogCauses<'_>,
    read_at: OffsetDateTime,
) -> Result<(), StoreError> {
    let times: Vec<OffsetDateTime> = log.causes.iter().map(|cause| cause.at).collect();
    let bodies: Vec<String> = log
        .causes
        .iter()
        .map(|cause| serde_json::to_string(cause).unwrap_or_else(|_| "null".to_owned()))
        .collect();
    sqlx::query!(
        "INSERT INTO change_causes (environment_id, integrated_account_id, subject_id, settled_at, number, at, cause)
         SELECT $1, $2, $3, $4, n.number, n.at, n.cause::jsonb
         FROM UNNEST($5::timestamptz[], $6::text[]) WITH ORDINALITY AS n (at, cause, number)
         ON CONFLICT DO NOTHING",
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        log.subject_id,
        read_at,
        &times,
        &bodies,
    )
    .execute(connection)
    .await?;
    Ok(())
}

async fn load_causes(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    subject_id: &str,
) -> Result<Vec<TimedCause>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT cause AS "cause: Json<Cause>", settled_at FROM change_causes
           WHERE environment_id = $1 AND integrated_account_id = $2 AND subject_id = $3
           ORDER BY settled_at DESC, number DESC LIMIT $4"#,
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        subject_id,
        MAX_CAUSES,
    )
    .fetch_all(connection)
    .await?;
    let cause =
        |row: (Json<Cause>, OffsetDateTime)| TimedCause { cause: row.0.0, settled_at: row.1 };
    Ok(rows.into_iter().map(|row| cause((row.cause, row.settled_at))).collect())
}

/// Returns the events since the first entry, oldest first. Entries before the first of too many events are left out:
/// they may explain one that is not compared.
async fn earlier_events(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    subject_id: &str,
    causes: &mut Vec<TimedCause>,
) -> Result<(Vec<StoredEvent>, Vec<TimedEvent>), StoreError> {
    let (mut stored, mut timed) = (Vec::new(), Vec::new());
    let Some(first) = causes.iter().map(|cause| cause.cause.at).min() else {
        return Ok((stored, timed));
    };
    let rows = sqlx::query!(
        r#"SELECT position, at, COALESCE(read_at, at) AS "read_at!", type AS kind, object::text, previous::text,
                  origin = 'gateway' AS "is_own!", actor AS "actor: Json<EventActor>",
                  occurred_at
           FROM events
           WHERE environment_id = $1 AND integrated_account_id = $2 AND subject_id = $3 AND at >= $4
           ORDER BY at DESC, position DESC LIMIT $5"#,
        feed.account.0 as EnvironmentId,
        feed.account.1 as IntegratedAccountId,
        subject_id,
        first - MARGIN,
        MAX_EARLIER_EVENTS,
    )
    .fetch_all(connection)
    .await?;
    let is_cut = i64::try_from(rows.len()).is_ok_and(|count| count >= MAX_EARLIER_EVENTS);
    if let Some(oldest) = rows.last().filter(|_| is_cut) {
        causes.retain(|cause| cause.cause.at > oldest.at);
    }
    for row in rows.into_iter().rev() {
        // One of a later version is none that the entries explain.
        let Ok(kind) = row.kind.parse::<EventKind>() else { continue };
        let change = FoundChange::of(kind, row.object.as_deref(), row.previous.as_deref());
        let Some(change) = change else { continue };
        let Some(object) = object_of(&change) else { continue };
        timed.push(TimedEvent { change, object, read_at: row.read_at, at: row.at });
        stored.push(StoredEvent {
            position: row.position,
            is_own: row.is_own,
            is_removal: row.object.is_none(),
            made: row.actor.map(|actor| (actor.0, row.occurred_at)),
        });
    }
    Ok((stored, timed))
}

/// Sets or withdraws the actor of a stored event. Those of this gateway's changes are never changed.
async fn correct(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    (stored, timed): (&StoredEvent, &TimedEvent),
    verdict: Verdict<'_>,
) -> Result<(), StoreError> {
    let by = match verdict {
        Verdict::Made(cause, at) => Some((&cause.actor, Some(at))),
        Verdict::Doubtful => None,
        Verdict::Unknown => return Ok(()),
    };
    if stored.is_own || stored.made.as_ref().map(|(actor, at)| (actor, *at)) == by {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE events SET actor = $3, occurred_at = $4 WHERE environment_id = $1 AND position = $2",
        feed.account.0 as EnvironmentId,
        stored.position,
        by.map(|(actor, _)| Json(actor)) as Option<Json<&EventActor>>,
        by.and_then(|(_, at)| at),
    )
    .execute(&mut *connection)
    .await?;
    policies::evaluate_again(&mut *connection, feed.account, stored.position).await?;
    let (kind, id) = &timed.object;
    let version = (*kind, id.as_str(), timed.at);
    set_version_actor(connection, feed, version, stored.is_removal, by).await
}

/// Returns the object of the copy that an event is about.
fn object_of(change: &FoundChange) -> Option<(CopyKind, String)> {
    let text = |name: &str| change.object.get(name).and_then(serde_json::Value::as_str);
    let copy_kind = change.kind.copy_kind()?;
    let id = match copy_kind {
        CopyKind::WorkspaceMember => format!("{}.{}", text("workspace_id")?, text("user_id")?),
        CopyKind::GroupMember => format!("{}.{}", text("group_id")?, text("user_id")?),
        CopyKind::User | CopyKind::Workspace | CopyKind::Group | CopyKind::RoleAssignment => {
            text("id")?.to_owned()
        }
    };
    Some((copy_kind, id))
}

/// Sets who made a version, or who ended it.
async fn set_version_actor(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    (kind, id, at): (CopyKind, &str, OffsetDateTime),
    is_removal: bool,
    by: Option<(&EventActor, Option<OffsetDateTime>)>,
) -> Result<(), StoreError> {
    let (actor, occurred_at) = (by.map(|(actor, _)| Json(actor)), by.and_then(|(_, at)| at));
    if is_removal {
        sqlx::query!(
            "UPDATE directory_versions SET end_actor = $6, ended_at = $7
             WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND object_id = $4
               AND valid_to = $5",
            feed.account.0 as EnvironmentId,
            feed.account.1 as IntegratedAccountId,
            kind.name(),
            id,
            at,
            actor as Option<Json<&EventActor>>,
            occurred_at,
        )
        .execute(connection)
        .await?;
    } else {
        sqlx::query!(
            "UPDATE directory_versions SET actor = $6, occurred_at = $7
             WHERE environment_id = $1 AND integrated_account_id = $2 AND kind = $3 AND object_id = $4
               AND valid_from = $5",
            feed.account.0 as EnvironmentId,
            feed.account.1 as IntegratedAccountId,
            kind.name(),
            id,
            at,
            actor as Option<Json<&EventActor>>,
            occurred_at,
        )
        .execute(connection)
        .await?;
    }
    Ok(())
}

/// Deletes a batch of old entries.
pub(in crate::store) async fn purge_causes(
    tx: &mut Transaction,
    now: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM change_causes WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM change_causes WHERE at < $1
                   ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        now - CAUSE_RETENTION,
        limit,
    )
    .fetch_one(&mut **tx)
    .await
}
