//! `[mappings]`: the worker processes that evaluate the expressions of mappings.

use serde::Deserialize;

/// Settings of the worker processes.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingSettings {
    /// Maximum number of workers.
    pub workers: usize,
    /// Memory of each worker, in MiB.
    pub worker_memory_mb: u64,
}

impl MappingSettings {
    pub(super) fn validate(&self, errors: &mut Vec<String>) {
        if !(1..=256).contains(&self.workers) {
            errors.push("mappings.workers: must be between 1 and 256".to_owned());
        }
        if !(24..=4096).contains(&self.worker_memory_mb) {
            errors.push("mappings.worker_memory_mb: must be between 24 and 4096".to_owned());
        }
    }

    /// Returns the memory of a worker, in bytes.
    #[must_use]
    pub fn worker_memory(&self) -> u64 {
        self.worker_memory_mb.saturating_mul(1024 * 1024)
    }
}
