//! The deliveries of a round: those that are due, then new events of the feed, then those of a replay.

use std::collections::HashMap;

use bytes::Bytes;
use time::OffsetDateTime;

use super::error::WebhookError;
use super::services::WebhookServices;
use crate::domain::event::Event;
use crate::domain::ids::{DeliveryId, ReplayId, WebhookId};
use crate::domain::webhook::{Delivery, DeliveryStatus};
use crate::store::{ClaimedWebhook, EventSpan, ReplayInProgress, TenantDb, WebhookLease};

/// Maximum number of deliveries of a round.
const MAX_DELIVERIES: usize = 200;
/// Maximum number of deliveries of a round that were attempted before.
const MAX_DUE: usize = 50;
/// Maximum number of positions of the feed that a round examines, in case few of their events match.
const MAX_POSITIONS: i64 = 10_000;

/// Where a delivery comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// It is due.
    Due,
    /// A replay.
    Replay,
    /// The feed.
    Feed,
}

/// A delivery to make.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// The delivery, before its attempt.
    pub(super) delivery: Delivery,
    /// The event as JSON.
    pub(super) body: Bytes,
}

/// How far a part of the feed was read.
#[derive(Debug, Clone, Copy)]
struct ReadSpan {
    /// The position before it.
    after: i64,
    /// Its last position.
    until: i64,
}

/// The deliveries of a round, in their order.
#[derive(Debug)]
pub(super) struct Batch {
    /// The deliveries to make.
    pub(super) outgoing: Vec<Outgoing>,
    /// Deliveries whose event is no longer stored: they failed.
    pub(super) expired: Vec<Delivery>,
    /// The origin and the position of each delivery to make.
    places: Vec<(Origin, i64)>,
    feed: ReadSpan,
    replay: Option<(ReplayId, ReadSpan)>,
}

impl Batch {
    /// Returns the position of the last event taken from the feed, if only the first `started` deliveries were made.
    pub(super) fn last_position(&self, started: usize) -> i64 {
        self.reached(started, Origin::Feed, self.feed)
    }

    /// Returns the replay and the position of its last event, if only the first `started` deliveries were made.
    pub(super) fn replay(&self, started: usize) -> Option<(ReplayId, i64)> {
        let (id, span) = self.replay?;
        Some((id, self.reached(started, Origin::Replay, span)))
    }

    fn reached(&self, started: usize, origin: Origin, span: ReadSpan) -> i64 {
        if self.places.iter().skip(started).all(|(one, _)| *one != origin) {
            return span.until;
        }
        let last = self.places.iter().take(started).rfind(|(one, _)| *one == origin);
        last.map_or(span.after, |(_, position)| *position)
    }

    fn add_events(
        &mut self,
        origin: Origin,
        events: Vec<(i64, Event)>,
        new_delivery: impl Fn(i64, &Event) -> Delivery,
    ) -> Result<(), WebhookError> {
        for (position, event) in events {
            let body = serde_json::to_vec(&event)?.into();
            self.outgoing.push(Outgoing { delivery: new_delivery(position, &event), body });
            self.places.push((origin, position));
        }
        Ok(())
    }
}

