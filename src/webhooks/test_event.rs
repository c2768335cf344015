//! The event that a test sends to an endpoint: once, recorded with the deliveries, and not in the feed.

use serde_json::json;
use serde_json::value::to_raw_value;

use super::error::WebhookError;
use super::services::WebhookServices;
use crate::domain::event::{Event, EventOrigin};
use crate::domain::ids::{DeliveryId, EnvironmentId, EventId, WebhookId};
use crate::domain::webhook::{Delivery, DeliveryStatus, TEST_EVENT};

impl WebhookServices {
    /// Sends a test event to an endpoint, also to an inactive one, and returns the recorded delivery; `None` if the
    /// environment has no such endpoint. It is not attempted again, and the endpoint's state does not change.
    ///
    /// # Errors
    ///
    /// When the database fails or the endpoint's secrets can't be opened. What the endpoint returns is not an error.
    pub async fn send_test(
        &self,
        environment_id: EnvironmentId,
        webhook_id: WebhookId,
    ) -> Result<Option<Delivery>, WebhookError> {
        let db = self.store.tenant(environment_id);
        let Some(target) = db.webhook_target(webhook_id).await? else { return Ok(None) };
        let created_at = self.clock.now();
        let target = self.open_target((environment_id, webhook_id), &target, created_at)?;
        let event_id = EventId::of(created_at, &*self.entropy);
        let body = test_event(event_id, webhook_id, created_at)?;
        let result = self.attempt(&target, event_id, body.into()).await?;
        let delivery = Delivery {
            id: DeliveryId::of(created_at, &*self.entropy),
            webhook_id,
            event_id,
            event_type: TEST_EVENT.to_owned(),
            position: None,
            account_id: None,
            status: if result.is_success() {
                DeliveryStatus::Succeeded
            } else {
                DeliveryStatus::Failed
            },
            attempt_count: 1,
            attempts: vec![result.attempt],
            next_attempt_at: None,
            created_at,
        };
        let is_recorded = db.insert_test_delivery(&delivery).await?;
        Ok(is_recorded.then_some(delivery))
    }
}

/// Returns a test event as JSON, with the fields of all events.
fn test_event(
    id: EventId,
    webhook_id: WebhookId,
    now: time::OffsetDateTime,
) -> Result<Vec<u8>, serde_json::Error> {
    let data = to_raw_value(&json!({"webhook_id": webhook_id}))?;
    serde_json::to_vec(&Event {
        id,
        kind: TEST_EVENT.to_owned(),
        sequence: None,
        integrated_account_id: None,
        tenant_id: None,
        occurred_at: now,
        observed_at: now,
        origin: EventOrigin::Gateway,
        actor: None,
        object: None,
        previous: None,
        initial: false,
        data: Some(data),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::domain::entropy::SeededEntropy;

    #[test]
    fn a_test_event_has_the_fields_of_all_events() {
        let entropy = SeededEntropy::new(1);
        let id = EventId::generate(&SystemClock, &entropy);
        let webhook_id = WebhookId::generate(&SystemClock, &entropy);
        let now = time::macros::datetime!(2026-01-02 03:04:05 UTC);
        let event = test_event(id, webhook_id, now).unwrap();
        assert_eq!(
            serde_json::from_slice::<Value>(&event).unwrap(),
            json!({"id": id, "type": "webhook.test", "sequence": null, "integrated_account_id": null,
                "tenant_id": null, "occurred_at": "2026-01-02T03:04:05Z",
                "observed_at": "2026-01-02T03:04:05Z", "origin": "gateway", "actor": null, "object": null,
                "previous": null, "data": {"webhook_id": webhook_id}})
        );
    }
}
