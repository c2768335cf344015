//! What waits to be sent, and what became of what was sent.

use std::collections::{BTreeSet, VecDeque};

use serde::Serialize;
use time::serde::rfc3339;
use time::{Duration, OffsetDateTime};

use super::Subscription;
use super::deliver::Failure;

/// No more letters wait; what comes then is lost, as it is at Slack.
const WAITING: usize = 30_000;
/// So many of the newest deliveries are kept.
const KEPT: usize = 1_000;

/// An event on its way.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    number: u64,
    pub(super) client_id: String,
    kind: &'static str,
    event_id: String,
    pub(super) body: String,
    /// Which retry this is, and why.
    pub(super) retry: Option<(u8, &'static str)>,
    due: OffsetDateTime,
}

impl Letter {
    /// A letter that is due at once.
    pub(super) fn new(
        number: u64,
        to: &Subscription,
        kind: &'static str,
        event_id: String,
        body: String,
        due: OffsetDateTime,
    ) -> Self {
        Self { number, client_id: to.client_id.clone(), kind, event_id, body, retry: None, due }
    }

    /// The same letter once more: nearly at once, then after a minute, then after five.
    fn again(mut self, reason: &'static str, started: OffsetDateTime, scale: f64) -> Option<Self> {
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

/// One attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// When it was made, by the provider's clock.
    #[serde(with = "rfc3339")]
    pub at: OffsetDateTime,
    /// The app it was for.
    pub client_id: String,
    /// `Ev…`.
    pub event_id: String,
    /// The type of the event.
    #[serde(rename = "type")]
    pub kind: String,
    /// 0 for the first attempt.
    pub retry_num: u8,
    /// Whether the app took it.
    pub delivered: bool,
    /// Why it did not.
    pub error: Option<String>,
    /// When it will be tried again.
    #[serde(with = "rfc3339::option")]
    pub next_attempt_at: Option<OffsetDateTime>,
}

/// A view of the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Deliveries {
    /// Events that are still to be sent or to be sent again.
    pub waiting: usize,
    /// Events that were lost because too many were waiting.
    pub dropped: u64,
    /// The newest attempts, oldest of them first.
    pub deliveries: Vec<Delivery>,
}

/// Letters and deliveries.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Letter>,
    deliveries: VecDeque<Delivery>,
    last: u64,
    dropped: u64,
}

impl Outbox {
    /// The number of the next letter.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds a letter.
    pub(super) fn push(&mut self, letter: Letter) {
        if self.waiting.len() < WAITING {
            self.waiting.push_back(letter);
        } else {
            self.dropped += 1;
        }
    }

    /// Takes out the oldest letter that is due of each app, so that each app gets one at a time.
    pub(super) fn take_due(&mut self, now: OffsetDateTime) -> Vec<Letter> {
        let mut apps = BTreeSet::new();
        let mut due = Vec::new();
        self.waiting.retain(|letter| {
            let taken = letter.due <= now && apps.insert(letter.client_id.clone());
            if taken {
                due.push(letter.clone());
            }
            !taken
        });
        due
    }

    /// When the next letter is due.
    pub(super) fn next_due(&self) -> Option<OffsetDateTime> {
        self.waiting.iter().map(|letter| letter.due).min()
    }

    /// Writes down what became of a letter that was sent at `started`, and keeps it for another
    /// attempt if there is one.
    pub(super) fn settle(
        &mut self,
        letter: Letter,
        result: Result<(), Failure>,
        started: OffsetDateTime,
        scale: f64,
    ) {
        let mut delivery = Delivery {
            at: started,
            client_id: letter.client_id.clone(),
            event_id: letter.event_id.clone(),
            kind: letter.kind.to_owned(),
            retry_num: letter.retry.map_or(0, |(number, _)| number),
            delivered: result.is_ok(),
            error: None,
            next_attempt_at: None,
        };
        if let Err(failure) = result {
            delivery.error = Some(failure.reason.to_owned());
            let again = letter.again(failure.reason, started, scale);
            if let Some(letter) = again.filter(|_| failure.retry) {
                delivery.next_attempt_at = Some(letter.due);
                let place = self.waiting.partition_point(|other| other.number < letter.number);
                self.waiting.insert(place, letter);
            }
        }
        if self.deliveries.len() == KEPT {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(delivery);
    }

    /// How it stands.
    pub(super) fn view(&self) -> Deliveries {
        Deliveries {
            waiting: self.waiting.len(),
            dropped: self.dropped,
            deliveries: self.deliveries.iter().cloned().collect(),
        }
    }
}
