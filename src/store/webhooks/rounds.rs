//! The results of a round of deliveries, written in one transaction with the state of the webhook. The transaction
//! checks the lease: of a process that ends before it, another one makes the same deliveries again.

use std::time::Duration;

use sqlx::types::Json;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::change_events::{ChangeEvent, ChangeSource, append_changes, lock_feed};
use super::super::connections::TimedConnection;
use super::super::events::append_without_account;
use super::super::{StoreError, TenantDb};
use super::queue::WebhookLease;
use crate::domain::entropy::Entropy;
use crate::domain::event::{EventKind, EventOrigin};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, ReplayId, WebhookId};
use crate::domain::webhook::{Delivery, DeliveryAttempt, LATER_STATUSES};

/// The constraint that a delivery of a deleted webhook violates.
const WEBHOOK_CONSTRAINT: &str = "webhook_deliveries_webhook_fkey";

/// What a round of deliveries has done.
#[derive(Debug)]
pub struct RoundResults {
    /// The URL that the deliveries were sent to.
    pub url: String,
    /// The deliveries after their attempts: new ones, and those that were due.
    pub deliveries: Vec<Delivery>,
    /// The position of the last event that was taken from the feed.
    pub last_position: i64,
    /// The replay, and the position of its last event that was delivered.
    pub replay: Option<(ReplayId, i64)>,
    /// The number of failures since the last success, without rejections of single events.
    pub failures: i32,
    /// When the first attempt failed since then.
    pub failing_since: Option<OffsetDateTime>,
    /// The time before which the endpoint wants no request.
    pub retry_at: Option<OffsetDateTime>,
    /// Whether the endpoint failed before and works again: pending deliveries are due, except for rejected events.
    pub has_recovered: bool,
    /// Why the webhook is disabled; `None` if it is not.
    pub disabled_reason: Option<&'static str>,
}

