//! `[cache]`: what is kept in memory so that calls need not ask the database.

use std::time::Duration;

use serde::Deserialize;

/// What is kept in memory.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cache {
    /// The most accounts, and as many keys and tokens.
    pub accounts: usize,
    /// How long calls go on with what is known when the database can't be reached, in seconds.
    pub keep_in_outage_s: f64,
    /// How old a row in memory may be, in seconds.
    pub max_age_s: f64,
}

impl Cache {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if !(1..=10_000_000).contains(&self.accounts) {
            mistakes.push("cache.accounts: must be between 1 and 10000000".to_owned());
        }
        if !(0.0..=86_400.0).contains(&self.keep_in_outage_s) {
            mistakes.push("cache.keep_in_outage_s: must be between 0 and 86400".to_owned());
        }
        if !(0.1..=86_400.0).contains(&self.max_age_s) {
            mistakes.push("cache.max_age_s: must be between 0.1 and 86400".to_owned());
        }
    }

    /// How long calls go on with what is known when the database can't be reached.
    #[must_use]
    pub fn keep_in_outage(&self) -> Duration {
        Duration::try_from_secs_f64(self.keep_in_outage_s).unwrap_or_default()
    }

    /// How old a row in memory may be.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        Duration::try_from_secs_f64(self.max_age_s).unwrap_or_default()
    }
}
