//! Tests of the limiter of one process, on the runtime's paused clock.

mod fairness;
mod properties;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{
    AcquireRequest, BucketKey, BucketStatus, Cost, FairLimiter, LimitExceeded, Limiter, Priority,
    Rate,
};
use crate::domain::clock::ManualClock;
use crate::domain::entropy::SeededEntropy;
use crate::domain::ids::IntegratedAccountId;

const SLOW: Rate = Rate { per_minute: 60.0, burst: 2 };
const MINUTE: Duration = Duration::from_mins(1);

fn key(bucket: &str) -> BucketKey {
    BucketKey { app: None, organization: "E1".into(), bucket: bucket.to_owned().into() }
}

fn cost(buckets: &[(&str, Rate)]) -> Cost {
    Cost::new(buckets.iter().map(|(bucket, rate)| (key(bucket), *rate)))
}

/// Returns the account with this number.
fn account(number: u64) -> IntegratedAccountId {
    let clock = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
    IntegratedAccountId::generate(&clock, &SeededEntropy::new(number))
}

/// Acquires a permit for an interactive call of account 1.
async fn acquire(
    limiter: &FairLimiter,
    cost: &Cost,
    max_wait: Duration,
) -> Result<Vec<BucketStatus>, LimitExceeded> {
    let priority = Priority::Interactive;
    limiter.acquire(AcquireRequest { cost, account: account(1), priority, max_wait }).await
}

#[tokio::test(start_paused = true)]
async fn admits_a_burst_and_then_the_sustained_rate() {
    let (limiter, cost) = (FairLimiter::local(), cost(&[("a", SLOW)]));
    let start = Instant::now();
    let mut at = Vec::new();
    for _ in 0..5 {
        acquire(&limiter, &cost, MINUTE).await.unwrap();
        at.push(start.elapsed().as_secs());
    }
    assert_eq!(at, [0, 0, 1, 2, 3]);
    assert_eq!(limiter.stats().grants, 5);
}

#[tokio::test(start_paused = true)]
async fn rejects_a_call_that_would_wait_too_long_with_the_expected_wait() {
    let (limiter, cost) = (FairLimiter::local(), cost(&[("a", SLOW)]));
    let start = Instant::now();
    let max_wait = Duration::from_secs(5);
    let waits = (0..12).map(|_| async {
        let result = acquire(&limiter, &cost, max_wait).await;
        (result, start.elapsed())
    });
    let results = join_all(waits).await;
    let (passed, rejected): (Vec<_>, Vec<_>) = results.into_iter().partition(|(it, _)| it.is_ok());
    assert_eq!(passed.len(), 7, "a burst of two, and one in each of five seconds");
    let mut retry_after_s = Vec::new();
    for (result, after) in rejected {
        assert_eq!(after, Duration::ZERO);
        let LimitExceeded { retry_after, statuses } = result.unwrap_err();
        assert_eq!(statuses.first().unwrap().remaining, 0);
        retry_after_s.push(retry_after.as_secs());
    }
    assert_eq!(retry_after_s, [6, 7, 6, 7, 6], "the retries are spread");
    assert_eq!(limiter.stats().rejected, 5);
}

#[tokio::test(start_paused = true)]
async fn admits_a_retry_after_retry_after() {
    let (limiter, cost) = (FairLimiter::local(), cost(&[("a", SLOW)]));
    limiter.block(&cost, Duration::from_secs(30));
    let now = acquire(&limiter, &cost, Duration::from_secs(29)).await.unwrap_err();
    assert_eq!(now.retry_after, Duration::from_secs(30));
    assert_eq!(now.statuses.first().unwrap().reset, Duration::from_secs(30));
    tokio::time::advance(now.retry_after).await;
    acquire(&limiter, &cost, Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blocked_bucket_does_not_block_others() {
    let (limiter, a, b) = (FairLimiter::local(), cost(&[("a", SLOW)]), cost(&[("b", SLOW)]));
    limiter.block(&a, Duration::from_secs(30));
    assert_eq!((limiter.stats().blocks, limiter.stats().blocked_buckets), (1, 1));
    acquire(&limiter, &a, Duration::from_secs(5)).await.unwrap_err();
    acquire(&limiter, &b, Duration::from_secs(5)).await.unwrap();
    let start = Instant::now();
    acquire(&limiter, &a, MINUTE).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(limiter.stats().blocked_buckets, 0);
}

#[tokio::test(start_paused = true)]
async fn a_block_applies_to_waiting_calls() {
    let (limiter, cost) = (FairLimiter::local(), cost(&[("a", SLOW)]));
    for _ in 0..2 {
        acquire(&limiter, &cost, Duration::ZERO).await.unwrap();
    }
    let start = Instant::now();
    let waits = async {
        acquire(&limiter, &cost, MINUTE).await.unwrap();
        start.elapsed().as_secs()
    };
    let rejected_later = async {
        let error = acquire(&limiter, &cost, Duration::from_secs(5)).await.unwrap_err();
        assert!(error.retry_after >= Duration::from_secs(14), "{error}");
        start.elapsed().as_secs()
    };
    let blocked = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        limiter.block(&cost, Duration::from_secs(20));
    };
    let (waits, rejected_later, ()) = tokio::join!(waits, rejected_later, blocked);
    assert_eq!(waits, 20);
    assert!(rejected_later <= 5, "{rejected_later}");
}

#[tokio::test(start_paused = true)]
async fn removes_idle_buckets_only() {
    let limiter = FairLimiter::local();
    for number in 0..100 {
        acquire(&limiter, &cost(&[(&number.to_string(), SLOW)]), Duration::ZERO).await.unwrap();
    }
    assert_eq!(limiter.stats().buckets, 100);
    let blocked = cost(&[("blocked", SLOW)]);
    limiter.block(&blocked, Duration::from_secs(90));
    tokio::time::advance(Duration::from_secs(61)).await;
    acquire(&limiter, &cost(&[("new", SLOW)]), Duration::ZERO).await.unwrap();
    assert_eq!(limiter.stats().buckets, 2);
    acquire(&limiter, &blocked, Duration::ZERO).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn takes_from_all_buckets_or_none() {
    let limiter = FairLimiter::local();
    let narrow = Rate { per_minute: 1.0, burst: 1 };
    let (both, wide) = (cost(&[("narrow", narrow), ("wide", SLOW)]), cost(&[("wide", SLOW)]));
    let left = |standings: Vec<BucketStatus>| standings.last().unwrap().remaining;
    assert_eq!(left(acquire(&limiter, &both, Duration::ZERO).await.unwrap()), 1);
    for _ in 0..9 {
        let rejected = acquire(&limiter, &both, Duration::ZERO).await.unwrap_err();
        assert_eq!(left(rejected.statuses), 1, "nothing was taken from the wide one");
    }
    // While a call waits for the narrow one, the wide one serves other calls.
    let waits = async {
        let start = Instant::now();
        acquire(&limiter, &both, MINUTE * 2).await.unwrap();
        start.elapsed().as_secs()
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        for _ in 0..30 {
            acquire(&limiter, &wide, Duration::from_secs(2)).await.unwrap();
        }
    };
    let (waited, ()) = tokio::join!(waits, others);
    assert_eq!(waited, 60);
}

#[tokio::test(start_paused = true)]
async fn a_call_without_buckets_never_waits() {
    let (limiter, free) = (FairLimiter::local(), cost(&[]));
    for _ in 0..1_000 {
        assert_eq!(acquire(&limiter, &free, Duration::ZERO).await.unwrap(), []);
    }
    assert_eq!(limiter.stats().buckets, 0);
}
