//! The event types, and the dispatcher: the state of the Events API: subscriptions, the queue, its
//! faults and the HTTP client.

use std::sync::{Mutex, OnceLock};

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::sync::Notify;

use super::faults::{EventFaultInjector, EventFaults};
use super::outbox::Outbox;
use super::subscription::Subscriptions;
use crate::sandbox::locks::lock;

/// Default signing secret of a subscription. It protects nothing: the value is public.
pub const DEFAULT_SIGNING_SECRET: &str = "sandbox-signing-secret-not-a-secret";

/// The supported event types, and the scope that each requires.
pub(super) const EVENT_SCOPES: &[(&str, Option<&str>)] = &[
    ("app_uninstalled", None),
    ("enterprise_rename", Some("team:read")),
    ("subteam_created", Some("usergroups:read")),
    ("subteam_members_changed", Some("usergroups:read")),
    ("subteam_updated", Some("usergroups:read")),
    ("team_access_granted", None),
    ("team_access_revoked", None),
    ("team_join", Some("users:read")),
    ("team_rename", Some("team:read")),
    ("tokens_revoked", None),
    ("user_change", Some("users:read")),
    ("user_profile_changed", Some("users:read")),
    ("user_status_changed", Some("users:read")),
];

/// Subscriptions, the outbox, its faults and the HTTP client.
#[derive(Debug)]
pub(crate) struct EventDispatcher {
    pub(super) subscriptions: Mutex<Subscriptions>,
    pub(super) outbox: Mutex<Outbox>,
    pub(super) faults: Mutex<EventFaultInjector>,
    /// Notified when there is an event to send, and when the provider's clock moves.
    pub(super) notify: Notify,
    pub(super) client: OnceLock<reqwest::Client>,
}

impl EventDispatcher {
    /// Returns a dispatcher without subscriptions; `seed` determines the faults.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            subscriptions: Mutex::default(),
            outbox: Mutex::default(),
            faults: Mutex::new(EventFaultInjector::new(seed)),
            notify: Notify::new(),
            client: OnceLock::new(),
        }
    }

    /// Wakes the delivery loop.
    pub(crate) fn wake(&self) {
        self.notify.notify_one();
    }

    /// Removes queued and delivered events, and the faults. Subscriptions are app settings and
    /// stay.
    pub(crate) fn clear(&self) {
        *lock(&self.outbox) = Outbox::default();
        lock(&self.faults).set(EventFaults::default());
    }
}

/// Returns the scope that an event type requires.
pub(super) fn scope_of(kind: &str) -> Option<&'static str> {
    EVENT_SCOPES.iter().find(|(name, _)| *name == kind).and_then(|(_, scope)| *scope)
}

/// Returns ten capitals and digits, unique for each event.
pub(super) fn event_tag(seed: u64, number: u64, now: OffsetDateTime) -> String {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let digest = Sha256::digest(format!("{seed} {number} {}", now.unix_timestamp_nanos()));
    let letter = |byte: &u8| ALPHABET.get(usize::from(*byte) % ALPHABET.len()).copied();
    digest.iter().take(10).filter_map(letter).map(char::from).collect()
}
