//! The queue of events to send, and the log of delivery attempts.

use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;
use time::serde::rfc3339;
use time::{Duration, OffsetDateTime};

use super::subscription::Subscription;

/// Maximum length of the queue; further events are dropped, as at Slack.
const MAX_QUEUED: usize = 30_000;
/// Maximum number of delivery attempts in the log.
const MAX_DELIVERIES: usize = 1_000;

/// A queued event.
#[derive(Debug, Clone)]
pub(super) struct QueuedEvent {
    number: u64,
    pub(super) client_id: String,
    kind: &'static str,
    event_id: String,
    pub(super) body: String,
    /// Retry number and reason.
    pub(super) retry: Option<(u8, &'static str)>,
    /// When the first attempt was due. It determines the order.
    first_due: OffsetDateTime,
    due: OffsetDateTime,
}

impl QueuedEvent {
    /// Returns an event that is due immediately.
    pub(super) fn new(
        number: u64,
        to: &Subscription,
        kind: &'static str,
        event_id: String,
        body: String,
        due: OffsetDateTime,
    ) -> Self {
        let (client_id, first_due) = (to.client_id.clone(), due);
        Self { number, client_id, kind, event_id, body, retry: None, first_due, due }
    }

    /// Returns a copy that is due later.
    pub(super) fn delayed_by(&self, delay: Duration) -> Self {
        let due = self.due.saturating_add(delay);
        Self { first_due: due, due, ..self.clone() }
    }

    /// Returns the next attempt: after almost no time, one minute, or five minutes.
    fn next_attempt(
        mut self,
        reason: &'static str,
        started: OffsetDateTime,
        scale: f64,
    ) -> Option<Self> {
        let (next, wait) = match self.retry {
            None => (1, 0.0),
            Some((1, _)) => (2, 60.0),
            Some((2, _)) => (3, 300.0),
            Some(_) => return None,
        };
        self.retry = Some((next, reason));
        self.due = started + Duration::seconds_f64(wait / scale);
        Some(self)
    }
}

/// A failed delivery attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DeliveryError {
    /// Reason, as in Slack's `X-Slack-Retry-Reason`.
    pub(super) reason: &'static str,
    /// Whether to retry: the app can forbid it.
    pub(super) retry: bool,
}

/// One attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Time of the attempt, by the provider's clock.
    #[serde(with = "rfc3339")]
    pub at: OffsetDateTime,
    /// The receiving app.
    pub client_id: String,
    /// `Ev…`.
    pub event_id: String,
    /// Event type.
    #[serde(rename = "type")]
    pub kind: String,
    /// 0 for the first attempt.
    pub retry_num: u8,
    /// Whether the app accepted it.
    pub delivered: bool,
    /// Reason of the failure.
    pub error: Option<String>,
    /// Time of the next attempt.
    #[serde(with = "rfc3339::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
}

/// Contents of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryLog {
    /// Number of queued events.
    pub waiting: usize,
    /// Number of events dropped because the queue was full.
    pub dropped: u64,
    /// The newest attempts, oldest first.
    pub deliveries: Vec<Delivery>,
}

/// Queue and delivery log.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: VecDeque<QueuedEvent>,
    deliveries: VecDeque<Delivery>,
    last: u64,
    dropped: u64,
}

impl Outbox {
    /// Returns the next sequence number.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds an event, or drops it if the queue is full.
    pub(super) fn push(&mut self, event: QueuedEvent) {
        if self.queue.len() < MAX_QUEUED {
            self.insert(event);
        } else {
            self.dropped += 1;
        }
    }

    /// Inserts an event in the order of the first attempts.
    fn insert(&mut self, event: QueuedEvent) {
        let rank = (event.first_due, event.number);
        let position = self.queue.partition_point(|other| (other.first_due, other.number) <= rank);
        self.queue.insert(position, event);
    }

    /// Removes and returns the oldest due event of each app, so that each app gets one at a time.
    pub(super) fn take_due(&mut self, now: OffsetDateTime) -> Vec<QueuedEvent> {
        let mut apps = BTreeSet::new();
        let mut due = Vec::new();
        self.queue.retain(|event| {
            let taken = event.due <= now && apps.insert(event.client_id.clone());
            if taken {
                due.push(event.clone());
            }
            !taken
        });
        due
    }

    /// Returns when the next event is due.
    pub(super) fn next_due(&self) -> Option<OffsetDateTime> {
        self.queue.iter().map(|event| event.due).min()
    }

    /// Records the result of an attempt started at `started`, and requeues the event if a retry
    /// remains.
    pub(super) fn record_result(
        &mut self,
        event: QueuedEvent,
        result: Result<(), DeliveryError>,
        started: OffsetDateTime,
        scale: f64,
    ) {
        let mut delivery = Delivery {
            at: started,
            client_id: event.client_id.clone(),
            event_id: event.event_id.clone(),
            kind: event.kind.to_owned(),
            retry_num: event.retry.map_or(0, |(number, _)| number),
            delivered: result.is_ok(),
            error: None,
            next_attempt_at: None,
        };
        if let Err(failure) = result {
            delivery.error = Some(failure.reason.to_owned());
            let retry = event.next_attempt(failure.reason, started, scale);
            if let Some(event) = retry.filter(|_| failure.retry) {
                delivery.next_attempt_at = Some(event.due);
                self.insert(event);
            }
        }
        if self.deliveries.len() == MAX_DELIVERIES {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(delivery);
    }

    /// Returns the current contents.
    pub(super) fn view(&self) -> DeliveryLog {
        DeliveryLog {
            waiting: self.queue.len(),
            dropped: self.dropped,
            deliveries: self.deliveries.iter().cloned().collect(),
        }
    }
}
