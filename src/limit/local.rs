//! The limiter of one process: GCRA by `governor`, a fair queue in front of each key.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::Instant;

use super::{LimitKey, Limiter, Rate, Refused};

/// How often idle keys are looked for.
const SWEEP: Duration = Duration::from_mins(1);

/// The limiter of one process.
#[derive(Debug)]
pub struct LocalLimiter {
    clock: TokioClock,
    keys: Mutex<Keys>,
}

#[derive(Debug)]
struct Keys {
    turns: HashMap<LimitKey, Arc<Turns>>,
    swept_at: Instant,
}

/// The budget of one key and the queue in front of it.
#[derive(Debug)]
struct Turns {
    rate: Rate,
    budget: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Nanos>>,
    /// Tokio's mutex hands itself on in the order of asking: it is the queue.
    head: tokio::sync::Mutex<()>,
    waiting: AtomicU32,
    blocked_until: Mutex<Instant>,
    used_at: Mutex<Instant>,
}

impl LocalLimiter {
    /// A limiter that has seen nothing yet. Needs a Tokio runtime: its clock is the runtime's.
    #[must_use]
    pub fn new() -> Self {
        let now = Instant::now();
        let keys = Keys { turns: HashMap::new(), swept_at: now };
        Self { clock: TokioClock { start: now }, keys: Mutex::new(keys) }
    }

    /// How many keys are remembered.
    pub fn len(&self) -> usize {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).turns.len()
    }

    /// Whether no key is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn turns(&self, key: &LimitKey, rate: Rate) -> Arc<Turns> {
        let now = Instant::now();
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(keys.swept_at) >= SWEEP {
            keys.swept_at = now;
            keys.turns.retain(|_, turns| Arc::strong_count(turns) > 1 || !turns.is_idle(now));
        }
        let turns = keys
            .turns
            .entry(key.clone())
            .or_insert_with(|| Arc::new(Turns::new(rate, self.clock, now)));
        *turns.used_at.lock().unwrap_or_else(PoisonError::into_inner) = now;
        Arc::clone(turns)
    }
}

impl Default for LocalLimiter {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Limiter for LocalLimiter {
    async fn acquire(&self, key: &LimitKey, rate: Rate, max_wait: Duration) -> Result<(), Refused> {
        let turns = self.turns(key, rate);
        let ahead = Ahead::enter(&turns.waiting);
        let expected = turns.expected_wait(ahead.count);
        if expected > max_wait {
            return Err(Refused { retry_after: expected });
        }
        let deadline = Instant::now() + max_wait;
        tokio::time::timeout_at(deadline, turns.next()).await.map_err(|_| Refused {
            retry_after: turns.expected_wait(ahead.count).max(turns.rate.period()),
        })
    }

    fn block(&self, key: &LimitKey, rate: Rate, pause: Duration) {
        let turns = self.turns(key, rate);
        let mut until = turns.blocked_until.lock().unwrap_or_else(PoisonError::into_inner);
        *until = (*until).max(Instant::now() + pause);
    }
}

impl Turns {
    fn new(rate: Rate, clock: TokioClock, now: Instant) -> Self {
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(rate.period())
            .unwrap_or_else(|| Quota::per_second(NonZeroU32::MAX))
            .allow_burst(burst);
        Self {
            rate,
            budget: RateLimiter::direct_with_clock(quota, clock),
            head: tokio::sync::Mutex::new(()),
            waiting: AtomicU32::new(0),
            blocked_until: Mutex::new(now),
            used_at: Mutex::new(now),
        }
    }

