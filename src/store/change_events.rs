//! The events of changes in a directory, appended in the transaction of the changes. The feed of an account is locked
//! for it, which orders the changes of its copy.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::StoreError;
use super::connections::TimedConnection;
use crate::domain::entropy::Entropy;
use crate::domain::event::{EventActor, EventKind, EventOrigin};
use crate::domain::ids::{EnvironmentId, EventId, IntegratedAccountId};
use crate::domain::sync::CopyKind;

/// The feed of an account, locked until the end of the transaction. It orders all changes of the account's copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeedLock {
    /// The environment and the account.
    pub(super) account: (EnvironmentId, IntegratedAccountId),
    /// The number of the last event.
    pub(super) last_sequence: i64,
    /// The time of this transaction's changes: later than that of all changes before.
    pub(super) at: OffsetDateTime,
}

/// Locks the feed of an account. Locks of accounts are taken before that of the environment's feed.
pub(super) async fn lock_feed(
    connection: &mut TimedConnection,
    account: (EnvironmentId, IntegratedAccountId),
    now: OffsetDateTime,
) -> Result<FeedLock, StoreError> {
    let feed = sqlx::query!(
        "INSERT INTO account_feeds AS feed (environment_id, integrated_account_id, last_sequence, last_change_at)
         VALUES ($1, $2, 0, $3)
         ON CONFLICT (environment_id, integrated_account_id) DO UPDATE
             SET last_change_at = GREATEST($3, feed.last_change_at + interval '1 microsecond')
         RETURNING last_sequence, last_change_at",
        account.0 as EnvironmentId,
        account.1 as IntegratedAccountId,
        now,
    )
    .fetch_one(connection)
    .await?;
    Ok(FeedLock { account, last_sequence: feed.last_sequence, at: feed.last_change_at })
}

/// A change in a directory, or the state of a run, to append to the feed.
#[derive(Debug, Clone)]
pub(super) struct ChangeEvent {
    /// The type.
    pub(super) kind: EventKind,
    /// The object after the change, as JSON.
    pub(super) object: Option<String>,
    /// The earlier values, as JSON.
    pub(super) previous: Option<String>,
    /// What else there is to say, as JSON.
    pub(super) data: Option<String>,
    /// The object of the copy that changed.
    pub(super) subject: Option<(CopyKind, String)>,
    /// The user, workspace or group that it is read with.
    pub(super) subject_id: Option<String>,
    /// What is known of this change alone.
    pub(super) attribution: Option<Attribution>,
}

/// Who made a change, and when.
#[derive(Debug, Clone)]
pub(super) struct Attribution {
    /// Who made it.
    pub(super) actor: EventActor,
    /// When it was made, if the provider has a time of it.
    pub(super) occurred_at: Option<OffsetDateTime>,
    /// How the gateway learned of it.
    pub(super) origin: EventOrigin,
}

/// How the gateway learned of some changes.
#[derive(Debug, Clone, Copy)]
pub struct ChangeSource<'a> {
    /// The way.
    pub origin: EventOrigin,
    /// Who made the changes, if known.
    pub actor: Option<&'a EventActor>,
    /// Whether the objects were found by the first run.
    pub initial: bool,
    /// The time before the provider was asked.
    pub read_at: Option<OffsetDateTime>,
}

/// Appends events in the transaction of the changes that they report, in this order. It must be the last statement
/// before the commit.
pub(super) async fn append_changes(
    connection: &mut TimedConnection,
    feed: &FeedLock,
    source: ChangeSource<'_>,
    changes: &[ChangeEvent],
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let ids: Vec<String> = changes.iter().map(|_| EventId::of(feed.at, entropy).text()).collect();
    let kinds: Vec<String> = changes.iter().map(|change| change.kind.name().to_owned()).collect();
    let column = |of: fn(&ChangeEvent) -> &Option<String>| -> Vec<Option<String>> {
        changes.iter().map(|change| of(change).clone()).collect()
    };
    let attributed = |of: fn(&Attribution) -> Option<String>| -> Vec<Option<String>> {
        changes.iter().map(|change| change.attribution.as_ref().and_then(of)).collect()
    };
    let times: Vec<Option<OffsetDateTime>> =
        changes.iter().map(|change| change.attribution.as_ref()?.occurred_at).collect();
    let (environment_id, account_id) = feed.account;
    sqlx::query!(
        "WITH place AS (
             UPDATE environments SET last_event = last_event + cardinality($6::text[])
             WHERE environment_id = $1
             RETURNING last_event - cardinality($6::text[]) AS last
         ), feed AS (
             UPDATE account_feeds SET last_sequence = $4::bigint + cardinality($6::text[])
             WHERE environment_id = $1 AND integrated_account_id = $2
         )
         INSERT INTO events (environment_id, position, event_id, at, type, integrated_account_id, data,
             sequence, origin, actor, object, previous, initial, occurred_at, subject_id, read_at)
         SELECT $1, place.last + change.number, change.event_id, $3, change.type, $2,
             COALESCE(change.data::jsonb, 'null'), $4::bigint + change.number,
             COALESCE(change.origin, $5), COALESCE(change.actor::jsonb, $11),
             change.object::json, change.previous::json, $12, change.occurred_at, change.subject_id, $17
         FROM place, UNNEST($6::text[], $7::text[], $8::text[], $9::text[], $10::text[], $13::text[],
                 $14::text[], $15::timestamptz[], $16::text[])
             WITH ORDINALITY AS change
                 (event_id, type, object, previous, data, origin, actor, occurred_at, subject_id, number)",
        environment_id as EnvironmentId,
        account_id as IntegratedAccountId,
        feed.at,
        feed.last_sequence,
        source.origin.name(),
        &ids,
        &kinds,
        &column(|change| &change.object) as &[Option<String>],
        &column(|change| &change.previous) as &[Option<String>],
        &column(|change| &change.data) as &[Option<String>],
        source.actor.map(Json) as Option<Json<&EventActor>>,
        source.initial,
        &attributed(|known| Some(known.origin.name().to_owned())) as &[Option<String>],
        &attributed(|known| serde_json::to_string(&known.actor).ok()) as &[Option<String>],
        &times as &[Option<OffsetDateTime>],
        &column(|change| &change.subject_id) as &[Option<String>],
        source.read_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}
