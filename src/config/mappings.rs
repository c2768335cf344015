//! `[mappings]`: the worker processes that evaluate the expressions of mappings.

use serde::Deserialize;

/// The worker processes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mappings {
    /// The most workers.
    pub workers: usize,
    /// The memory of each, in MiB.
    pub worker_memory_mb: u64,
}

impl Mappings {
    pub(super) fn validate(&self, mistakes: &mut Vec<String>) {
        if !(1..=256).contains(&self.workers) {
            mistakes.push("mappings.workers: must be between 1 and 256".to_owned());
        }
        if !(24..=4096).contains(&self.worker_memory_mb) {
            mistakes.push("mappings.worker_memory_mb: must be between 24 and 4096".to_owned());
        }
    }

    /// The memory of a worker, in bytes.
    #[must_use]
    pub fn worker_memory(&self) -> u64 {
        self.worker_memory_mb.saturating_mul(1024 * 1024)
    }
}
