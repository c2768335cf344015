//! The event feed: events are stored in the transaction of what they report, and listed in commit order. The events of
//! an account are numbered without gaps.

use serde_json::value::RawValue;
use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

use super::change_events::lock_feed;
use super::columns::parse_name;
use super::connections::TimedConnection;
use super::{Store, StoreError, TenantDb};
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::event::{Event, EventActor, EventKind, EventOrigin};
use crate::domain::ids::{EnvironmentId, EventId, IntegratedAccountId};

/// How long events are listed.
pub(super) const RETENTION: Duration = Duration::days(30);
/// The age of the next event from which on a cursor without matching events after it is replaced.
const MAX_CURSOR_AGE: Duration = Duration::days(1);
/// Maximum size of the objects of a page of events, in bytes; a page has one event at least.
const MAX_PAGE_BYTES: i64 = 8 * 1024 * 1024;
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
    /// Returns up to `limit` events after a position, fewer when they are large, each with its position, oldest first. Positions only grow, so a
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
            r#"SELECT position, COALESCE(octet_length(object::text), 0)
                          + COALESCE(octet_length(previous::text), 0) AS "bytes!"
               FROM events
               WHERE environment_id = $1 AND position > $2 AND at > $3
                 AND ($4::text IS NULL OR type = $4)
                 AND ($5::text IS NULL OR integrated_account_id = $5)
               ORDER BY position LIMIT $6"#,
            self.environment_id as EnvironmentId,
            after,
            now - RETENTION,
            filter.kind.map(EventKind::name),
            filter.account_id as Option<IntegratedAccountId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        let sizes = rows.into_iter().map(|row| (row.position, row.bytes));
        self.events_at(&within_page(sizes)).await
    }

    /// Returns the events at these positions that are still stored, each with its position, oldest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn events_at(&self, positions: &[i64]) -> Result<Vec<(i64, Event)>, StoreError> {
        let rows = sqlx::query_as!(
            EventRow,
            r#"SELECT e.position, e.event_id AS "id: EventId", e.at, e.type AS kind, e.sequence,
                      e.integrated_account_id AS "integrated_account_id: IntegratedAccountId",
                      a.tenant_id AS "tenant_id?",
                      e.occurred_at, e.origin, e.actor AS "actor: Json<EventActor>",
                      e.object AS "object: Json<Box<RawValue>>", e.previous AS "previous: Json<Box<RawValue>>",
                      e.initial, e.data AS "data: Json<Box<RawValue>>"
               FROM events e LEFT JOIN integrated_accounts a USING (environment_id, integrated_account_id)
               WHERE e.environment_id = $1 AND e.position = ANY($2) ORDER BY e.position"#,
            self.environment_id as EnvironmentId,
            positions,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(EventRow::read).collect()
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

    /// Returns the position of the last event if the first one after a position, of any type and account, is old. A
    /// reader that finds no matching event in between continues there: its position would expire because of events
    /// that it does not read.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_after_old_events(
        &self,
        after: i64,
        now: OffsetDateTime,
    ) -> Result<Option<i64>, StoreError> {
        Ok(sqlx::query_scalar!(
            "SELECT e.last_event FROM environments e
             WHERE e.environment_id = $1 AND (
                 SELECT v.at FROM events v WHERE v.environment_id = $1 AND v.position > $2
                 ORDER BY v.position LIMIT 1) <= $3",
            self.environment_id as EnvironmentId,
            after,
            now - MAX_CURSOR_AGE,
        )
        .fetch_optional(&self.pool)
        .await?)
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

/// Returns the first positions whose events are not too large together; one at least.
pub(super) fn within_page(sizes: impl Iterator<Item = (i64, i32)>) -> Vec<i64> {
    let (mut positions, mut total) = (Vec::new(), 0);
    for (position, bytes) in sizes {
        total += i64::from(bytes);
        if total > MAX_PAGE_BYTES && !positions.is_empty() {
            break;
        }
        positions.push(position);
    }
    positions
}

/// A row of the feed.
struct EventRow {
    position: i64,
    id: EventId,
    at: OffsetDateTime,
    kind: String,
    sequence: Option<i64>,
    integrated_account_id: Option<IntegratedAccountId>,
    tenant_id: Option<String>,
    occurred_at: Option<OffsetDateTime>,
    origin: String,
    actor: Option<Json<EventActor>>,
    object: Option<Json<Box<RawValue>>>,
    previous: Option<Json<Box<RawValue>>>,
    initial: bool,
    data: Json<Box<RawValue>>,
}

impl EventRow {
    /// Returns the event with its position.
    fn read(self) -> Result<(i64, Event), StoreError> {
        let event = Event {
            id: self.id,
            kind: self.kind,
            sequence: self.sequence,
            integrated_account_id: self.integrated_account_id,
            tenant_id: self.tenant_id,
            occurred_at: self.occurred_at.unwrap_or(self.at),
            observed_at: self.at,
            origin: parse_name("events", "origin", &self.origin)?,
            actor: self.actor.map(|actor| actor.0),
            object: self.object.map(|object| object.0),
            previous: self.previous.map(|previous| previous.0),
            initial: self.initial,
            data: Some(self.data.0).filter(|data| data.get() != "null"),
        };
        Ok((self.position, event))
    }
}

impl Store {
    /// Returns the time of the last event of each origin, of all environments.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn last_events(&self) -> Result<Vec<(EventOrigin, OffsetDateTime)>, StoreError> {
        let origins: Vec<String> = EventOrigin::ALL.iter().map(ToString::to_string).collect();
        let rows = sqlx::query!(
            r#"SELECT origin AS "origin!", last.at AS "at!"
               FROM UNNEST($1::text[]) AS origin
               CROSS JOIN LATERAL (
                   SELECT at FROM events e WHERE e.origin = origin.origin ORDER BY at DESC LIMIT 1) last"#,
            &origins,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| Ok((parse_name("events", "origin", &row.origin)?, row.at)))
            .collect()
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

/// Appends an event about no account, in the transaction of what it reports. It must be the last statement before the
/// commit.
pub(super) async fn append_without_account(
    connection: &mut TimedConnection,
    environment_id: EnvironmentId,
    kind: EventKind,
    data: &str,
    now: OffsetDateTime,
    entropy: &dyn Entropy,
) -> Result<(), StoreError> {
    sqlx::query!(
        "WITH place AS (
             UPDATE environments SET last_event = last_event + 1 WHERE environment_id = $1
             RETURNING last_event
         )
         INSERT INTO events (environment_id, position, event_id, at, type, data)
         SELECT $1, place.last_event, $2, $3, $4, $5::text::jsonb FROM place",
        environment_id as EnvironmentId,
        EventId::of(now, entropy) as EventId,
        now,
        kind.name(),
        data,
    )
    .execute(connection)
    .await?;
    Ok(())
}
