//! The Events API: sends changes of the organization to the apps that subscribed to them.
//!
//! <https://docs.slack.dev/apis/events-api>

mod deliver;
mod dispatcher;
mod envelope;
mod faults;
mod outbox;
mod payload;
mod subscribe;
mod subscription;

pub use self::dispatcher::DEFAULT_SIGNING_SECRET;
pub(crate) use self::dispatcher::EventDispatcher;
use self::dispatcher::{event_tag, scope_of};
use self::envelope::{AppEvent, envelope};
pub use self::faults::{EventFaultStatus, EventFaults};
use self::outbox::QueuedEvent;
pub use self::outbox::{Delivery, DeliveryLog};
pub use self::subscription::{Subscription, SubscriptionError, SubscriptionRequest};
use super::Sandbox;
use super::grants::{Installation, SlackTokenType};
use super::locks::lock;
use super::org::{GridOrganization, RecordedChange};

impl Sandbox {
    /// Sends events for applied changes to the subscribed apps.
    pub(super) fn emit_changes(&self, org: &GridOrganization, changes: &[RecordedChange]) {
        let subscriptions = lock(&self.events().subscriptions).all();
        if subscriptions.is_empty() {
            return;
        }
        for event in payload::events(org, changes) {
            for subscription in &subscriptions {
                let recipient = self.with_grants(|grants| {
                    let is_visible =
                        |grant: &&Installation| event.is_visible_to(grant, scope_of(event.kind));
                    grants.active_installations(&subscription.client_id).find(is_visible).cloned()
                });
                if let Some(grant) = recipient {
                    self.enqueue(org, subscription, &event, &grant);
                }
            }
        }
    }

    /// Sends `tokens_revoked` to the app of an installation.
    pub(super) fn emit_tokens_revoked(&self, grant: &Installation, kinds: &[SlackTokenType]) {
        self.emit_to_app(grant, &payload::tokens_revoked(grant, kinds));
    }

    /// Sends `app_uninstalled` to the app of an installation.
    pub(super) fn emit_app_uninstalled(&self, grant: &Installation) {
        self.emit_to_app(grant, &payload::app_uninstalled());
    }

    fn emit_to_app(&self, grant: &Installation, event: &AppEvent) {
        let subscription = lock(&self.events().subscriptions).get(&grant.client_id);
        if let Some(subscription) = subscription {
            self.with_org(|org| self.enqueue(org, &subscription, event, grant));
        }
    }

    /// Adds an event to the outbox if the app subscribed to its type.
    fn enqueue(
        &self,
        org: &GridOrganization,
        to: &Subscription,
        event: &AppEvent,
        grant: &Installation,
    ) {
        if !to.events.iter().any(|kind| kind == event.kind) {
            return;
        }
        let delays = lock(&self.events().faults).next_delays();
        if delays.is_empty() {
            return;
        }
        let now = self.now();
        let mut outbox = lock(&self.events().outbox);
        let number = outbox.next_number();
        let event_id = format!("Ev{}", event_tag(self.options().seed, number, now));
        let body = envelope(org, to, event, grant, &event_id, now);
        let queued = QueuedEvent::new(number, to, event.kind, event_id, body, now);
        for delay in delays {
            outbox.push(queued.delayed_by(delay));
        }
        drop(outbox);
        self.events().wake();
    }

    /// Replaces the faults of event deliveries. Queued events are not affected.
    pub fn set_event_faults(&self, faults: EventFaults) {
        lock(&self.events().faults).set(faults);
    }

    /// Returns the faults of event deliveries, with how often they were injected.
    #[must_use]
    pub fn event_faults(&self) -> EventFaultStatus {
        lock(&self.events().faults).status()
    }

    /// Returns the delivery attempts and the length of the queue.
    #[must_use]
    pub fn deliveries(&self) -> DeliveryLog {
        lock(&self.events().outbox).view()
    }
}