impl TenantDb {
    /// Writes the results of a round and extends the lease. Returns `false`, and writes nothing, when the webhook was
    /// deleted or claimed again.
    ///
    /// The state of a webhook that got another URL or became inactive during the round is not changed.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn write_round(
        &self,
        lease: &WebhookLease,
        results: &RoundResults,
        duration: Duration,
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let webhook = sqlx::query!(
            r#"SELECT integrated_account_id AS "account_id: IntegratedAccountId",
                      (is_active AND url = $4) AS "is_unchanged!"
               FROM webhooks WHERE environment_id = $1 AND webhook_id = $2 AND worker = $3
               FOR NO KEY UPDATE"#,
            self.environment_id as EnvironmentId,
            lease.webhook_id as WebhookId,
            lease.claim,
            results.url,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(webhook) = webhook else { return Ok(false) };
        write_deliveries(&mut tx, self.environment_id, lease.webhook_id, &results.deliveries)
            .await?;
        if let Some((replay_id, last_position)) = results.replay {
            self.advance_replay(&mut tx, lease, replay_id, last_position).await?;
        }
        self.extend_lease_after(&mut tx, lease, results.last_position, duration).await?;
        if webhook.is_unchanged {
            self.write_state(&mut tx, lease, results, now).await?;
        }
        if webhook.is_unchanged
            && let Some(reason) = results.disabled_reason
        {
            let data = serde_json::json!({
                "webhook_id": lease.webhook_id, "reason": reason,
                "failing_since": results.failing_since.and_then(|since| since.format(&Rfc3339).ok()),
            });
            let data = data.to_string();
            self.append_disabled(&mut tx, webhook.account_id, data, now, entropy).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Adds the delivery of a test. Returns `false` if the webhook was deleted.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_test_delivery(&self, delivery: &Delivery) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let deliveries = std::slice::from_ref(delivery);
        let webhook_id = delivery.webhook_id;
        match write_deliveries(&mut tx, self.environment_id, webhook_id, deliveries).await {
            Err(StoreError::Conflict(constraint)) if constraint == WEBHOOK_CONSTRAINT => Ok(false),
            Err(error) => Err(error),
            Ok(()) => {
                tx.commit().await?;
                Ok(true)
            }
        }
    }

    async fn extend_lease_after(
        &self,
        connection: &mut TimedConnection,
        lease: &WebhookLease,
        last_position: i64,
        duration: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE webhooks SET last_position = GREATEST(last_position, $3),
                 lease_until = clock_timestamp() + make_interval(secs => $4)
             WHERE environment_id = $1 AND webhook_id = $2",
            self.environment_id as EnvironmentId,
            lease.webhook_id as WebhookId,
            last_position,
            duration.as_secs_f64(),
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Writes the state of the endpoint. The failures end with the last pending delivery: nothing shows then whether it
    /// still fails.
    async fn write_state(
        &self,
        connection: &mut TimedConnection,
        lease: &WebhookLease,
        results: &RoundResults,
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE webhooks w SET failures = CASE WHEN state.is_over THEN 0 ELSE $3::integer END,
                 failing_since = CASE WHEN state.is_over THEN NULL ELSE $4::timestamptz END, retry_at = $5,
                 is_active = $6::text IS NULL, disabled_reason = $6,
                 disabled_at = CASE WHEN $6::text IS NULL THEN NULL ELSE $7::timestamptz END
             FROM (SELECT $6::text IS NULL AND NOT EXISTS (
                       SELECT FROM webhook_deliveries d
                       WHERE d.environment_id = $1 AND d.webhook_id = $2 AND d.status = 'pending') AS is_over) state
             WHERE w.environment_id = $1 AND w.webhook_id = $2",
            self.environment_id as EnvironmentId,
            lease.webhook_id as WebhookId,
            results.failures,
            results.failing_since,
            results.retry_at,
            results.disabled_reason,
            now,
        )
        .execute(&mut *connection)
        .await?;
        if results.has_recovered {
            let later = LATER_STATUSES.map(i32::from).to_vec();
            sqlx::query!(
                "UPDATE webhook_deliveries SET next_attempt_at = $3
                 WHERE environment_id = $1 AND webhook_id = $2 AND status = 'pending'
                   AND next_attempt_at > $3
                   AND (COALESCE((attempts -> -1 ->> 'response_status')::integer, 0) NOT BETWEEN 400 AND 499
                        OR (attempts -> -1 ->> 'response_status')::integer = ANY ($4))",
                self.environment_id as EnvironmentId,
                lease.webhook_id as WebhookId,
                now,
                &later,
            )
            .execute(connection)
            .await?;
        }
        Ok(())
    }

    /// Writes how far a replay is, and deletes it at its end.
    async fn advance_replay(
        &self,
        connection: &mut TimedConnection,
        lease: &WebhookLease,
        replay_id: ReplayId,
        last_position: i64,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE webhook_replays SET last_position = $4
             WHERE environment_id = $1 AND webhook_id = $2 AND replay_id = $3",
            self.environment_id as EnvironmentId,
            lease.webhook_id as WebhookId,
            replay_id as ReplayId,
            last_position,
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!(
            "DELETE FROM webhook_replays
             WHERE environment_id = $1 AND webhook_id = $2 AND replay_id = $3
               AND last_position >= until_position",
            self.environment_id as EnvironmentId,
            lease.webhook_id as WebhookId,
            replay_id as ReplayId,
        )
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Appends the event of a disabled webhook: about its account, or about none.
    async fn append_disabled(
        &self,
        connection: &mut TimedConnection,
        account_id: Option<IntegratedAccountId>,
        data: String,
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<(), StoreError> {
        let (environment_id, kind) = (self.environment_id, EventKind::WebhookDisabled);
        let Some(account_id) = account_id else {
            return append_without_account(connection, environment_id, kind, &data, now, entropy)
                .await;
        };
        let feed = lock_feed(connection, (environment_id, account_id), now).await?;
        let source = ChangeSource {
            origin: EventOrigin::Gateway,
            actor: None,
            initial: false,
            read_at: None,
        };
        let event = ChangeEvent {
            kind,
            object: None,
            previous: None,
            data: Some(data),
            subject: None,
            subject_id: None,
            attribution: None,
        };
        append_changes(connection, &feed, source, &[event], entropy).await
    }
}

/// Inserts deliveries, and updates those that exist. What endpoints respond to deliveries about disconnected accounts
/// is not stored.
async fn write_deliveries(
    connection: &mut TimedConnection,
    environment_id: EnvironmentId,
    webhook_id: WebhookId,
    deliveries: &[Delivery],
) -> Result<(), StoreError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let texts = |of: fn(&Delivery) -> String| deliveries.iter().map(of).collect::<Vec<String>>();
    let positions: Vec<Option<i64>> = deliveries.iter().map(|one| one.position).collect();
    let accounts: Vec<Option<String>> =
        deliveries.iter().map(|one| one.account_id.map(IntegratedAccountId::text)).collect();
    let counts: Vec<i32> = deliveries.iter().map(|one| one.attempt_count).collect();
    let attempts: Vec<Json<&[DeliveryAttempt]>> =
        deliveries.iter().map(|one| Json(one.attempts.as_slice())).collect();
    let due: Vec<Option<OffsetDateTime>> =
        deliveries.iter().map(|one| one.next_attempt_at).collect();
    let created: Vec<OffsetDateTime> = deliveries.iter().map(|one| one.created_at).collect();
    sqlx::query!(
        "INSERT INTO webhook_deliveries (environment_id, webhook_id, delivery_id, event_id, event_type,
             position, status, attempt_count, attempts, next_attempt_at, created_at, integrated_account_id)
         SELECT $1, $2, n.delivery_id, n.event_id, n.event_type, n.position, n.status, n.attempt_count,
             CASE WHEN a.status = 'disconnected' THEN without_response_bodies(n.attempts) ELSE n.attempts END,
             n.next_attempt_at, n.created_at, n.account_id
         FROM UNNEST($3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::integer[],
                 $9::jsonb[], $10::timestamptz[], $11::timestamptz[], $12::text[])
             AS n (delivery_id, event_id, event_type, position, status, attempt_count, attempts,
                 next_attempt_at, created_at, account_id)
         LEFT JOIN integrated_accounts a
             ON a.environment_id = $1 AND a.integrated_account_id = n.account_id
         ON CONFLICT (environment_id, webhook_id, delivery_id) DO UPDATE
             SET status = EXCLUDED.status, attempt_count = EXCLUDED.attempt_count,
                 attempts = EXCLUDED.attempts, next_attempt_at = EXCLUDED.next_attempt_at
             -- It may have been sent again, or restarted, meanwhile.
             WHERE webhook_deliveries.attempt_count = EXCLUDED.attempt_count - 1
                OR EXCLUDED.attempt_count = webhook_deliveries.attempt_count",
        environment_id as EnvironmentId,
        webhook_id as WebhookId,
        &texts(|one| one.id.text()),
        &texts(|one| one.event_id.text()),
        &texts(|one| one.event_type.clone()),
        &positions as &[Option<i64>],
        &texts(|one| one.status.name().to_owned()),
        &counts,
        &attempts as &[Json<&[DeliveryAttempt]>],
        &due as &[Option<OffsetDateTime>],
        &created,
        &accounts as &[Option<String>],
    )
    .execute(connection)
    .await?;
    Ok(())
}
