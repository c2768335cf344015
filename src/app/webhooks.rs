//! Creates what deliveries to webhooks work with.

use std::sync::Arc;
use std::time::Duration;

use super::components::process_name;
use crate::config::WebhookSettings;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::upstream::{AddressPolicy, HttpClient, Timeouts};
use crate::vault::Vault;
use crate::webhooks::{SenderOptions, WebhookSender, WebhookServices};

/// Maximum time for a connection, so that an attempt does not spend all of its time on it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Creates what deliveries work with. They have an HTTP client of their own, with their own address policy.
pub(super) fn webhook_services(
    settings: &WebhookSettings,
    (store, vault, metrics): (&Store, &Vault, &Metrics),
    (clock, entropy): (&Arc<dyn Clock>, &Arc<dyn Entropy>),
) -> anyhow::Result<WebhookServices> {
    let timeout = settings.timeout();
    let timeouts =
        Timeouts { connect: CONNECT_TIMEOUT.min(timeout), read: timeout, buffered: timeout };
    let policy = if settings.allow_private_addresses {
        AddressPolicy::Any
    } else {
        AddressPolicy::PublicOnly
    };
    Ok(WebhookServices {
        store: store.clone(),
        vault: vault.clone(),
        http: HttpClient::new(timeouts, policy)?,
        metrics: metrics.clone(),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        timeout,
    })
}

/// Creates the sender of a process.
pub(super) fn webhook_sender(
    settings: &WebhookSettings,
    services: WebhookServices,
) -> WebhookSender {
    let name = process_name(&*services.entropy);
    let options = SenderOptions {
        endpoints: settings.workers.into(),
        per_endpoint: settings.per_endpoint.into(),
        lease: settings.lease(),
        poll_every: settings.poll_every(),
    };
    WebhookSender::new(services, name, options)
}
