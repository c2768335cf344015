//! The event feed: events are stored in the transaction of what they report, and listed in commit order. The events of
//! an account are numbered without gaps.

use serde_json::value::RawValue;
use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

use super::columns::parse_name;
use super::connections::TimedConnection;
use super::{StoreError, TenantDb};
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::event::{Event, EventActor, EventKind, EventOrigin};
use crate::domain::ids::{EnvironmentId, EventId, IntegratedAccountId};

/// How long events are listed.
pub(super) const RETENTION: Duration = Duration::days(30);
/// Minimum interval between two events about an account's failing refresh.
const FAILURE_EVENT_INTERVAL: Duration = Duration::hours(1);

/// An event to append. The account's data is taken from its row.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    id: EventId,
    at: OffsetDateTime,
    kind: EventKind,
    account_id: IntegratedAccountId,
    reason: Option<&'a str>,
}

impl<'a> NewEvent<'a> {
    /// Returns an event that happens to an account now.
    pub fn new(
        kind: EventKind,
        account_id: IntegratedAccountId,
        reason: Option<&'a str>,
        clock: &dyn Clock,
        entropy: &dyn Entropy,
    ) -> Self {
        Self { id: EventId::generate(clock, entropy), at: clock.now(), kind, account_id, reason }
    }
}

/// Filter of events; `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Event type.
    pub kind: Option<EventKind>,
    /// Account.
    pub account_id: Option<IntegratedAccountId>,
}

impl TenantDb {
    /// Returns up to `limit` events after a position, each with its position, oldest first. Positions only grow, so a
    /// reader that continues after the last one misses none.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn events(
        &self,
        filter: &EventFilter,
        after: i64,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<(i64, Event)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT e.position, e.event_id AS "id: EventId", e.at, e.type AS kind, e.sequence,
                      e.integrated_account_id AS "integrated_account_id: IntegratedAccountId", a.tenant_id,
                      e.occurred_at, e.origin, e.actor AS "actor: Json<EventActor>",
                      e.object AS "object: Json<Box<RawValue>>", e.previous AS "previous: Json<Box<RawValue>>",
                      e.initial, e.data AS "data: Json<Box<RawValue>>"
               FROM events e JOIN integrated_accounts a USING (environment_id, integrated_account_id)
               WHERE e.environment_id = $1 AND e.position > $2 AND e.at > $3
                 AND ($4::text IS NULL OR e.type = $4)
                 AND ($5::text IS NULL OR e.integrated_account_id = $5)
               ORDER BY e.position LIMIT $6"#,
            self.environment_id as EnvironmentId,
            after,
            now - RETENTION,
            filter.kind.map(EventKind::name),
            filter.account_id as Option<IntegratedAccountId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let event = Event {
                    id: row.id,
                    kind: parse_name("events", "type", &row.kind)?,
                    sequence: row.sequence,
                    integrated_account_id: row.integrated_account_id,
                    tenant_id: row.tenant_id,
                    occurred_at: row.occurred_at.unwrap_or(row.at),
                    observed_at: row.at,
                    origin: parse_name("events", "origin", &row.origin)?,
                    actor: row.actor.map(|actor| actor.0),
                    object: row.object.map(|object| object.0),
                    previous: row.previous.map(|previous| previous.0),
                    initial: row.initial,
                    data: Some(row.data.0).filter(|data| data.get() != "null"),
                };
                Ok((row.position, event))
            })
            .collect()
    }

    /// Returns whether events after a position were purged: a reader that continues there would miss some.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn has_purged_events(
        &self,
        after: i64,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let oldest = sqlx::query_scalar!(
            r#"SELECT COALESCE(
                   (SELECT position FROM events WHERE environment_id = $1 AND at > $2
                    ORDER BY position LIMIT 1),
                   (SELECT last_event + 1 FROM environments WHERE environment_id = $1), 0) AS "oldest!""#,
            self.environment_id as EnvironmentId,
            now - RETENTION,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(after + 1 < oldest)
    }

    /// Appends an event about a failed refresh, unless a recent one exists.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn record_failed_refresh(&self, event: &NewEvent<'_>) -> Result<(), StoreError> {
        let is_recorded = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT FROM events WHERE environment_id = $1 AND integrated_account_id = $2
                     AND type = $3 AND at > $4
               ) AS "told!""#,
            self.environment_id as EnvironmentId,
            event.account_id as IntegratedAccountId,
            event.kind.name(),
            event.at - FAILURE_EVENT_INTERVAL,
        )
        .fetch_one(&self.pool)
        .await?;
        if !is_recorded {
            let mut tx = self.pool.begin().await?;
            append(&mut tx, self.environment_id, event).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Appends an event in the transaction of what it reports. It must be the last statement before the commit, because it
/// blocks other events of the environment until then. Also purges a few old events.
pub(super) async fn append(
    connection: &mut TimedConnection,
    environment_id: EnvironmentId,
    event: &NewEvent<'_>,
) -> Result<(), StoreError> {
    let feed = lock_feed(connection, (environment_id, event.account_id), event.at).await?;
    sqlx::query!(
        "WITH place AS (
             UPDATE environments SET last_event = last_event + 1 WHERE environment_id = $1
             RETURNING last_event
         ), feed AS (
             UPDATE account_feeds SET last_sequence = $7
             WHERE environment_id = $1 AND integrated_account_id = $5
         )
         INSERT INTO events (environment_id, position, event_id, at, type, integrated_account_id, data, sequence)
         SELECT $1, place.last_event, $2, $3, $4, $5, jsonb_build_object(
             'tenant_id', a.tenant_id, 'provider', a.provider, 'status', a.status,
             'organization', jsonb_build_object('id', a.organization_id, 'name', a.organization_name),
             'missing_scopes', to_jsonb(a.missing_scopes), 'reason', $6::text), $7
         FROM place, integrated_accounts a
         WHERE a.environment_id = $1 AND a.integrated_account_id = $5",
        environment_id as EnvironmentId,
        event.id as EventId,
        event.at,
        event.kind.name(),
        event.account_id as IntegratedAccountId,
        event.reason,
        feed.last_sequence + 1,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM events WHERE environment_id = $1 AND at < $2 AND position IN (
             SELECT position FROM events WHERE environment_id = $1 ORDER BY position LIMIT 100)",
        environment_id as EnvironmentId,
        event.at - RETENTION,
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}

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
             sequence, origin, actor, object, previous, initial)
         SELECT $1, place.last + change.number, change.event_id, $3, change.type, $2,
             COALESCE(change.data::jsonb, 'null'), $4::bigint + change.number, $5, $11,
             change.object::json, change.previous::json, $12
         FROM place, UNNEST($6::text[], $7::text[], $8::text[], $9::text[], $10::text[])
             WITH ORDINALITY AS change (event_id, type, object, previous, data, number)",
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
    )
    .execute(connection)
    .await?;
    Ok(())
}
