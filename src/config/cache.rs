//! `[cache]`: the row caches, so that calls do not query the database.

use std::time::Duration;

use serde::Deserialize;

/// Settings of the row caches.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CacheSettings {
    /// Maximum number of cached accounts, and of keys and of tokens.
    pub accounts: usize,
    /// Seconds to serve cached rows while the database is unreachable.
    pub serve_stale_s: f64,
    /// Maximum age of a cached row, in seconds.
    pub max_age_s: f64,
}

impl CacheSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if !(1..=10_000_000).contains(&self.accounts) {
            errors.push("cache.accounts: must be between 1 and 10000000".to_owned());
        }
        if !(0.0..=86_400.0).contains(&self.serve_stale_s) {
            errors.push("cache.serve_stale_s: must be between 0 and 86400".to_owned());
        }
        if !(0.1..=86_400.0).contains(&self.max_age_s) {
            errors.push("cache.max_age_s: must be between 0.1 and 86400".to_owned());
        }
    }

    /// Returns the time to serve cached rows while the database is unreachable.
    #[must_use]
    pub fn serve_stale_for(&self) -> Duration {
        Duration::try_from_secs_f64(self.serve_stale_s).unwrap_or_default()
    }

    /// Returns the maximum age of a cached row.
    #[must_use]
    pub fn max_age(&self) -> Duration {
        Duration::try_from_secs_f64(self.max_age_s).unwrap_or_default()
    }
}
