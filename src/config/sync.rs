//! `[sync]`: the workers of background jobs.

use std::time::Duration;

use serde::Deserialize;

/// Settings of the workers.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncWorkerSettings {
    /// Number of jobs that a process works on at the same time.
    pub workers: u16,
    /// Seconds between searches for jobs that are due.
    pub poll_every_s: f64,
    /// Seconds that a job belongs to a process that no longer responds.
    pub lease_s: u32,
}

impl SyncWorkerSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if self.workers > 64 {
            errors.push("sync.workers: must be between 0 and 64".to_owned());
        }
        if !(0.1..=60.0).contains(&self.poll_every_s) {
            errors.push("sync.poll_every_s: must be between 0.1 and 60".to_owned());
        }
        if !(5..=600).contains(&self.lease_s) {
            errors.push("sync.lease_s: must be between 5 and 600".to_owned());
        }
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
