//! Account events: stored in the transaction of what they report, listed in commit order.

use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

use super::columns::parse_name;
use super::connections::TimedConnection;
use super::{StoreError, TenantDb};
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::event::{Event, EventData, EventKind};
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
        behind: i64,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<(i64, Event)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT position, event_id AS "id: EventId", at, type AS kind,
                      integrated_account_id AS "integrated_account_id: IntegratedAccountId",
                      data AS "data: Json<EventData>"
               FROM events
               WHERE environment_id = $1 AND position > $2 AND at > $3
                 AND ($4::text IS NULL OR type = $4)
                 AND ($5::text IS NULL OR integrated_account_id = $5)
               ORDER BY position LIMIT $6"#,
            self.environment_id as EnvironmentId,
            behind,
            now - RETENTION,
            filter.kind.map(EventKind::name),
            filter.account_id as Option<IntegratedAccountId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let kind = parse_name("events", "type", &row.kind)?;
                let (id, at, data) = (row.id, row.at, row.data.0);
                let integrated_account_id = row.integrated_account_id;
                Ok((row.position, Event { id, kind, at, integrated_account_id, data }))
            })
            .collect()
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
    sqlx::query!(
        "WITH place AS (
             UPDATE environments SET last_event = last_event + 1 WHERE environment_id = $1
             RETURNING last_event
         )
         INSERT INTO events (environment_id, position, event_id, at, type, integrated_account_id, data)
         SELECT $1, place.last_event, $2, $3, $4, $5, jsonb_build_object(
             'tenant_id', a.tenant_id, 'provider', a.provider, 'status', a.status,
             'organization', jsonb_build_object('id', a.organization_id, 'name', a.organization_name),
             'missing_scopes', to_jsonb(a.missing_scopes), 'reason', $6::text)
         FROM place, integrated_accounts a
         WHERE a.environment_id = $1 AND a.integrated_account_id = $5",
        environment_id as EnvironmentId,
        event.id as EventId,
        event.at,
        event.kind.name(),
        event.account_id as IntegratedAccountId,
        event.reason,
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
