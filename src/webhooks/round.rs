//! A round of deliveries to a claimed endpoint: collected, sent, and written with the endpoint's state.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{AttemptResult, OpenedTarget};
use super::batch::{Batch, Outgoing};
use super::error::WebhookError;
use super::health::WebhookHealth;
use super::schedule::next_attempt;
use super::services::WebhookServices;
use crate::domain::webhook::{Delivery, DeliveryStatus, MAX_LISTED_ATTEMPTS};
use crate::store::{ClaimedWebhook, RoundResults, StoreError, TenantDb, WebhookLease};

/// The pause before results are written again, while the database is unavailable.
const WRITE_PAUSE: Duration = Duration::from_secs(1);

/// The bounds of a round.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoundBounds {
    /// Maximum number of requests at the same time.
    pub(super) concurrency: usize,
    /// The duration of the lease, which each round extends. Attempts begin in its first third, so that the results are
    /// written while it is valid.
    pub(super) lease: Duration,
}

/// The result of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RoundEnd {
    /// This many attempts were made; there may be more to do.
    Attempted(usize),
    /// There was nothing to do.
    Idle,
    /// The webhook was deleted or claimed again: the results were not written.
    LeaseLost,
}

/// The deliveries of a round after their attempts.
struct Sent {
    deliveries: Vec<Delivery>,
    /// How many of the batch were attempted.
    started: usize,
    health: WebhookHealth,
}

impl WebhookServices {
    /// Makes a round of deliveries to a claimed endpoint. After `stop`, no further attempt begins.
    pub(super) async fn deliver_round(
        &self,
        lease: &WebhookLease,
        bounds: RoundBounds,
        stop: &CancellationToken,
    ) -> Result<RoundEnd, WebhookError> {
        let now = self.clock.now();
        let db = self.store.tenant(lease.environment_id);
        let webhook = db.claimed_webhook(lease, now).await?.filter(ClaimedWebhook::has_work);
        let Some(webhook) = webhook else { return Ok(RoundEnd::Idle) };
        let id = (lease.environment_id, lease.webhook_id);
        let target = self.open_target(id, &webhook.target, now)?;
        let mut batch = self.collect_batch(&db, lease, &webhook, now).await?;
        let outgoing = std::mem::take(&mut batch.outgoing);
        let health = WebhookHealth::of(&webhook);
        let sent = self.send_all(&target, outgoing, health, bounds, stop).await?;
        let started = sent.started;
        let results = results(webhook.target.url, batch, sent);
        if !self.write(&db, lease, &results, bounds.lease).await? {
            return Ok(RoundEnd::LeaseLost);
        }
        if let Some(reason) = results.disabled_reason {
            tracing::warn!(webhook = %lease.webhook_id, reason, "a webhook was disabled");
        }
        Ok(RoundEnd::Attempted(started))
    }

    /// Makes deliveries in their order, several at the same time, until all are made or the endpoint should get no
    /// more.
    async fn send_all(
        &self,
        target: &OpenedTarget,
        outgoing: Vec<Outgoing>,
        mut health: WebhookHealth,
        bounds: RoundBounds,
        stop: &CancellationToken,
    ) -> Result<Sent, WebhookError> {
        let (began, window) = (Instant::now(), bounds.lease / 3);
        let mut waiting = outgoing.into_iter();
        let mut in_flight = FuturesUnordered::new();
        let (mut deliveries, mut started) = (Vec::new(), 0);
        loop {
            while in_flight.len() < bounds.concurrency && !stop.is_cancelled() {
                // The first delivery to an endpoint that fails is a probe.
                if started > 0 && (health.is_halted() || began.elapsed() > window) {
                    break;
                }
                let Some(Outgoing { delivery, body }) = waiting.next() else { break };
                in_flight.push(self.attempt_delivery(target, delivery, body));
                started += 1;
            }
            let Some(ended) = in_flight.next().await else { break };
            let (delivery, result) = ended?;
            health.record(&result, self.clock.now());
            deliveries.push(self.after_attempt(delivery, result, &health));
        }
        Ok(Sent { deliveries, started, health })
    }

    async fn attempt_delivery(
        &self,
        target: &OpenedTarget,
        delivery: Delivery,
        body: Bytes,
    ) -> Result<(Delivery, AttemptResult), WebhookError> {
        let result = self.attempt(target, delivery.event_id, body).await?;
        Ok((delivery, result))
    }

    /// Returns a delivery after an attempt.
    fn after_attempt(
        &self,
        mut delivery: Delivery,
        result: AttemptResult,
        health: &WebhookHealth,
    ) -> Delivery {
        let is_success = result.is_success();
        delivery.attempt_count = delivery.attempt_count.saturating_add(1);
        delivery.attempts.push(result.attempt);
        let excess = delivery.attempts.len().saturating_sub(MAX_LISTED_ATTEMPTS);
        delivery.attempts.drain(..excess);
        if is_success {
            return Delivery {
                status: DeliveryStatus::Succeeded,
                next_attempt_at: None,
                ..delivery
            };
        }
        let (attempts, now) = (delivery.attempt_count, self.clock.now());
        let next = next_attempt(attempts, delivery.created_at, now, &*self.entropy);
        let status = if next.is_some() { DeliveryStatus::Pending } else { DeliveryStatus::Failed };
        let next_attempt_at = next.map(|next| health.retry_at.map_or(next, |at| at.max(next)));
        Delivery { status, next_attempt_at, ..delivery }
    }

    /// Writes results; tries again while the database is unavailable, because a delivery without a written result is
    /// made again.
    async fn write(
        &self,
        db: &TenantDb,
        lease: &WebhookLease,
        results: &RoundResults,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        let began = Instant::now();
        loop {
            let now = self.clock.now();
            let written = db.write_round(lease, results, duration, now, &*self.entropy).await;
            let is_temporary =
                matches!(written, Err(StoreError::Unavailable(_) | StoreError::Busy(_)));
            if !is_temporary || began.elapsed() > duration / 3 {
                return written;
            }
            tokio::time::sleep(WRITE_PAUSE).await;
        }
    }
}

/// Returns what a round has done.
fn results(url: String, batch: Batch, sent: Sent) -> RoundResults {
    let Sent { deliveries, started, health } = sent;
    RoundResults {
        url,
        last_position: batch.last_position(started),
        replay: batch.replay(started),
        deliveries: batch.expired.into_iter().chain(deliveries).collect(),
        failures: health.failures,
        failing_since: health.failing_since,
        retry_at: health.retry_at,
        has_recovered: health.has_recovered,
        disabled_reason: health.disabled_reason,
    }
}
