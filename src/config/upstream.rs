//! `[upstream]`: calls to providers.

use std::time::Duration;

use serde::Deserialize;

/// Settings of calls to providers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpstreamSettings {
    /// Maximum seconds to connect to a provider.
    pub connect_timeout_s: f64,
    /// Maximum seconds until a provider's response begins.
    pub response_timeout_s: f64,
    /// Maximum seconds for the rest of a buffered response.
    pub whole_response_timeout_s: f64,
    /// Maximum size of a buffered response from a customer-provided URL, in bytes.
    pub max_named_response_bytes: usize,
    /// Whether customer-provided URLs may use private networks, or no TLS.
    pub allow_private_addresses: bool,
}

impl UpstreamSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        for (key, seconds) in [
            ("connect_timeout_s", self.connect_timeout_s),
            ("response_timeout_s", self.response_timeout_s),
            ("whole_response_timeout_s", self.whole_response_timeout_s),
        ] {
            if !(0.001..=3600.0).contains(&seconds) {
                errors.push(format!("upstream.{key}: must be between 0.001 and 3600"));
            }
        }
        if !(65_536..=67_108_864).contains(&self.max_named_response_bytes) {
            let bounds = "must be between 65536 and 67108864";
            errors.push(format!("upstream.max_named_response_bytes: {bounds}"));
        }
    }

    /// Returns the maximum time to connect to a provider.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.connect_timeout_s).unwrap_or_default()
    }

    /// Returns the maximum time until a provider's response begins.
    #[must_use]
    pub fn response_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.response_timeout_s).unwrap_or_default()
    }

    /// Returns the maximum time for the rest of a buffered response.
    #[must_use]
    pub fn whole_response_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.whole_response_timeout_s).unwrap_or_default()
    }
}
