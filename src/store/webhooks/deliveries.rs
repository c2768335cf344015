//! The deliveries of events to webhooks: listed, read, requested again, and deleted after their retention.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::audit::{self, AuditEntry};
use super::super::columns::parse_name;
use super::super::connections::TimedConnection;
use super::super::events::RETENTION;
use super::super::{StoreError, TenantDb};
use super::settings::WebhookLock;
use crate::domain::ids::{DeliveryId, EnvironmentId, EventId, IntegratedAccountId, WebhookId};
use crate::domain::webhook::{Delivery, DeliveryAttempt, DeliveryStatus};

/// Filter of deliveries; `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Status.
    pub status: Option<DeliveryStatus>,
    /// The event.
    pub event_id: Option<EventId>,
    /// The type of the event.
    pub event_type: Option<String>,
}

/// Why a delivery can't be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotResendable {
    /// The webhook has no such delivery.
    NotFound,
    /// It is a test: its event is not stored.
    Test,
    /// Its event is no longer stored.
    EventExpired,
}

impl TenantDb {
    /// Returns up to `limit` deliveries of a webhook before `before`, newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn webhook_deliveries(
        &self,
        webhook_id: WebhookId,
        filter: &DeliveryFilter,
        before: Option<DeliveryId>,
        limit: i64,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"SELECT delivery_id AS "id: DeliveryId", webhook_id AS "webhook_id: WebhookId",
                      event_id AS "event_id: EventId", event_type, position, status, attempt_count,
                      integrated_account_id AS "account_id: IntegratedAccountId",
                      attempts AS "attempts: Json<Vec<DeliveryAttempt>>", next_attempt_at, created_at
               FROM webhook_deliveries
               WHERE environment_id = $1 AND webhook_id = $2
                 AND ($3::text IS NULL OR status = $3)
                 AND ($4::text IS NULL OR event_id = $4)
                 AND ($5::text IS NULL OR event_type = $5)
                 AND ($6::text IS NULL OR delivery_id < $6)
               ORDER BY delivery_id DESC LIMIT $7"#,
            self.environment_id as EnvironmentId,
            webhook_id as WebhookId,
            filter.status.map(DeliveryStatus::name),
            filter.event_id as Option<EventId>,
            filter.event_type.as_deref(),
            before as Option<DeliveryId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(Row::read).collect()
    }

    /// Returns the delivery of a webhook with this id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn webhook_delivery(
        &self,
        webhook_id: WebhookId,
        id: DeliveryId,
    ) -> Result<Option<Delivery>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            r#"SELECT delivery_id AS "id: DeliveryId", webhook_id AS "webhook_id: WebhookId",
                      event_id AS "event_id: EventId", event_type, position, status, attempt_count,
                      integrated_account_id AS "account_id: IntegratedAccountId",
                      attempts AS "attempts: Json<Vec<DeliveryAttempt>>", next_attempt_at, created_at
               FROM webhook_deliveries
               WHERE environment_id = $1 AND webhook_id = $2 AND delivery_id = $3"#,
            self.environment_id as EnvironmentId,
            webhook_id as WebhookId,
            id as DeliveryId,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(Row::read).transpose()
    }
}

