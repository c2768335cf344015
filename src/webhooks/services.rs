//! What deliveries work with.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::store::Store;
use crate::telemetry::Metrics;
use crate::upstream::{AddressPolicy, HttpClient};
use crate::vault::Vault;

/// What deliveries work with.
#[derive(Clone)]
pub struct WebhookServices {
    /// The database.
    pub store: Store,
    /// Opens the secrets of the endpoints.
    pub vault: Vault,
    /// The HTTP client. Its address policy applies to the URLs of endpoints.
    pub http: HttpClient,
    /// The metrics.
    pub metrics: Metrics,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random number generator.
    pub entropy: Arc<dyn Entropy>,
    /// Maximum duration of an attempt.
    pub timeout: Duration,
}

impl WebhookServices {
    /// Whether URLs may lead to private addresses, and use no TLS.
    #[must_use]
    pub fn allows_private_addresses(&self) -> bool {
        self.http.address_policy() == AddressPolicy::Any
    }
}

impl std::fmt::Debug for WebhookServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookServices").finish_non_exhaustive()
    }
}
