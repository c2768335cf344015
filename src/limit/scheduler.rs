//! Decides which waiting call is admitted next. Nothing here waits: [`FairLimiter`] polls again when the time has
//! come, and a permit is taken in the poll in which its caller proceeds. So a dropped caller has either left its
//! queue or used its permit: none can be lost in between.
//!
//! Queues that share a bucket are served round-robin: among those whose next waiter could proceed, the least
//! recently served one goes first.
//!
//! [`FairLimiter`]: super::FairLimiter

use std::sync::Arc;
use std::time::Duration;

use foldhash::HashMap;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::backend::{Backend, process_count, rates_per_process};
use super::buckets::{BucketMap, BucketState};
use super::gcra::GcraQuota;
use super::wait_queue::{UnusedPermit, WaitQueue, WaitTicket};
use super::{AcquireRequest, BucketKey, BucketStatus, Cost, LimitExceeded, Priority, Rate};
use crate::domain::ids::IntegratedAccountId;

/// The interval between two removals of idle queues and buckets.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// The `retry_after` of calls rejected together differ by up to this number of periods.
const MAX_SPREAD_PERIODS: u32 = 8;
/// The longest wait for a reply of Redis when the call needs no other waiting.
const REPLY_TIMEOUT: Duration = Duration::from_secs(2);

/// A call in a queue.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) cost: Cost,
    pub(super) account: IntegratedAccountId,
    pub(super) priority: Priority,
    pub(super) deadline: Instant,
    /// Until when it waits for a reply of Redis.
    redis_deadline: Instant,
    pub(super) ticket: WaitTicket,
}

/// A query to Redis for the permit of a queue's next waiter.
#[derive(Debug)]
pub(super) struct RedisRequest {
    pub(super) cost: Cost,
    pub(super) priority: Priority,
    /// State that Redis may have lost, for each bucket.
    pub(super) unsynced: Vec<BucketState>,
}

/// What a waiting call does next.
#[derive(Debug)]
pub(super) enum Decision {
    /// Proceed: the permit is taken.
    Granted(Vec<BucketStatus>),
    /// Fail: the permit does not come in time.
    Rejected(LimitExceeded),
    /// Poll again when woken, or at this time.
    Wait(Instant),
    /// Query Redis, and poll again when woken, or at this time.
    QueryRedis(RedisRequest, Instant),
}

/// The buckets and the queues in front of them.
#[derive(Debug)]
pub(super) struct Scheduler {
    pub(super) buckets: BucketMap,
    queues: HashMap<Arc<[BucketKey]>, WaitQueue>,
    swept_at: Instant,
    last_ticket: u64,
    admitted: u64,
    rejected: u32,
}

impl Scheduler {
    pub(super) fn new(now: Instant) -> Self {
        let (buckets, queues) = (BucketMap::default(), HashMap::default());
        Self { buckets, queues, swept_at: now, last_ticket: 0, admitted: 0, rejected: 0 }
    }

    /// Returns the number of waiting calls.
    pub(super) fn waiting(&self) -> usize {
        self.queues.values().map(|queue| queue.len() as usize).sum()
    }

    /// Takes a permit without queueing, where no call waits and all buckets have room.
    pub(super) fn try_acquire(
        &mut self,
        request: &AcquireRequest<'_>,
        backend: Backend,
        now: Instant,
    ) -> Option<Vec<BucketStatus>> {
        self.sweep(now);
        let Backend::Local { process_count } = backend else { return None };
        let rates = rates_per_process(&request.cost.rates, process_count);
        self.buckets.try_take(request.cost, &rates, request.priority, now)
    }

    /// Returns how long a request would wait now.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] when that is longer than its `max_wait`.
    pub(super) fn expected_wait(
        &mut self,
        request: &AcquireRequest<'_>,
        backend: Backend,
        now: Instant,
    ) -> Result<Duration, LimitExceeded> {
        let AcquireRequest { cost, account, priority, max_wait } = *request;
        let rates = rates_per_process(&cost.rates, process_count(backend));
        let expected = self.estimate_wait(&cost.keys, &rates, priority, account, None, now);
        if expected > max_wait {
            return Err(self.limit_exceeded(cost, &rates, expected, now));
        }
        Ok(expected)
    }

    /// Appends a request to its queue.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] when the permit would come too late.
    pub(super) fn enqueue(
        &mut self,
        request: &AcquireRequest<'_>,
        backend: Backend,
        now: Instant,
    ) -> Result<Waiter, LimitExceeded> {
        let expected = self.expected_wait(request, backend, now)?;
        let AcquireRequest { cost, account, priority, max_wait } = *request;
        self.last_ticket += 1;
        let ticket = WaitTicket { number: self.last_ticket, wake: Arc::new(Notify::new()) };
        for key in cost.keys.iter() {
            let bucket = self.buckets.get_or_insert(key, now);
            if !bucket.queues.contains(&cost.keys) {
                bucket.queues.push(Arc::clone(&cost.keys));
            }
        }
        let served = self.admitted;
        let queue = self.queues.entry(Arc::clone(&cost.keys));
        let queue = queue.or_insert_with(|| WaitQueue::new(cost.rates.clone(), served, now));
        queue.rates.clone_from(&cost.rates);
        queue.push(priority, account, ticket.clone(), now);
        let deadline = now + max_wait;
        let stays_until = match backend {
            Backend::Redis { .. } if expected.is_zero() => deadline.max(now + REPLY_TIMEOUT),
            Backend::Redis { .. } | Backend::Local { .. } => deadline,
        };
        Ok(Waiter {
            cost: cost.clone(),
            account,
            priority,
            deadline,
            redis_deadline: stays_until,
            ticket,
        })
    }

