//! Bytes in flight: what is read as a whole counts from its first byte until it is dropped, for its environment and
//! for the process. One environment can use up its share, and the others still have theirs.
//!
//! Reading large bodies takes processor time from all environments, so each one reads a few at the same time.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::ids::EnvironmentId;

/// Large bodies that one environment reads at the same time.
const MAX_LARGE_READS: usize = 4;
/// The longest wait for the permit to read a large body.
const MAX_LARGE_READ_WAIT: Duration = Duration::from_secs(10);

/// How many bytes may be in flight. Clones share them.
#[derive(Debug, Clone)]
pub struct ByteBudget(Arc<ByteLimits>);

#[derive(Debug)]
struct ByteLimits {
    process: usize,
    environment: usize,
    used: Mutex<UsedBytes>,
}

#[derive(Debug, Default)]
struct UsedBytes {
    process: usize,
    environments: HashMap<EnvironmentId, EnvironmentUsage>,
}

/// What one environment has in flight.
#[derive(Debug)]
struct EnvironmentUsage {
    bytes: usize,
    large_reads: Arc<Semaphore>,
}

impl Default for EnvironmentUsage {
    fn default() -> Self {
        Self { bytes: 0, large_reads: Arc::new(Semaphore::new(MAX_LARGE_READS)) }
    }
}

/// A limit of bytes in flight is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverBudget {
    /// The limit of the environment.
    #[error("the environment has too many bytes in flight")]
    Environment,
    /// The limit of the process.
    #[error("the process has too many bytes in flight")]
    Process,
}

impl ByteBudget {
    /// Creates a budget of `process` bytes for all environments and of `environment` bytes for each.
    #[must_use]
    pub fn new(process: usize, environment: usize) -> Self {
        Self(Arc::new(ByteLimits { process, environment, used: Mutex::default() }))
    }

    /// Creates an empty reservation for an environment.
    #[must_use]
    pub fn reserve(&self, environment_id: EnvironmentId) -> ByteReservation {
        ByteReservation { budget: self.clone(), environment_id, bytes: 0 }
    }

    /// Returns the number of bytes in flight.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.used().process
    }

    fn used(&self) -> MutexGuard<'_, UsedBytes> {
        self.0.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reservation of bytes, released when dropped.
#[derive(Debug)]
pub struct ByteReservation {
    budget: ByteBudget,
    environment_id: EnvironmentId,
    bytes: usize,
}

impl ByteReservation {
    /// Reserves further bytes.
    ///
    /// # Errors
    ///
    /// When a limit would be exceeded; the reservation stays as it was.
    pub fn grow(&mut self, bytes: usize) -> Result<(), OverBudget> {
        let limits = &self.budget.0;
        let mut used = self.budget.used();
        let process = used.process.saturating_add(bytes);
        let before = used.environments.get(&self.environment_id).map_or(0, |usage| usage.bytes);
        let environment = before.saturating_add(bytes);
        if environment > limits.environment {
            return Err(OverBudget::Environment);
        }
        if process > limits.process {
            return Err(OverBudget::Process);
        }
        used.process = process;
        used.environments.entry(self.environment_id).or_default().bytes = environment;
        drop(used);
        self.bytes += bytes;
        Ok(())
    }

    /// Waits for the permit to read a large body of the environment. The permit is held while the body is read, not
    /// while it is used: a request with one large body may wait for the permit to read another.
    ///
    /// # Errors
    ///
    /// [`OverBudget::Environment`] after ten seconds.
    pub async fn acquire_large_read(&self) -> Result<OwnedSemaphorePermit, OverBudget> {
        let permits = {
            let mut used = self.budget.used();
            let usage = used.environments.entry(self.environment_id).or_default();
            Arc::clone(&usage.large_reads)
        };
        let permit = tokio::time::timeout(MAX_LARGE_READ_WAIT, permits.acquire_owned()).await;
        permit.ok().and_then(Result::ok).ok_or(OverBudget::Environment)
    }
}

impl Drop for ByteReservation {
    fn drop(&mut self) {
        let mut used = self.budget.used();
        used.process = used.process.saturating_sub(self.bytes);
        if let Entry::Occupied(mut entry) = used.environments.entry(self.environment_id) {
            let usage = entry.get_mut();
            usage.bytes = usage.bytes.saturating_sub(self.bytes);
            // A permit in use, or a caller that waits for one, shares the semaphore.
            if usage.bytes == 0 && Arc::strong_count(&usage.large_reads) == 1 {
                entry.remove();
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
    fn an_environment_at_its_limit_leaves_the_rest() {
        let entropy = SeededEntropy::new(1);
        let id = || EnvironmentId::generate(&SystemClock, &entropy);
        let (greedy, modest, late) = (id(), id(), id());
        let budget = ByteBudget::new(100, 60);
        let mut first = budget.reserve(greedy);
        assert_eq!(first.grow(40), Ok(()));
        assert_eq!(first.grow(21), Err(OverBudget::Environment));
        let mut second = budget.reserve(greedy);
        assert_eq!(second.grow(21), Err(OverBudget::Environment), "both count for it");
        assert_eq!(second.grow(20), Ok(()));
        let mut other = budget.reserve(modest);
        assert_eq!(other.grow(40), Ok(()));
        assert_eq!(budget.reserve(late).grow(1), Err(OverBudget::Process));
        drop((first, second));
        assert_eq!(budget.in_flight(), 40);
        assert_eq!(other.grow(usize::MAX), Err(OverBudget::Environment));
        drop(other);
        assert_eq!(budget.in_flight(), 0);
        assert!(budget.used().environments.is_empty(), "nothing is left of any");
    }

    #[tokio::test(start_paused = true)]
    async fn an_environment_reads_a_few_large_bodies_at_the_same_time() {
        let entropy = SeededEntropy::new(1);
        let [greedy, modest] = [(); 2].map(|()| EnvironmentId::generate(&SystemClock, &entropy));
        let budget = ByteBudget::new(100, 60);
        let reserved = budget.reserve(greedy);
        let mut reads = Vec::new();
        for _ in 0..MAX_LARGE_READS {
            reads.push(reserved.acquire_large_read().await.unwrap());
        }
        assert_eq!(
            budget.reserve(greedy).acquire_large_read().await.err(),
            Some(OverBudget::Environment)
        );
        assert!(
            budget.reserve(modest).acquire_large_read().await.is_ok(),
            "another environment reads on"
        );
        reads.pop();
        assert!(reserved.acquire_large_read().await.is_ok());

        // The permits in use count, even if no byte is reserved for a moment.
        let mut other = budget.reserve(greedy);
        other.grow(1).unwrap();
        drop(other);
        reads.push(reserved.acquire_large_read().await.unwrap());
        assert_eq!(reserved.acquire_large_read().await.err(), Some(OverBudget::Environment));
        drop((reads, reserved));
        assert!(budget.used().environments.is_empty(), "nothing is left of any");
    }
}
