//! `[limits]`: waiting for turns at providers.

use std::time::Duration;

use serde::Deserialize;

/// Waiting for turns.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// How long a request waits for its turn, in seconds.
    pub max_wait_s: f64,
    /// Multiplies the pace of every provider limit.
    pub time_scale: f64,
}

impl Limits {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if !(0.0..=3600.0).contains(&self.max_wait_s) {
            mistakes.push("limits.max_wait_s: must be between 0 and 3600".to_owned());
        }
        if !(0.001..=1_000_000.0).contains(&self.time_scale) {
            mistakes
                .push("limits.time_scale: must be between 0.001 and 1000000; 1 is true".to_owned());
        }
    }

    /// How long a request waits for its turn.
    #[must_use]
    pub fn max_wait(&self) -> Duration {
        Duration::try_from_secs_f64(self.max_wait_s).unwrap_or_default()
    }
}