impl WebhookServices {
    /// Collects the deliveries of a round.
    pub(super) async fn collect_batch(
        &self,
        db: &TenantDb,
        lease: &WebhookLease,
        webhook: &ClaimedWebhook,
        now: OffsetDateTime,
    ) -> Result<Batch, WebhookError> {
        let limit = if webhook.is_failing() { 1 } else { MAX_DELIVERIES };
        let mut batch = Batch {
            outgoing: Vec::new(),
            expired: Vec::new(),
            places: Vec::new(),
            feed: ReadSpan { after: webhook.last_position, until: webhook.last_position },
            replay: None,
        };
        if webhook.has_due {
            add_due(&mut batch, db, lease.webhook_id, (now, limit)).await?;
        }
        let new_delivery = |position, event: &Event| self.new_delivery(lease, position, event, now);
        let free = limit.saturating_sub(batch.outgoing.len());
        if !webhook.takes_events || free == 0 {
            return Ok(batch);
        }
        let span = EventSpan {
            after: webhook.last_position,
            until: webhook.feed_end,
            event_types: webhook.event_types.clone(),
            wanted_types: webhook.event_types.clone(),
            account_id: webhook.account_id,
        };
        let replay = self.next_replay(db, lease, webhook).await?;
        if span.after < span.until {
            // A replay delays new events by no more than as many of its own.
            let limit = if replay.is_some() { free.div_ceil(2) } else { free };
            let (events, read) = read_span(db, span.clone(), limit, now).await?;
            batch.feed = read;
            batch.add_events(Origin::Feed, events, new_delivery)?;
        }
        let free = limit.saturating_sub(batch.outgoing.len());
        if let Some(replay) = replay.filter(|_| free > 0) {
            let (after, until) = (replay.last_position, replay.until_position);
            let span = EventSpan { after, until, wanted_types: replay.event_types, ..span };
            let (events, read) = read_span(db, span, free, now).await?;
            batch.replay = Some((replay.id, read));
            batch.add_events(Origin::Replay, events, new_delivery)?;
        }
        Ok(batch)
    }

    async fn next_replay(
        &self,
        db: &TenantDb,
        lease: &WebhookLease,
        webhook: &ClaimedWebhook,
    ) -> Result<Option<ReplayInProgress>, WebhookError> {
        if !webhook.has_replay {
            return Ok(None);
        }
        Ok(db.next_replay(lease.webhook_id).await?)
    }

    fn new_delivery(
        &self,
        lease: &WebhookLease,
        position: i64,
        event: &Event,
        now: OffsetDateTime,
    ) -> Delivery {
        Delivery {
            id: DeliveryId::of(now, &*self.entropy),
            webhook_id: lease.webhook_id,
            event_id: event.id,
            event_type: event.kind.clone(),
            position: Some(position),
            account_id: event.integrated_account_id,
            status: DeliveryStatus::Pending,
            attempt_count: 0,
            attempts: Vec::new(),
            next_attempt_at: None,
            created_at: now,
        }
    }
}

/// Adds deliveries that are due.
async fn add_due(
    batch: &mut Batch,
    db: &TenantDb,
    webhook_id: WebhookId,
    (now, limit): (OffsetDateTime, usize),
) -> Result<(), WebhookError> {
    let due = db.due_deliveries(webhook_id, now, limit.min(MAX_DUE)).await?;
    let positions: Vec<i64> = due.iter().filter_map(|delivery| delivery.position).collect();
    let events = db.events_at(&positions).await?;
    let mut bodies = HashMap::new();
    for (position, event) in events {
        bodies.insert((position, event.id), Bytes::from(serde_json::to_vec(&event)?));
    }
    for delivery in due {
        let place = delivery.position.map(|position| (position, delivery.event_id));
        // Two deliveries may be of one event.
        match place.and_then(|place| Some((place.0, bodies.get(&place)?.clone()))) {
            Some((position, body)) => {
                batch.outgoing.push(Outgoing { delivery, body });
                batch.places.push((Origin::Due, position));
            }
            None => batch.expired.push(Delivery {
                status: DeliveryStatus::Failed,
                next_attempt_at: None,
                ..delivery
            }),
        }
    }
    Ok(())
}

/// Reads up to `limit` events of a span, and returns them with the part of it that was read.
async fn read_span(
    db: &TenantDb,
    span: EventSpan,
    limit: usize,
    now: OffsetDateTime,
) -> Result<(Vec<(i64, Event)>, ReadSpan), WebhookError> {
    let (after, end) = (span.after, span.until.min(span.after.saturating_add(MAX_POSITIONS)));
    let (events, has_more) = db.events_in(&EventSpan { until: end, ..span }, limit, now).await?;
    let until = match events.last() {
        Some((position, _)) if has_more => *position,
        Some(_) | None => end,
    };
    Ok((events, ReadSpan { after, until }))
}