    /// Returns what a waiter does next.
    pub(super) fn decide(&mut self, waiter: &Waiter, backend: Backend, now: Instant) -> Decision {
        let keys = &waiter.cost.keys;
        let Some(head) = self.queues.get(keys).and_then(|queue| queue.next_waiter(now)) else {
            return self.reject(waiter, backend, now);
        };
        if head.ticket.number != waiter.ticket.number {
            head.ticket.wake.notify_one();
            let is_late = now >= waiter.redis_deadline;
            return if is_late {
                self.reject(waiter, backend, now)
            } else {
                Decision::Wait(waiter.redis_deadline)
            };
        }
        let priority = head.priority;
        if let Some(queue) = self.queues.get_mut(keys)
            && queue.has_unused_permit(now)
        {
            queue.unused_permit = None;
            return self.admit(waiter, now);
        }
        let rates = rates_per_process(&waiter.cost.rates, process_count(backend));
        let wait = self.buckets.wait(keys, &rates, priority, now);
        if !wait.is_zero() {
            return self.wait(waiter, backend, now + wait, now);
        }
        if let Some(until) = self.yield_to_other_queue(keys, backend, now) {
            return Decision::Wait(
                until.min(waiter.redis_deadline.max(now + Duration::from_millis(1))),
            );
        }
        match backend {
            Backend::Local { .. } => {
                self.buckets.charge(keys, &rates, now);
                self.admit(waiter, now)
            }
            Backend::Redis { connection_id, .. } => {
                let cost = Cost { keys: Arc::clone(keys), rates: rates.into_owned() };
                self.query_redis(cost, priority, connection_id, now)
            }
        }
    }

    /// Lets the next waiter of a queue wait until its buckets have room, or rejects it when that is too late.
    fn wait(
        &mut self,
        waiter: &Waiter,
        backend: Backend,
        ready_at: Instant,
        now: Instant,
    ) -> Decision {
        let keys = &waiter.cost.keys;
        // A background call may use the whole burst from its starvation deadline on.
        let due_at =
            self.queues.get(keys).and_then(WaitQueue::starvation_deadline).filter(|end| *end > now);
        if ready_at > waiter.deadline {
            return self.reject(waiter, backend, now);
        }
        Decision::Wait(due_at.map_or(ready_at, |due_at| due_at.min(ready_at)))
    }

    fn query_redis(
        &mut self,
        cost: Cost,
        priority: Priority,
        connection_id: u64,
        now: Instant,
    ) -> Decision {
        let until = now + REPLY_TIMEOUT;
        let Some(queue) = self.queues.get_mut(&cost.keys) else { return Decision::Wait(until) };
        if queue.is_query_pending {
            return Decision::Wait(until);
        }
        queue.is_query_pending = true;
        let unsynced = cost
            .keys
            .iter()
            .map(|key| self.buckets.unsynced_state(key, connection_id, now))
            .collect();
        Decision::QueryRedis(RedisRequest { cost, priority, unsynced }, until)
    }

    /// Applies a reply of Redis for a queue; returns whether it took a permit that no call waits for any more.
    pub(super) fn apply_reply(
        &mut self,
        keys: &Arc<[BucketKey]>,
        reply: Option<(bool, Vec<BucketState>, u64)>,
        now: Instant,
    ) -> bool {
        let Some(queue) = self.queues.get_mut(keys) else { return false };
        queue.is_query_pending = false;
        let mut is_unclaimed = false;
        if let Some((is_taken, states, connection_id)) = reply {
            is_unclaimed = is_taken && queue.len() == 0;
            queue.unused_permit =
                (is_taken && !is_unclaimed).then_some(UnusedPermit { granted_at: now });
            self.buckets.apply_remote_state(keys, &states, connection_id, now);
        }
        self.wake_queues(keys, now);
        is_unclaimed
    }