    async fn next(&self) {
        let _head = self.head.lock().await;
        loop {
            let blocked_until = *self.blocked_until.lock().unwrap_or_else(PoisonError::into_inner);
            if blocked_until > Instant::now() {
                tokio::time::sleep_until(blocked_until).await;
                continue;
            }
            match self.budget.check() {
                Ok(()) => return,
                Err(early) => {
                    let now = self.budget.clock().now();
                    // Tokio's timer counts whole milliseconds.
                    let wait = early.wait_time_from(now).max(Duration::from_millis(1));
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    /// What somebody with `ahead` callers before them must expect, at the least.
    fn expected_wait(&self, ahead: u32) -> Duration {
        let blocked_until = *self.blocked_until.lock().unwrap_or_else(PoisonError::into_inner);
        let blocked = blocked_until.saturating_duration_since(Instant::now());
        // The one at the head waits for less than a period, the others for one each.
        blocked + self.rate.period() * ahead.saturating_sub(1)
    }

    fn is_idle(&self, now: Instant) -> bool {
        let used_at = *self.used_at.lock().unwrap_or_else(PoisonError::into_inner);
        let blocked_until = *self.blocked_until.lock().unwrap_or_else(PoisonError::into_inner);
        // A full budget is as good as a new one.
        let full_at = used_at + self.rate.period() * self.rate.burst;
        full_at < now && blocked_until < now
    }
}

/// A place in the queue, given up when dropped.
struct Ahead<'a> {
    waiting: &'a AtomicU32,
    count: u32,
}

impl<'a> Ahead<'a> {
    fn enter(waiting: &'a AtomicU32) -> Self {
        Self { waiting, count: waiting.fetch_add(1, Ordering::SeqCst) }
    }
}

impl Drop for Ahead<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The runtime's clock, which tests can pause and move.
#[derive(Debug, Clone, Copy)]
struct TokioClock {
    start: Instant,
}

impl Clock for TokioClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        Nanos::from(self.start.elapsed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOW: Rate = Rate { per_minute: 60.0, burst: 2 };

    fn key(bucket: &str) -> LimitKey {
        LimitKey { app: None, organization: "E1".into(), bucket: bucket.into() }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_passes_at_once_and_the_rest_at_the_pace() {
        let limiter = LocalLimiter::new();
        let start = Instant::now();
        let mut at = Vec::new();
        for _ in 0..5 {
            limiter.acquire(&key("a"), SLOW, Duration::from_mins(1)).await.unwrap();
            at.push(start.elapsed().as_secs());
        }
        assert_eq!(at, [0, 0, 1, 2, 3]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_is_told_at_once_and_honestly() {
        let limiter = Arc::new(LocalLimiter::new());
        let many = (0..12).map(|_| {
            let limiter = Arc::clone(&limiter);
            async move { limiter.acquire(&key("a"), SLOW, Duration::from_secs(5)).await }
        });
        let results = futures_util::future::join_all(many).await;
        let passed = results.iter().filter(|result| result.is_ok()).count();
        assert!((6..=8).contains(&passed), "{passed} passed in 5 s at 1/s with a burst of 2");
        for refused in results.into_iter().filter_map(Result::err) {
            assert!(refused.retry_after >= Duration::from_secs(1), "{refused}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn turns_come_in_the_order_of_asking() {
        let limiter = Arc::new(LocalLimiter::new());
        let order = Arc::new(Mutex::new(Vec::new()));
        let all = (0..6).map(|n| {
            let (limiter, order) = (Arc::clone(&limiter), Arc::clone(&order));
            async move {
                limiter.acquire(&key("a"), SLOW, Duration::from_mins(1)).await.unwrap();
                order.lock().unwrap().push(n);
            }
        });
        futures_util::future::join_all(all).await;
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_blocked_key_gives_no_turn_and_others_go_on() {
        let limiter = LocalLimiter::new();
        limiter.block(&key("a"), SLOW, Duration::from_secs(30));
        let refused = limiter.acquire(&key("a"), SLOW, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(refused.retry_after, Duration::from_secs(30));
        limiter.acquire(&key("b"), SLOW, Duration::from_secs(5)).await.unwrap();
        let start = Instant::now();
        limiter.acquire(&key("a"), SLOW, Duration::from_mins(1)).await.unwrap();
        assert_eq!(start.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_keys_are_forgotten_and_busy_ones_are_not() {
        let limiter = LocalLimiter::new();
        for n in 0..100 {
            limiter.acquire(&key(&n.to_string()), SLOW, Duration::ZERO).await.unwrap();
        }
        assert_eq!(limiter.len(), 100);
        tokio::time::advance(Duration::from_secs(61)).await;
        limiter.acquire(&key("new"), SLOW, Duration::ZERO).await.unwrap();
        assert_eq!(limiter.len(), 1);
    }
}
