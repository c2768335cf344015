//! The rate limiter for calls to providers: a call waits for a permit instead of running into the provider's 429.
//!
//! A [`BucketKey`] names one rate-limit bucket at the provider. A call may need several (a SCIM endpoint and the
//! set it belongs to): it gets a permit of all of them together, or waits. In front of the buckets there is one
//! queue for each set of buckets (`wait_queue`): interactive calls before background calls, round-robin over
//! accounts, first in first out within an account. The state of a bucket is held by this process (`buckets`) or
//! by Redis (`redis_backend`); the arithmetic is the same (`gcra`, `redis.lua`).

mod backend;
mod buckets;
mod byte_budget;
mod concurrency;
mod failure_throttle;
mod gcra;
mod limiter;
mod rates;
mod redis_backend;
mod redis_check;
mod redis_connection;
mod redis_script;
mod report;
mod scheduler;
mod stats;
mod wait_queue;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub use byte_budget::{ByteBudget, ByteReservation, OverBudget};
pub use concurrency::{ConcurrencyLimit, ConcurrencyPermit};
pub use failure_throttle::{FailureThrottle, source_network};
pub use limiter::FairLimiter;
pub use rates::RateTable;
pub use redis_backend::{HEARTBEAT_INTERVAL, RedisBackend};
pub use redis_check::{RedisCheckError, RedisInfo, check_redis};
pub use redis_connection::InvalidRedisUrl;
pub use report::{BucketStatus, LimitReport};
pub use stats::LimiterStats;

use crate::domain::ids::{IntegratedAccountId, ProviderAppId};

/// Identifies a bucket at a provider by client, organization and method. Two accounts of one
/// organization share a bucket, as they do at the provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct BucketKey {
    /// The OAuth client; `None` where the provider counts all clients together.
    pub app: Option<ProviderAppId>,
    /// The organization at the provider.
    pub organization: Arc<str>,
    /// The method, or the provider's name for a set of them.
    pub bucket: Cow<'static, str>,
}

/// The sustained rate and the burst of a bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Calls a minute.
    pub per_minute: f64,
    /// Calls admitted without a pause when the bucket is full; at least 1.
    pub burst: u32,
}

impl Rate {
    /// Returns the time between two calls at the sustained rate.
    #[must_use]
    pub fn period(self) -> Duration {
        Duration::from_secs_f64(60.0 / self.per_minute.max(0.001))
    }
}

/// Returns how long background calls take at a rate, from a full bucket on.
#[must_use]
pub fn background_duration(rate: Rate, calls: u64) -> Duration {
    let quota = gcra::GcraQuota::new(rate, Priority::Background);
    let between = u32::try_from(calls.saturating_sub(1)).unwrap_or(u32::MAX);
    quota.emission_interval.saturating_mul(between).saturating_sub(quota.burst_tolerance)
}

/// The priority of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Priority {
    /// A caller waits for the result; admitted first.
    #[default]
    Interactive,
    /// A batch or a job. It gets the permits that interactive calls leave, and at least one in about ten periods.
    Background,
}

/// The buckets that a call takes from, and their rates in the same order.
#[derive(Debug, Clone)]
pub struct Cost {
    keys: Arc<[BucketKey]>,
    rates: Vec<Rate>,
}

impl Cost {
    /// Creates the cost of a call that takes one permit from each bucket; free when there is none.
    pub fn new(buckets: impl IntoIterator<Item = (BucketKey, Rate)>) -> Self {
        let (keys, rates): (Vec<BucketKey>, Vec<Rate>) = buckets.into_iter().unzip();
        Self { keys: keys.into(), rates }
    }

    /// Returns the buckets with their rates.
    pub fn buckets(&self) -> impl Iterator<Item = (&BucketKey, Rate)> {
        self.keys.iter().zip(self.rates.iter().copied())
    }

    /// Returns the cost for the first bucket alone, the one that a provider's 429 blocks.
    #[must_use]
    pub fn first(&self) -> Self {
        Self::new(self.keys.first().cloned().into_iter().zip(self.rates.first().copied()))
    }
}

/// A request for the permit of one call.
#[derive(Debug, Clone, Copy)]
pub struct AcquireRequest<'a> {
    /// The buckets it takes from.
    pub cost: &'a Cost,
    /// The account that calls; accounts are served round-robin.
    pub account: IntegratedAccountId,
    /// Its priority.
    pub priority: Priority,
    /// The longest wait for the permit.
    pub max_wait: Duration,
}

/// The permit is not available within the allowed wait. Nothing was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("rate limit reached: the next permit is available in {} ms", retry_after.as_millis())]
pub struct LimitExceeded {
    /// The expected wait, given the calls queued before this one and the blocked buckets. Calls rejected together
    /// get slightly different values, so that their retries are spread.
    pub retry_after: Duration,
    /// The status of each bucket.
    pub statuses: Vec<BucketStatus>,
}

/// Issues permits for calls to providers.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Takes a permit without waiting and returns the status of its buckets; `None` when it would have to wait.
    fn try_acquire(&self, request: &AcquireRequest<'_>) -> Option<Vec<BucketStatus>>;

    /// Returns how long the request would wait for its permit now. Nothing is taken.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] when that is longer than `max_wait`.
    fn expected_wait(&self, request: &AcquireRequest<'_>) -> Result<Duration, LimitExceeded>;

    /// Waits for a permit of all buckets of the request and returns their status after it. Dropping the future
    /// leaves the queue; no permit is lost.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] when the permit does not come within `max_wait`.
    async fn acquire(
        &self,
        request: AcquireRequest<'_>,
    ) -> Result<Vec<BucketStatus>, LimitExceeded>;

    /// Blocks these buckets for all callers for `pause`, as the provider's 429 demands.
    fn block(&self, cost: &Cost, pause: Duration);

    /// Returns the status of the buckets of an organization that are not full, as this process knows them: those of the
    /// OAuth client `app`, and those that count all clients together.
    fn statuses_of(&self, organization: &str, app: Option<ProviderAppId>) -> Vec<BucketStatus>;

    /// Returns a snapshot for metrics.
    fn stats(&self) -> LimiterStats;
}

#[cfg(test)]
mod tests;
