//! The Events API: changes are sent to the apps that asked for them.
//!
//! <https://docs.slack.dev/apis/events-api>

mod deliver;
mod envelope;
mod outbox;
mod shape;
mod subscription;

use std::sync::{Mutex, OnceLock};

use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use tokio::sync::Notify;

use self::envelope::{Event, envelope};
pub use self::outbox::{Deliveries, Delivery};
use self::outbox::{Letter, Outbox};
use self::subscription::Subscriptions;
pub use self::subscription::{Subscription, SubscriptionError, SubscriptionRequest};
use super::Sandbox;
use super::grants::{Grant, TokenKind};
use super::locks::lock;
use super::org::{Organization, Recorded};

/// The signing secret of a subscription that names none: no secret at all, as anybody can see.
pub const DEFAULT_SIGNING_SECRET: &str = "sandbox-signing-secret-not-a-secret";

/// The events that are sent, and the scope that each of them takes.
const EVENTS: &[(&str, Option<&str>)] = &[
    ("app_uninstalled", None),
    ("subteam_created", Some("usergroups:read")),
    ("subteam_members_changed", Some("usergroups:read")),
    ("subteam_updated", Some("usergroups:read")),
    ("team_join", Some("users:read")),
    ("team_rename", Some("team:read")),
    ("tokens_revoked", None),
    ("user_change", Some("users:read")),
    ("user_profile_changed", Some("users:read")),
];

/// Who is told what, and what waits to be sent.
#[derive(Debug, Default)]
pub(crate) struct Events {
    subscriptions: Mutex<Subscriptions>,
    outbox: Mutex<Outbox>,
    /// Rung when there is something to send, and when the provider's clock is moved.
    bell: Notify,
    client: OnceLock<reqwest::Client>,
}

impl Events {
    /// Looks at what waits once more.
    pub(crate) fn wake(&self) {
        self.bell.notify_one();
    }

    /// Forgets what was sent and what waits. Subscriptions are an app's settings and stay.
    pub(crate) fn clear(&self) {
        *lock(&self.outbox) = Outbox::default();
    }
}

impl Sandbox {
    /// Tells subscribers of changes that were just made.
    pub(super) fn announce(&self, org: &Organization, changes: &[Recorded]) {
        let subscriptions = lock(&self.events().subscriptions).all();
        if subscriptions.is_empty() {
            return;
        }
        for event in shape::events(org, changes) {
            for subscription in &subscriptions {
                let witness = self.with_grants(|grants| {
                    let sees = |grant: &&Grant| event.is_seen_by(grant, scope_of(event.kind));
                    grants.live(&subscription.client_id).find(sees).cloned()
                });
                if let Some(grant) = witness {
                    self.post(org, subscription, &event, &grant);
                }
            }
        }
    }

    /// Tells an app that tokens of an installation were taken back.
    pub(super) fn announce_revoked(&self, grant: &Grant, kinds: &[TokenKind]) {
        self.announce_to_app(grant, &shape::tokens_revoked(grant, kinds));
    }

    /// Tells an app that an installation is gone.
    pub(super) fn announce_uninstalled(&self, grant: &Grant) {
        self.announce_to_app(grant, &shape::app_uninstalled());
    }

    fn announce_to_app(&self, grant: &Grant, event: &Event) {
        let subscription = lock(&self.events().subscriptions).get(&grant.client_id);
        if let Some(subscription) = subscription {
            self.with_org(|org| self.post(org, &subscription, event, grant));
        }
    }

    /// Puts an event into the outbox, if it is wanted.
    fn post(&self, org: &Organization, to: &Subscription, event: &Event, grant: &Grant) {
        if !to.events.iter().any(|kind| kind == event.kind) {
            return;
        }
        let now = self.now();
        let mut outbox = lock(&self.events().outbox);
        let number = outbox.next_number();
        let event_id = format!("Ev{}", tag(self.options().seed, number, now));
        let body = envelope(org, to, event, grant, &event_id, now);
        outbox.push(Letter::new(number, to, event.kind, event_id, body, now));
        drop(outbox);
        self.events().wake();
    }

    /// What has been sent, and how much waits.
    #[must_use]
    pub fn deliveries(&self) -> Deliveries {
        lock(&self.events().outbox).view()
    }
}

/// The scope that an event takes.
fn scope_of(kind: &str) -> Option<&'static str> {
    EVENTS.iter().find(|(name, _)| *name == kind).and_then(|(_, scope)| *scope)
}

/// Ten capitals and digits that no other moment has.
fn tag(seed: u64, number: u64, now: OffsetDateTime) -> String {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let digest = Sha256::digest(format!("{seed} {number} {}", now.unix_timestamp_nanos()));
    let letter = |byte: &u8| ALPHABET.get(usize::from(*byte) % ALPHABET.len()).copied();
    digest.iter().take(10).filter_map(letter).map(char::from).collect()
}
