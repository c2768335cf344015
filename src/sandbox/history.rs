//! What happened in the organization: the source of the audit log and of events.

use std::collections::VecDeque;

use super::org::{Organization, Recorded};

/// So many of the newest changes are kept.
const KEPT: usize = 100_000;

/// The newest changes.
#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<Recorded>);

impl History {
    /// Writes changes down, just after they were made.
    pub(crate) fn record(&mut self, _org: &Organization, changes: Vec<Recorded>) {
        self.0.extend(changes);
        let surplus = self.0.len().saturating_sub(KEPT);
        self.0.drain(..surplus);
    }

    /// All that are kept, oldest first.
    pub(crate) fn changes(&self) -> Vec<Recorded> {
        self.0.iter().cloned().collect()
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
