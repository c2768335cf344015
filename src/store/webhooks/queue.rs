//! The queue of webhooks with something to deliver. A process claims a webhook with a lease, by the clock of the
//! database server, and works on it in rounds. Each claim has a name of its own: a process whose lease has expired, and
//! whose webhook was claimed again, writes nothing.

use std::collections::HashMap;
use std::time::Duration;

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::{Store, StoreError, TenantDb};
use crate::domain::ids::{
    DeliveryId, EnvironmentId, EventId, IntegratedAccountId, ReplayId, WebhookId,
};
use crate::domain::sealed::{Ciphertext, SealedWebhookSecrets, WrappedKey};
use crate::domain::webhook::{
    Delivery, DeliveryAttempt, DeliveryStatus, EventTypePattern, NEW_EVENT_PROBE_INTERVAL,
    PROBE_AFTER_FAILURES,
};

/// A claimed webhook: proof for every write that no other process has claimed it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookLease {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The webhook.
    pub webhook_id: WebhookId,
    /// The name of the claim.
    pub claim: String,
}

/// How many webhooks a process may claim.
#[derive(Debug)]
pub struct ClaimLimits {
    /// Maximum number of webhooks.
    pub webhooks: usize,
    /// Maximum number of webhooks of one environment, with those that the process has.
    pub per_environment: usize,
    /// The number of webhooks that the process has, by environment.
    pub held: HashMap<EnvironmentId, usize>,
}

/// Where deliveries go, and what signs them.
#[derive(Debug)]
pub struct WebhookTarget {
    /// The URL.
    pub url: String,
    /// The secrets.
    pub secrets: SealedWebhookSecrets,
    /// Until when the previous secret signs too.
    pub previous_secret_until: Option<OffsetDateTime>,
}

/// A webhook at the beginning of a round.
#[derive(Debug)]
pub struct ClaimedWebhook {
    /// Where deliveries go.
    pub target: WebhookTarget,
    /// The types of events that it receives.
    pub event_types: Vec<EventTypePattern>,
    /// The account whose events it receives; `None` for all.
    pub account_id: Option<IntegratedAccountId>,
    /// The position of the last event that was taken from the feed.
    pub last_position: i64,
    /// The position of the last event of the feed.
    pub feed_end: i64,
    /// The number of failures since the last success, without rejections of single events.
    pub failures: i32,
    /// When the first attempt failed since the last success.
    pub failing_since: Option<OffsetDateTime>,
    /// Whether a delivery is due.
    pub has_due: bool,
    /// Whether a replay has not ended.
    pub has_replay: bool,
    /// Whether it takes events from the feed and from replays. While it fails, it takes one event per
    /// [`NEW_EVENT_PROBE_INTERVAL`] as long as there are deliveries to retry.
    pub takes_events: bool,
}

impl ClaimedWebhook {
    /// Whether it fails, so that it gets one delivery at a time.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.failures >= PROBE_AFTER_FAILURES
    }

    /// Whether there is anything to do.
    #[must_use]
    pub fn has_work(&self) -> bool {
        let has_events = self.has_replay || self.last_position < self.feed_end;
        self.has_due || (self.takes_events && has_events)
    }
}

/// A replay that has not ended.
#[derive(Debug)]
pub struct ReplayInProgress {
    /// Its id.
    pub id: ReplayId,
    /// The types of events, among those that the webhook receives.
    pub event_types: Vec<EventTypePattern>,
    /// The position of the last event that was delivered.
    pub last_position: i64,
    /// The position of the last event to deliver.
    pub until_position: i64,
}

