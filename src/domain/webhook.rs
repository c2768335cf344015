//! Webhooks: endpoints that receive events by HTTP, and the deliveries to them.
//!
//! <https://www.standardwebhooks.com>

use std::time::Duration;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::event::EventKind;
use super::ids::{DeliveryId, EventId, IntegratedAccountId, WebhookId};
use super::names::names;

/// The pauses between the attempts of a delivery. Each is lengthened by up to a tenth, at random.
pub const RETRY_PAUSES: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
    Duration::from_hours(20),
    Duration::from_hours(24),
];
/// How long an endpoint may fail before it is disabled.
pub const MAX_FAILING: time::Duration = time::Duration::hours(72);
/// The number of failures in a row from which on an endpoint gets one delivery at a time, as a probe. Rejections of
/// single events don't count.
pub const PROBE_AFTER_FAILURES: i32 = 5;
/// The statuses of 400 to 499 that say nothing about the event: the endpoint wants it later.
pub const LATER_STATUSES: [u16; 2] = [408, 429];
/// Minimum time between two new events that a failing endpoint gets as probes. It applies while there are deliveries
/// to retry: the endpoint may reject these events and accept others.
pub const NEW_EVENT_PROBE_INTERVAL: time::Duration = time::Duration::minutes(10);
/// Maximum pause that a `Retry-After` of an endpoint sets.
pub const MAX_RETRY_AFTER: Duration = Duration::from_hours(24);
/// How long the previous secret signs deliveries too after a rotation.
pub const SECRET_OVERLAP: time::Duration = time::Duration::hours(24);
/// How long finished deliveries are listed.
pub const DELIVERY_RETENTION: time::Duration = time::Duration::days(30);
/// Maximum number of bytes of a response that are stored.
pub const MAX_RESPONSE_BYTES: usize = 1024;
/// Maximum number of attempts that a delivery lists.
pub const MAX_LISTED_ATTEMPTS: usize = 12;
/// The type of the event that a test sends.
pub const TEST_EVENT: &str = "webhook.test";

/// Which types of events an endpoint receives: `*`, a resource with `.*`, or a type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventTypePattern(String);

/// A text that is not a pattern of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be a type of event such as `user.updated`, all of a resource such as `user.*`, or `*`"
)]
pub struct InvalidPattern;

impl EventTypePattern {
    /// Returns the pattern as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns stored patterns. One of a later version may match no type that this version knows.
    #[must_use]
    pub fn stored(texts: Vec<String>) -> Vec<Self> {
        texts.into_iter().map(Self).collect()
    }

    fn matches(&self, kind: EventKind) -> bool {
        let name = kind.name();
        match self.0.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == self.0,
        }
    }
}

impl std::str::FromStr for EventTypePattern {
    type Err = InvalidPattern;

    fn from_str(text: &str) -> Result<Self, InvalidPattern> {
        let pattern = Self(text.to_owned());
        let is_whole = match text.strip_suffix('*') {
            Some(prefix) => prefix.is_empty() || prefix.ends_with('.'),
            None => true,
        };
        let has_match = EventKind::ALL.iter().any(|kind| pattern.matches(*kind));
        if is_whole && has_match { Ok(pattern) } else { Err(InvalidPattern) }
    }
}

/// The status of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    /// It waits for its next attempt.
    Pending,
    /// The endpoint returned a status of 200 to 299.
    Succeeded,
    /// The last attempt failed.
    Failed,
}

names! { DeliveryStatus, UnknownDeliveryStatus,
    "unknown status; the known ones are: pending, succeeded, failed",
    Pending = "pending",
    Succeeded = "succeeded",
    Failed = "failed",
}

/// One attempt of a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeliveryAttempt {
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Milliseconds until the response, or until it failed.
    #[schema(example = 42)]
    pub duration_ms: u64,
    /// Status of the response; `null` when there was none.
    #[schema(example = 200)]
    pub response_status: Option<u16>,
    /// The first 1,024 bytes of the response; `null` when there was none, and after the account of the event was
    /// disconnected.
    pub response_body: Option<String>,
    /// Why there was no response.
    pub error: Option<String>,
}

impl DeliveryAttempt {
    /// Whether the endpoint rejected the event: it works, and may accept others.
    #[must_use]
    pub fn is_rejection(&self) -> bool {
        self.response_status
            .is_some_and(|status| (400..500).contains(&status) && !LATER_STATUSES.contains(&status))
    }
}

/// The delivery of an event to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id.
    pub id: DeliveryId,
    /// The endpoint.
    pub webhook_id: WebhookId,
    /// The event.
    pub event_id: EventId,
    /// The type of the event; `webhook.test` for a test.
    pub event_type: String,
    /// The event's position in the environment's feed; `None` for a test.
    pub position: Option<i64>,
    /// The account that the event is about; `None` for a test, and for events about no account.
    pub account_id: Option<IntegratedAccountId>,
    /// The status.
    pub status: DeliveryStatus,
    /// Number of attempts.
    pub attempt_count: i32,
    /// The last attempts, oldest first.
    pub attempts: Vec<DeliveryAttempt>,
    /// When it is attempted next.
    pub next_attempt_at: Option<OffsetDateTime>,
    /// When the first attempt was made, or when it was requested.
    pub created_at: OffsetDateTime,
}

/// An endpoint, without its secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id.
    pub id: WebhookId,
    /// The URL that events are sent to.
    pub url: String,
    /// The types of events that it receives.
    pub event_types: Vec<EventTypePattern>,
    /// The account whose events it receives; `None` for all.
    pub integrated_account_id: Option<IntegratedAccountId>,
    /// A text of the caller.
    pub description: String,
    /// Whether events are delivered.
    pub is_active: bool,
    /// When it was disabled, because it failed too long or returned 410.
    pub disabled_at: Option<OffsetDateTime>,
    /// Why it was disabled.
    pub disabled_reason: Option<String>,
    /// Since when it has been failing; `None` while it works.
    pub failing_since: Option<OffsetDateTime>,
    /// Until when the previous secret signs deliveries too.
    pub previous_secret_until: Option<OffsetDateTime>,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When its settings were last changed.
    pub updated_at: OffsetDateTime,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_resources_or_one_type() {
        let pattern = |text: &str| text.parse::<EventTypePattern>();
        for wrong in ["", "user", "user.", "us*", "*.updated", "user.nothing", "**", "USER.*"] {
            assert_eq!(pattern(wrong), Err(InvalidPattern), "{wrong}");
        }
        assert!(pattern("*").unwrap().matches(EventKind::SyncHeld));
        assert!(pattern("user.*").unwrap().matches(EventKind::UserRemoved));
        assert!(!pattern("user.*").unwrap().matches(EventKind::WorkspaceMemberAdded));
        assert!(pattern("user.updated").unwrap().matches(EventKind::UserUpdated));
    }

    #[test]
    fn a_rejection_is_about_the_event_and_not_about_the_time() {
        let attempt = |response_status| DeliveryAttempt {
            at: time::macros::datetime!(2026-01-02 03:04:05 UTC),
            duration_ms: 1,
            response_status,
            response_body: None,
            error: None,
        };
        for status in [400, 404, 422, 499] {
            assert!(attempt(Some(status)).is_rejection(), "{status}");
        }
        for status in [200, 302, 408, 429, 500, 503] {
            assert!(!attempt(Some(status)).is_rejection(), "{status}");
        }
        assert!(!attempt(None).is_rejection());
    }
}
