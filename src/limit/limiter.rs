//! The limiter of a process: callers wait in its queues and proceed when the buckets have room.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::backend::Backend;
use super::redis_backend::{RedisBackend, TakeReply};
use super::scheduler::{Decision, RedisRequest, Scheduler, Waiter};
use super::stats::LimiterCounters;
use super::{AcquireRequest, BucketStatus, Cost, LimitExceeded, Limiter, LimiterStats};
use crate::domain::ids::ProviderAppId;

/// The limiter of a process, with local buckets or with buckets in Redis that several processes share. Clones share
/// its state.
#[derive(Debug, Clone)]
pub struct FairLimiter(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    scheduler: Mutex<Scheduler>,
    redis: Option<RedisBackend>,
    counters: LimiterCounters,
}

/// A waiter that leaves its queue when dropped.
struct QueuedCall<'a> {
    inner: &'a Inner,
    waiter: Waiter,
}

impl Drop for QueuedCall<'_> {
    fn drop(&mut self) {
        self.inner.scheduler().remove(&self.waiter, Instant::now());
    }
}

impl FairLimiter {
    /// Creates a limiter for the only process that uses the buckets.
    #[must_use]
    pub fn local() -> Self {
        Self::new(None)
    }

    /// Creates a limiter for one of several processes that share the buckets through Redis.
    #[must_use]
    pub fn with_redis(redis: RedisBackend) -> Self {
        Self::new(Some(redis))
    }

    fn new(redis: Option<RedisBackend>) -> Self {
        let scheduler = Mutex::new(Scheduler::new(Instant::now()));
        Self(Arc::new(Inner { scheduler, redis, counters: LimiterCounters::default() }))
    }

    /// Queries Redis for a permit on a separate task; the permit goes to the call that is next when the reply comes.
    fn query_redis(
        &self,
        redis: &RedisBackend,
        RedisRequest { cost, priority, unsynced }: RedisRequest,
    ) {
        let (inner, backend) = (Arc::clone(&self.0), redis.clone());
        redis.spawn(async move {
            let reply = backend.take(&cost, priority, &unsynced).await;
            let reply = reply
                .map(|TakeReply { taken, states, connection_id }| (taken, states, connection_id));
            let is_unclaimed = inner.scheduler().apply_reply(&cost.keys, reply, Instant::now());
            if is_unclaimed {
                backend.return_permit(&cost).await;
            }
        });
    }
}

impl Inner {
    fn scheduler(&self) -> MutexGuard<'_, Scheduler> {
        self.scheduler.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn backend(&self) -> Backend {
        self.redis.as_ref().map_or(Backend::Local { process_count: 1 }, RedisBackend::backend)
    }
}

#[async_trait]
impl Limiter for FairLimiter {
    fn try_acquire(&self, request: &AcquireRequest<'_>) -> Option<Vec<BucketStatus>> {
        let statuses = self.0.scheduler().try_acquire(request, self.0.backend(), Instant::now());
        statuses.inspect(|_| self.0.counters.grants.add_one())
    }

    fn expected_wait(&self, request: &AcquireRequest<'_>) -> Result<Duration, LimitExceeded> {
        let inner = &*self.0;
        let expected = inner.scheduler().expected_wait(request, inner.backend(), Instant::now());
        expected.inspect_err(|_| inner.counters.rejected.add_one())
    }

    async fn acquire(
        &self,
        request: AcquireRequest<'_>,
    ) -> Result<Vec<BucketStatus>, LimitExceeded> {
        let inner = &*self.0;
        let entered = {
            let (mut scheduler, backend, now) =
                (inner.scheduler(), inner.backend(), Instant::now());
            if let Some(statuses) = scheduler.try_acquire(&request, backend, now) {
                inner.counters.grants.add_one();
                return Ok(statuses);
            }
            scheduler.enqueue(&request, backend, now)
        };
        let waiter = entered.inspect_err(|_| inner.counters.rejected.add_one())?;
        let queued = QueuedCall { inner, waiter };
        loop {
            let decision =
                inner.scheduler().decide(&queued.waiter, inner.backend(), Instant::now());
            let until = match decision {
                Decision::Granted(statuses) => {
                    inner.counters.grants.add_one();
                    return Ok(statuses);
                }
                Decision::Rejected(error) => {
                    inner.counters.rejected.add_one();
                    return Err(error);
                }
                Decision::Wait(until) => until,
                Decision::QueryRedis(query, until) => {
                    if let Some(redis) = &inner.redis {
                        self.query_redis(redis, query);
                    }
                    until
                }
            };
            // Woken or not, it polls again.
            let _ = tokio::time::timeout_at(until, queued.waiter.ticket.wake.notified()).await;
        }
    }

    fn block(&self, cost: &Cost, pause: Duration) {
        let now = Instant::now();
        self.0.counters.blocks.add_one();
        self.0.scheduler().buckets.block(cost, now + pause, now);
        if let Some(redis) = &self.0.redis {
            let (backend, cost) = (redis.clone(), cost.clone());
            redis.spawn(async move { backend.block(&cost, pause).await });
        }
    }

    fn statuses_of(&self, organization: &str, app: Option<ProviderAppId>) -> Vec<BucketStatus> {
        self.0.scheduler().buckets.statuses_of(organization, app, Instant::now())
    }

    fn stats(&self) -> LimiterStats {
        let Inner { counters, redis, .. } = &*self.0;
        let scheduler = self.0.scheduler();
        LimiterStats {
            grants: counters.grants.get(),
            rejected: counters.rejected.get(),
            blocks: counters.blocks.get(),
            buckets: scheduler.buckets.len(),
            waiting: scheduler.waiting(),
            blocked_buckets: scheduler.buckets.blocked_count(Instant::now()),
            redis_connected: redis.as_ref().map(RedisBackend::is_connected),
        }
    }
}
