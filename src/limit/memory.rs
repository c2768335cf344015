//! Bytes in flight: what is read as a whole counts from its first byte until it is dropped, for its environment and
//! for the process. One environment can use up its share, and the others still have theirs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::domain::ids::EnvironmentId;

/// How many bytes may be in flight. Clones share them.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    process: usize,
    environment: usize,
    used: Mutex<Used>,
}

#[derive(Debug, Default)]
struct Used {
    process: usize,
    environments: HashMap<EnvironmentId, usize>,
}

/// The bytes would be too many together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// Those of the environment.
    #[error("the environment has too many bytes in flight")]
    Environment,
    /// Those of all environments.
    #[error("the process has too many bytes in flight")]
    Process,
}

impl ByteBudget {
    /// A budget of so many bytes for the process, and for each environment.
    #[must_use]
    pub fn new(process: usize, environment: usize) -> Self {
        Self(Arc::new(Shared { process, environment, used: Mutex::default() }))
    }

    /// Begins to hold bytes of an environment; none yet.
    #[must_use]
    pub fn hold(&self, environment_id: EnvironmentId) -> HeldBytes {
        HeldBytes { budget: self.clone(), environment_id, bytes: 0 }
    }

    /// How many bytes are in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.used().process
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes that are in flight until this is dropped.
#[derive(Debug)]
pub struct HeldBytes {
    budget: ByteBudget,
    environment_id: EnvironmentId,
    bytes: usize,
}

impl HeldBytes {
    /// Holds more of them.
    ///
    /// # Errors
    ///
    /// When they would be too many: then what was held stays held, and no more.
    pub fn grow(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let shared = &self.budget.0;
        let mut used = self.budget.used();
        let process = used.process.saturating_add(bytes);
        let before = used.environments.get(&self.environment_id).copied().unwrap_or_default();
        let environment = before.saturating_add(bytes);
        if environment > shared.environment {
            return Err(OverBudget::Environment);
        }
        if process > shared.process {
            return Err(OverBudget::Process);
        }
        used.process = process;
        used.environments.insert(self.environment_id, environment);
        drop(used);
        self.bytes += bytes;
        Ok(())
    }
}

impl Drop for HeldBytes {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut used = self.budget.used();
        used.process = used.process.saturating_sub(self.bytes);
        let left = used.environments.get(&self.environment_id).copied().unwrap_or_default();
        match left.saturating_sub(self.bytes) {
            0 => {
                used.environments.remove(&self.environment_id);
            }
            left => {
                used.environments.insert(self.environment_id, left);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::clock::SystemClock;
    use crate::domain::entropy::SeededEntropy;

    #[test]
    fn an_environment_uses_up_its_own_share_only() {
        let entropy = SeededEntropy::new(1);
        let id = || EnvironmentId::generate(&SystemClock, &entropy);
        let (greedy, modest, late) = (id(), id(), id());
        let budget = ByteBudget::new(100, 60);
        let mut first = budget.hold(greedy);
        assert_eq!(first.grow(40), Ok(()));
        assert_eq!(first.grow(21), Err(OverBudget::Environment));
        let mut second = budget.hold(greedy);
        assert_eq!(second.grow(21), Err(OverBudget::Environment), "they share it");
        assert_eq!(second.grow(20), Ok(()));
        let mut other = budget.hold(modest);
        assert_eq!(other.grow(40), Ok(()));
        assert_eq!(budget.hold(late).grow(1), Err(OverBudget::Process));
        drop((first, second));
        assert_eq!(budget.in_flight(), 40);
        assert_eq!(other.grow(usize::MAX), Err(OverBudget::Environment));
        drop(other);
        assert_eq!(budget.in_flight(), 0);
        assert!(budget.used().environments.is_empty(), "nothing is left of any");
    }
}
