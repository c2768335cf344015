//! Whose turn it is: calls wait for the pace that a provider allows, instead of running into its 429.
//!
//! A key is one budget at the provider. A call may need several (a SCIM endpoint and the set it is
//! in); it takes them in the order given.

mod local;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use local::LocalLimiter;

use crate::domain::ids::ProviderAppId;

/// One budget at a provider: its client, its organization, its method. Two accounts of one
/// organization share it, as they do at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LimitKey {
    /// The OAuth client that calls; `None` where the provider counts all clients together.
    pub app: Option<ProviderAppId>,
    /// The organization at the provider.
    pub organization: Arc<str>,
    /// The method, or the provider's name for a set of them.
    pub bucket: Arc<str>,
}

/// How fast a budget refills and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls a minute.
    pub per_minute: f64,
    /// Calls that may come at once after a rest; at least 1.
    pub burst: u32,
}

impl Rate {
    /// The time one call takes from the budget.
    #[must_use]
    pub fn period(self) -> Duration {
        Duration::from_secs_f64(60.0 / self.per_minute.max(0.001))
    }
}

/// The turn would not come in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no turn within the wait allowed; the next one is in {} ms", retry_after.as_millis())]
pub struct Refused {
    /// When a turn can be expected.
    pub retry_after: Duration,
}

/// Gives turns.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Waits for a turn of `key`, behind those who came before, for `max_wait` at most.
    async fn acquire(&self, key: &LimitKey, rate: Rate, max_wait: Duration) -> Result<(), Refused>;

    /// Gives no turn of `key` to anybody for `pause`: the provider said so.
    fn block(&self, key: &LimitKey, rate: Rate, pause: Duration);
}
