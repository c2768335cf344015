//! `[webhooks]`: deliveries of events to webhooks.

use std::time::Duration;

use serde::Deserialize;

/// Settings of the deliveries.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSettings {
    /// Number of endpoints that a process delivers to at the same time; 0 for none.
    pub workers: u16,
    /// Number of requests to one endpoint at the same time.
    pub per_endpoint: u16,
    /// Seconds for one attempt.
    pub timeout_s: f64,
    /// Seconds between searches for endpoints with something to deliver.
    pub poll_every_s: f64,
    /// Seconds that an endpoint belongs to a process that no longer responds.
    pub lease_s: u32,
    /// Whether URLs may use private networks, or no TLS.
    pub allow_private_addresses: bool,
}

/// The number of attempts that fit into a lease: in a third of it attempts begin, in another third they end, and in
/// the last one their results are written.
const TIMEOUTS_PER_LEASE: f64 = 3.0;

impl WebhookSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if self.workers > 1_024 {
            errors.push("webhooks.workers: must be between 0 and 1024".to_owned());
        }
        if !(1..=256).contains(&self.per_endpoint) {
            errors.push("webhooks.per_endpoint: must be between 1 and 256".to_owned());
        }
        if !(0.1..=60.0).contains(&self.timeout_s) {
            errors.push("webhooks.timeout_s: must be between 0.1 and 60".to_owned());
        }
        if !(0.05..=60.0).contains(&self.poll_every_s) {
            errors.push("webhooks.poll_every_s: must be between 0.05 and 60".to_owned());
        }
        if !(5..=600).contains(&self.lease_s) {
            errors.push("webhooks.lease_s: must be between 5 and 600".to_owned());
        } else if f64::from(self.lease_s) < TIMEOUTS_PER_LEASE * self.timeout_s {
            let fix = "must be at least three times webhooks.timeout_s";
            errors.push(format!("webhooks.lease_s: {fix}"));
        }
    }

    /// Returns the maximum time for one attempt.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout_s).unwrap_or(Duration::from_secs(15))
    }

    /// Returns the interval of searches.
    #[must_use]
    pub fn poll_every(&self) -> Duration {
        Duration::try_from_secs_f64(self.poll_every_s).unwrap_or(Duration::from_secs(1))
    }

    /// Returns the duration of a lease.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_secs(self.lease_s.into())
    }
}