impl WebhookLock {
    /// Makes a delivery due at `now`, with all its attempts before it, and returns it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn resend(
        mut self,
        id: DeliveryId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<Result<Delivery, NotResendable>, StoreError> {
        let delivery = sqlx::query!(
            r#"SELECT position, EXISTS (
                   SELECT FROM events e WHERE e.environment_id = d.environment_id
                     AND e.position = d.position AND e.event_id = d.event_id AND e.at > $4
               ) AS "is_stored!"
               FROM webhook_deliveries d
               WHERE environment_id = $1 AND webhook_id = $2 AND delivery_id = $3"#,
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
            id as DeliveryId,
            now - RETENTION,
        )
        .fetch_optional(&mut *self.tx)
        .await?;
        match delivery {
            None => return Ok(Err(NotResendable::NotFound)),
            Some(test) if test.position.is_none() => return Ok(Err(NotResendable::Test)),
            Some(old) if !old.is_stored => return Ok(Err(NotResendable::EventExpired)),
            Some(_) => {}
        }
        let row = sqlx::query_as!(
            Row,
            r#"UPDATE webhook_deliveries SET status = 'pending', attempt_count = 0, next_attempt_at = $4
               WHERE environment_id = $1 AND webhook_id = $2 AND delivery_id = $3
               RETURNING delivery_id AS "id: DeliveryId", webhook_id AS "webhook_id: WebhookId",
                   event_id AS "event_id: EventId", event_type, position, status, attempt_count,
                   integrated_account_id AS "account_id: IntegratedAccountId",
                   attempts AS "attempts: Json<Vec<DeliveryAttempt>>", next_attempt_at, created_at"#,
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
            id as DeliveryId,
            now,
        )
        .fetch_one(&mut *self.tx)
        .await?;
        sqlx::query!(
            "UPDATE webhooks SET retry_at = NULL WHERE environment_id = $1 AND webhook_id = $2",
            self.environment_id as EnvironmentId,
            self.webhook.id as WebhookId,
        )
        .execute(&mut *self.tx)
        .await?;
        audit::append(&mut *self.tx, self.environment_id, audit).await?;
        self.tx.commit().await?;
        Ok(Ok(row.read()?))
    }
}

/// Deletes a batch of deliveries that were created before `before`: their events are no longer stored.
pub(in crate::store) async fn purge(
    connection: &mut TimedConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM webhook_deliveries WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM webhook_deliveries WHERE created_at < $1
                   ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        before,
        limit,
    )
    .fetch_one(connection)
    .await
}

/// Erases what endpoints responded to a batch of deliveries about a disconnected account, and returns the number of
/// these deliveries. Rounds that are written later store no such responses, see [`TenantDb::write_round`].
pub(in crate::store) async fn erase_responses(
    connection: &mut TimedConnection,
    (environment_id, account_id): (EnvironmentId, IntegratedAccountId),
    limit: i64,
) -> Result<u64, StoreError> {
    // A round locks its webhook before its deliveries.
    sqlx::query!(
        "SELECT FROM webhooks WHERE environment_id = $1 ORDER BY webhook_id FOR NO KEY UPDATE",
        environment_id as EnvironmentId,
    )
    .execute(&mut *connection)
    .await?;
    let erased = sqlx::query!(
        "UPDATE webhook_deliveries SET attempts = without_response_bodies(attempts)
         WHERE ctid = ANY (ARRAY(
             SELECT ctid FROM webhook_deliveries
             WHERE environment_id = $1 AND integrated_account_id = $2
               AND attempts @? '$[*].response_body ? (@ != null)' LIMIT $3))",
        environment_id as EnvironmentId,
        account_id as IntegratedAccountId,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(erased.rows_affected())
}

struct Row {
    id: DeliveryId,
    webhook_id: WebhookId,
    event_id: EventId,
    event_type: String,
    position: Option<i64>,
    account_id: Option<IntegratedAccountId>,
    status: String,
    attempt_count: i32,
    attempts: Json<Vec<DeliveryAttempt>>,
    next_attempt_at: Option<OffsetDateTime>,
    created_at: OffsetDateTime,
}

impl Row {
    fn read(self) -> Result<Delivery, StoreError> {
        Ok(Delivery {
            id: self.id,
            webhook_id: self.webhook_id,
            event_id: self.event_id,
            event_type: self.event_type,
            position: self.position,
            account_id: self.account_id,
            status: parse_name("webhook_deliveries", "status", &self.status)?,
            attempt_count: self.attempt_count,
            attempts: self.attempts.0,
            next_attempt_at: self.next_attempt_at,
            created_at: self.created_at,
        })
    }
}
