//! Events of accounts: written with what they tell, read in the order they were committed.

use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

use super::columns::named;
use super::connections::Connection;
use super::{StoreError, TenantDb};
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::event::{Event, EventData, EventKind};
use crate::domain::ids::{EnvironmentId, EventId, IntegratedAccountId};

/// So long an event can be read.
pub(super) const KEPT: Duration = Duration::days(30);
/// A refresh that fails and fails is told once in this time.
const QUIET: Duration = Duration::hours(1);

/// An event to be told. What the account is like is taken from its row.
#[derive(Debug, Clone, Copy)]
pub struct NewEvent<'a> {
    id: EventId,
    at: OffsetDateTime,
    kind: EventKind,
    account_id: IntegratedAccountId,
    reason: Option<&'a str>,
}

impl<'a> NewEvent<'a> {
    /// That something happened to an account just now.
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

/// Which events a reader wants. `None` wants all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Those of this type.
    pub kind: Option<EventKind>,
    /// Those of this account.
    pub account_id: Option<IntegratedAccountId>,
}

impl TenantDb {
    /// Up to `limit` events behind a position, each with its own, the oldest first. Positions only
    /// grow: whoever goes on behind the last one misses none.
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
            now - KEPT,
            filter.kind.map(EventKind::name),
            filter.account_id as Option<IntegratedAccountId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let kind = named("events", "type", &row.kind)?;
                let (id, at, data) = (row.id, row.at, row.data.0);
                let integrated_account_id = row.integrated_account_id;
                Ok((row.position, Event { id, kind, at, integrated_account_id, data }))
            })
            .collect()
    }

    /// Tells that a refresh failed, unless that was told a short while ago.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn tell_failed_refresh(&self, event: &NewEvent<'_>) -> Result<(), StoreError> {
        let told = sqlx::query_scalar!(
            r#"SELECT EXISTS (
                   SELECT FROM events WHERE environment_id = $1 AND integrated_account_id = $2
                     AND type = $3 AND at > $4
               ) AS "told!""#,
            self.environment_id as EnvironmentId,
            event.account_id as IntegratedAccountId,
            event.kind.name(),
            event.at - QUIET,
        )
        .fetch_one(&self.pool)
        .await?;
        if !told {
            let mut tx = self.pool.begin().await?;
            append(&mut tx, self.environment_id, event).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

/// Adds an event in the transaction of what it tells about: as the last thing before the commit,
/// because nobody else of the environment can tell one until then. Clears away a few old ones.
pub(super) async fn append(
    connection: &mut Connection,
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
        event.at - KEPT,
    )
    .execute(&mut *connection)
    .await?;
    Ok(())
}