    /// Wakes another queue that shares a bucket, could proceed and goes first; returns until when to wait for that
    /// at most, or `None` when there is no such queue.
    fn yield_to_other_queue(
        &self,
        keys: &Arc<[BucketKey]>,
        backend: Backend,
        now: Instant,
    ) -> Option<Instant> {
        let queue = self.queues.get(keys)?;
        let rank = |queue: &WaitQueue| {
            queue.next_waiter(now).map(|head| (head.priority, queue.last_served))
        };
        let own = rank(queue)?;
        let others = keys.iter().filter_map(|key| self.buckets.get(key)).flat_map(|it| &it.queues);
        for other in others.filter(|other| *other != keys) {
            let Some(other_queue) = self.queues.get(other) else { continue };
            let (Some(theirs), Some(head)) = (rank(other_queue), other_queue.next_waiter(now))
            else {
                continue;
            };
            let rates = rates_per_process(&other_queue.rates, process_count(backend));
            let could_go = self.buckets.wait(other, &rates, head.priority, now).is_zero();
            if theirs < own && could_go && !other_queue.is_query_pending {
                head.ticket.wake.notify_one();
                return Some(now + queue.period());
            }
        }
        None
    }

    /// Admits a waiter and wakes the next ones.
    fn admit(&mut self, waiter: &Waiter, now: Instant) -> Decision {
        let keys = &waiter.cost.keys;
        self.admitted += 1;
        if let Some(queue) = self.queues.get_mut(keys) {
            queue.last_served = self.admitted;
            queue.pop(now);
        }
        self.wake_queues(keys, now);
        self.buckets.record_rates(&waiter.cost, now);
        Decision::Granted(self.buckets.statuses(&waiter.cost, now))
    }

    fn reject(&mut self, waiter: &Waiter, backend: Backend, now: Instant) -> Decision {
        let Waiter { cost, account, priority, ticket, .. } = waiter;
        let rates = rates_per_process(&cost.rates, process_count(backend));
        let expected =
            self.estimate_wait(&cost.keys, &rates, *priority, *account, Some(ticket.number), now);
        Decision::Rejected(self.limit_exceeded(cost, &rates, expected, now))
    }

    /// Removes a waiter from its queue, if it is still there.
    pub(super) fn remove(&mut self, waiter: &Waiter, now: Instant) {
        let Waiter { cost, account, priority, ticket, .. } = waiter;
        let queue = self.queues.get_mut(&cost.keys);
        if queue.is_some_and(|queue| queue.remove(*priority, *account, ticket.number)) {
            self.wake_queues(&cost.keys, now);
        }
    }

    /// Wakes the next waiter of a queue and of the queues that share a bucket; removes the queue when it is idle.
    fn wake_queues(&mut self, keys: &Arc<[BucketKey]>, now: Instant) {
        let is_done = self.queues.get(keys).is_some_and(|queue| queue.is_idle(now));
        if is_done {
            self.queues.remove(keys);
        }
        for key in keys.iter() {
            if is_done {
                self.buckets.get_or_insert(key, now).queues.retain(|other| other != keys);
            }
            let queues = self.buckets.get(key).map(|bucket| &bucket.queues).into_iter().flatten();
            for queue in queues.filter_map(|queue| self.queues.get(queue)) {
                queue.wake_next(now);
            }
        }
    }

    /// Returns the expected wait of a new call, or of the waiter with this ticket number.
    fn estimate_wait(
        &self,
        keys: &Arc<[BucketKey]>,
        rates: &[Rate],
        priority: Priority,
        account: IntegratedAccountId,
        number: Option<u64>,
        now: Instant,
    ) -> Duration {
        let own = self.queues.get(keys).map_or(0, |queue| queue.ahead(priority, account, number));
        let waits = keys.iter().zip(rates).filter_map(|(key, rate)| {
            let bucket = self.buckets.get(key)?;
            let others = bucket.queues.iter().filter(|other| *other != keys);
            let others = others.filter_map(|other| self.queues.get(other));
            let others: u32 = others.map(|queue| queue.len_ahead_of(priority)).sum();
            Some(bucket.wait(GcraQuota::new(*rate, priority), now, own.saturating_add(others)))
        });
        waits.max().unwrap_or_default()
    }

    fn limit_exceeded(
        &mut self,
        cost: &Cost,
        rates: &[Rate],
        expected: Duration,
        now: Instant,
    ) -> LimitExceeded {
        let slowest = rates.iter().max_by_key(|rate| rate.period());
        let jitter = slowest.map_or(Duration::ZERO, |rate| {
            // Calls that retry together find no more room than a burst.
            rate.period() * (self.rejected % rate.burst.clamp(1, MAX_SPREAD_PERIODS))
        });
        self.rejected = self.rejected.wrapping_add(1);
        let retry_after = (expected + jitter).max(Duration::from_millis(1));
        LimitExceeded { retry_after, statuses: self.buckets.statuses(cost, now) }
    }

    /// Removes idle queues and buckets, once per [`SWEEP_INTERVAL`].
    fn sweep(&mut self, now: Instant) {
        if now.duration_since(self.swept_at) < SWEEP_INTERVAL {
            return;
        }
        self.swept_at = now;
        let idle: Vec<_> = self.queues.iter().filter(|(_, queue)| queue.is_idle(now)).collect();
        let idle: Vec<_> = idle.into_iter().map(|(keys, _)| Arc::clone(keys)).collect();
        for keys in idle {
            self.wake_queues(&keys, now);
        }
        self.buckets.sweep(now);
    }
}