impl Store {
    /// Claims webhooks with something to deliver at `now`, for `lease`: of each environment those first that nothing
    /// was delivered to for the longest time.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_webhooks(
        &self,
        claim: &str,
        lease: Duration,
        limits: &ClaimLimits,
        now: OffsetDateTime,
    ) -> Result<Vec<WebhookLease>, StoreError> {
        let (environments, counts): (Vec<String>, Vec<i64>) =
            limits.held.iter().map(|(id, count)| (id.text(), count_of(*count))).unzip();
        let rows = sqlx::query!(
            r#"WITH ready AS (
                   SELECT w.environment_id, w.webhook_id, w.lease_until,
                          row_number() OVER (PARTITION BY w.environment_id ORDER BY w.lease_until NULLS FIRST)
                              AS place
                   FROM webhooks w JOIN environments e ON e.environment_id = w.environment_id
                   WHERE w.is_active AND (w.lease_until IS NULL OR w.lease_until < clock_timestamp())
                     AND (w.retry_at IS NULL OR w.retry_at <= $3)
                     AND (EXISTS (
                             SELECT FROM webhook_deliveries d
                             WHERE d.environment_id = w.environment_id AND d.webhook_id = w.webhook_id
                               AND d.status = 'pending' AND d.next_attempt_at <= $3)
                         OR ((w.last_position < e.last_event OR EXISTS (
                                 SELECT FROM webhook_replays r
                                 WHERE r.environment_id = w.environment_id AND r.webhook_id = w.webhook_id))
                             AND (w.failures < $4 OR NOT EXISTS (
                                 SELECT FROM webhook_deliveries d
                                 WHERE d.environment_id = w.environment_id AND d.webhook_id = w.webhook_id
                                   AND d.status = 'pending' AND d.created_at > $5))))
               ), free AS (
                   SELECT w.environment_id, w.webhook_id
                   FROM ready
                   JOIN webhooks w ON w.environment_id = ready.environment_id AND w.webhook_id = ready.webhook_id
                   LEFT JOIN UNNEST($6::text[], $7::bigint[]) AS held (environment_id, count)
                       ON held.environment_id = ready.environment_id
                   WHERE ready.place <= $8::bigint - COALESCE(held.count, 0)
                   ORDER BY ready.place, ready.lease_until NULLS FIRST LIMIT $9
                   FOR NO KEY UPDATE OF w SKIP LOCKED
               )
               UPDATE webhooks w SET worker = $1,
                   lease_until = clock_timestamp() + make_interval(secs => $2)
               FROM free
               WHERE w.environment_id = free.environment_id AND w.webhook_id = free.webhook_id
                 AND (w.lease_until IS NULL OR w.lease_until < clock_timestamp())
               RETURNING w.environment_id AS "environment_id: EnvironmentId",
                   w.webhook_id AS "webhook_id: WebhookId""#,
            claim,
            lease.as_secs_f64(),
            now,
            PROBE_AFTER_FAILURES,
            now - NEW_EVENT_PROBE_INTERVAL,
            &environments,
            &counts,
            count_of(limits.per_environment),
            count_of(limits.webhooks),
        )
        .fetch_all(&self.pool)
        .await?;
        let lease = |environment_id, webhook_id| WebhookLease {
            environment_id,
            webhook_id,
            claim: claim.to_owned(),
        };
        Ok(rows.into_iter().map(|row| lease(row.environment_id, row.webhook_id)).collect())
    }
}

