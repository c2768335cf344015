//! `[upstream]`: calls to providers.

use std::time::Duration;

use serde::Deserialize;

/// Calls to providers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Upstream {
    /// How long a provider may take to accept a connection, in seconds.
    pub connect_timeout_s: f64,
    /// How long a provider may take to begin its answer, in seconds.
    pub response_timeout_s: f64,
    /// How long the rest of a response may take that is read as a whole, in seconds.
    pub whole_response_timeout_s: f64,
    /// The largest response of an address that a customer names, in bytes, where it is read as a whole.
    pub max_named_response_bytes: usize,
    /// Whether addresses that customers name may lead into private networks, or go without TLS.
    pub allow_private_addresses: bool,
}

impl Upstream {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        for (key, seconds) in [
            ("connect_timeout_s", self.connect_timeout_s),
            ("response_timeout_s", self.response_timeout_s),
            ("whole_response_timeout_s", self.whole_response_timeout_s),
        ] {
            if !(0.001..=3600.0).contains(&seconds) {
                mistakes.push(format!("upstream.{key}: must be between 0.001 and 3600"));
            }
        }
        if !(65_536..=67_108_864).contains(&self.max_named_response_bytes) {
            let bounds = "must be between 65536 and 67108864";
            mistakes.push(format!("upstream.max_named_response_bytes: {bounds}"));
        }
    }

    /// How long a provider may take to accept a connection.
    #[must_use]
    pub fn connect_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.connect_timeout_s).unwrap_or_default()
    }

    /// How long a provider may take to begin its answer.
    #[must_use]
    pub fn response_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.response_timeout_s).unwrap_or_default()
    }

    /// How long the rest of a response may take that is read as a whole.
    #[must_use]
    pub fn whole_response_timeout(&self) -> Duration {
        Duration::try_from_secs_f64(self.whole_response_timeout_s).unwrap_or_default()
    }
}