impl TenantDb {
    /// Returns the target of a webhook.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn webhook_target(
        &self,
        webhook_id: WebhookId,
    ) -> Result<Option<WebhookTarget>, StoreError> {
        let row = sqlx::query!(
            "SELECT url, master_key_id, data_key, secret, previous_secret, previous_secret_until
             FROM webhooks WHERE environment_id = $1 AND webhook_id = $2",
            self.environment_id as EnvironmentId,
            webhook_id as WebhookId,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| WebhookTarget {
            url: row.url,
            secrets: SealedWebhookSecrets {
                data_key: WrappedKey { master_key_id: row.master_key_id, bytes: row.data_key },
                secret: Ciphertext(row.secret),
                previous: row.previous_secret.map(Ciphertext),
            },
            previous_secret_until: row.previous_secret_until,
        }))
    }

    /// Returns a claimed webhook; `None` when it was deleted, claimed again, or must get nothing at `now`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claimed_webhook(
        &self,
        lease: &WebhookLease,
        now: OffsetDateTime,
    ) -> Result<Option<ClaimedWebhook>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT w.url, w.event_types, w.master_key_id, w.data_key, w.secret, w.previous_secret,
                      w.previous_secret_until, w.last_position, w.failures, w.failing_since, e.last_event,
                      w.integrated_account_id AS "account_id: IntegratedAccountId",
                      EXISTS (SELECT FROM webhook_deliveries d
                          WHERE d.environment_id = w.environment_id AND d.webhook_id = w.webhook_id
                            AND d.status = 'pending' AND d.next_attempt_at <= $4) AS "has_due!",
                      EXISTS (SELECT FROM webhook_replays r
                          WHERE r.environment_id = w.environment_id AND r.webhook_id = w.webhook_id)
                          AS "has_replay!",
                      (w.failures < $5 OR NOT EXISTS (SELECT FROM webhook_deliveries d
                          WHERE d.environment_id = w.environment_id AND d.webhook_id = w.webhook_id
                            AND d.status = 'pending' AND d.created_at > $6)) AS "takes_events!"
               FROM webhooks w JOIN environments e ON e.environment_id = w.environment_id
               WHERE w.environment_id = $1 AND w.webhook_id = $2 AND w.worker = $3 AND w.is_active
                 AND (w.retry_at IS NULL OR w.retry_at <= $4)"#,
            self.environment_id as EnvironmentId,
            lease.webhook_id as WebhookId,
            lease.claim,
            now,
            PROBE_AFTER_FAILURES,
            now - NEW_EVENT_PROBE_INTERVAL,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(ClaimedWebhook {
            target: WebhookTarget {
                url: row.url,
                secrets: SealedWebhookSecrets {
                    data_key: WrappedKey { master_key_id: row.master_key_id, bytes: row.data_key },
                    secret: Ciphertext(row.secret),
                    previous: row.previous_secret.map(Ciphertext),
                },
                previous_secret_until: row.previous_secret_until,
            },
            event_types: EventTypePattern::stored(row.event_types),
            account_id: row.account_id,
            last_position: row.last_position,
            feed_end: row.last_event,
            failures: row.failures,
            failing_since: row.failing_since,
            has_due: row.has_due,
            has_replay: row.has_replay,
            takes_events: row.takes_events,
        }))
    }

    /// Returns up to `limit` deliveries of a webhook that are due at `now`, those first that have waited longest.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn due_deliveries(
        &self,
        webhook_id: WebhookId,
        now: OffsetDateTime,
        limit: usize,
    ) -> Result<Vec<Delivery>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT delivery_id AS "id: DeliveryId", event_id AS "event_id: EventId", event_type, position,
                      integrated_account_id AS "account_id: IntegratedAccountId",
                      attempt_count, attempts AS "attempts: Json<Vec<DeliveryAttempt>>", next_attempt_at,
                      created_at
               FROM webhook_deliveries
               WHERE environment_id = $1 AND webhook_id = $2 AND status = 'pending' AND next_attempt_at <= $3
               ORDER BY next_attempt_at, position, delivery_id LIMIT $4"#,
            self.environment_id as EnvironmentId,
            webhook_id as WebhookId,
            now,
            count_of(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        let deliveries = rows.into_iter().map(|row| Delivery {
            id: row.id,
            webhook_id,
            event_id: row.event_id,
            event_type: row.event_type,
            position: row.position,
            account_id: row.account_id,
            status: DeliveryStatus::Pending,
            attempt_count: row.attempt_count,
            attempts: row.attempts.0,
            next_attempt_at: row.next_attempt_at,
            created_at: row.created_at,
        });
        Ok(deliveries.collect())
    }

    /// Returns the replay of a webhook that was requested first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn next_replay(
        &self,
        webhook_id: WebhookId,
    ) -> Result<Option<ReplayInProgress>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT replay_id AS "id: ReplayId", event_types, last_position, until_position
               FROM webhook_replays WHERE environment_id = $1 AND webhook_id = $2
               ORDER BY created_at, replay_id LIMIT 1"#,
            self.environment_id as EnvironmentId,
            webhook_id as WebhookId,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(ReplayInProgress {
            id: row.id,
            event_types: EventTypePattern::stored(row.event_types),
            last_position: row.last_position,
            until_position: row.until_position,
        }))
    }

    /// Releases a claimed webhook. Its lease ends now, which tells when something was last delivered to it.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn release_webhook(&self, lease: &WebhookLease) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE webhooks SET worker = NULL, lease_until = clock_timestamp()
             WHERE environment_id = $1 AND webhook_id = $2 AND worker = $3",
            self.environment_id as EnvironmentId,
            lease.webhook_id as WebhookId,
            lease.claim,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn count_of(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
