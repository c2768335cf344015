//! Tests of the limiter of one process, on the runtime's paused clock.

mod fairness;
mod properties;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::{Claim, Class, FairLimiter, LimitKey, Limiter, Price, Rate, Refused, Standing};
use crate::domain::clock::ManualClock;
use crate::domain::entropy::SeededEntropy;
use crate::domain::ids::IntegratedAccountId;

const SLOW: Rate = Rate { per_minute: 60.0, burst: 2 };
const MINUTE: Duration = Duration::from_mins(1);

fn key(bucket: &str) -> LimitKey {
    LimitKey { app: None, organization: "E1".into(), bucket: bucket.to_owned().into() }
}

fn price(budgets: &[(&str, Rate)]) -> Price {
    Price::new(budgets.iter().map(|(bucket, rate)| (key(bucket), *rate)))
}

/// The same account for the same number.
fn account(number: u64) -> IntegratedAccountId {
    let clock = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
    IntegratedAccountId::generate(&clock, &SeededEntropy::new(number))
}

/// A person's call, in the name of the same account.
async fn ask(
    limiter: &FairLimiter,
    price: &Price,
    max_wait: Duration,
) -> Result<Vec<Standing>, Refused> {
    let class = Class::Interactive;
    limiter.acquire(Claim { price, account: account(1), class, max_wait }).await
}

#[tokio::test(start_paused = true)]
async fn a_burst_passes_at_once_and_the_rest_at_the_pace() {
    let (limiter, price) = (FairLimiter::local(), price(&[("a", SLOW)]));
    let start = Instant::now();
    let mut at = Vec::new();
    for _ in 0..5 {
        ask(&limiter, &price, MINUTE).await.unwrap();
        at.push(start.elapsed().as_secs());
    }
    assert_eq!(at, [0, 0, 1, 2, 3]);
    assert_eq!(limiter.figures().grants, 5);
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_too_long_is_told_at_once_when_the_turn_would_come() {
    let (limiter, price) = (FairLimiter::local(), price(&[("a", SLOW)]));
    let start = Instant::now();
    let patience = Duration::from_secs(5);
    let waits = (0..12).map(|_| async {
        let result = ask(&limiter, &price, patience).await;
        (result, start.elapsed())
    });
    let results = join_all(waits).await;
    let (passed, refused): (Vec<_>, Vec<_>) = results.into_iter().partition(|(it, _)| it.is_ok());
    assert_eq!(passed.len(), 7, "two at once and one in each of five seconds");
    let mut told = Vec::new();
    for (result, after) in refused {
        assert_eq!(after, Duration::ZERO);
        let Refused { retry_after, standings } = result.unwrap_err();
        assert_eq!(standings.first().unwrap().remaining, 0);
        told.push(retry_after.as_secs());
    }
    assert_eq!(told, [6, 7, 6, 7, 6], "not all of them at once again");
    assert_eq!(limiter.figures().refused, 5);
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_when_told_finds_its_turn() {
    let (limiter, price) = (FairLimiter::local(), price(&[("a", SLOW)]));
    limiter.block(&price, Duration::from_secs(30));
    let now = ask(&limiter, &price, Duration::from_secs(29)).await.unwrap_err();
    assert_eq!(now.retry_after, Duration::from_secs(30));
    assert_eq!(now.standings.first().unwrap().reset, Duration::from_secs(30));
    tokio::time::advance(now.retry_after).await;
    ask(&limiter, &price, Duration::ZERO).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_blocked_budget_gives_no_turn_and_others_go_on() {
    let (limiter, a, b) = (FairLimiter::local(), price(&[("a", SLOW)]), price(&[("b", SLOW)]));
    limiter.block(&a, Duration::from_secs(30));
    assert_eq!((limiter.figures().blocks, limiter.figures().blocked), (1, 1));
    ask(&limiter, &a, Duration::from_secs(5)).await.unwrap_err();
    ask(&limiter, &b, Duration::from_secs(5)).await.unwrap();
    let start = Instant::now();
    ask(&limiter, &a, MINUTE).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 30);
    assert_eq!(limiter.figures().blocked, 0);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_comes_while_some_wait_holds_for_them_too() {
    let (limiter, price) = (FairLimiter::local(), price(&[("a", SLOW)]));
    for _ in 0..2 {
        ask(&limiter, &price, Duration::ZERO).await.unwrap();
    }
    let start = Instant::now();
    let patient = async {
        ask(&limiter, &price, MINUTE).await.unwrap();
        start.elapsed().as_secs()
    };
    let hasty = async {
        let told = ask(&limiter, &price, Duration::from_secs(5)).await.unwrap_err();
        assert!(told.retry_after >= Duration::from_secs(14), "{told}");
        start.elapsed().as_secs()
    };
    let blocked = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        limiter.block(&price, Duration::from_secs(20));
    };
    let (patient, hasty, ()) = tokio::join!(patient, hasty, blocked);
    assert_eq!(patient, 20);
    assert!(hasty <= 5, "{hasty}");
}

#[tokio::test(start_paused = true)]
async fn idle_keys_are_forgotten_and_busy_ones_are_not() {
    let limiter = FairLimiter::local();
    for n in 0..100 {
        ask(&limiter, &price(&[(&n.to_string(), SLOW)]), Duration::ZERO).await.unwrap();
    }
    assert_eq!(limiter.figures().keys, 100);
    let blocked = price(&[("blocked", SLOW)]);
    limiter.block(&blocked, Duration::from_secs(90));
    tokio::time::advance(Duration::from_secs(61)).await;
    ask(&limiter, &price(&[("new", SLOW)]), Duration::ZERO).await.unwrap();
    assert_eq!(limiter.figures().keys, 2);
    ask(&limiter, &blocked, Duration::ZERO).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_call_takes_from_all_of_its_budgets_or_from_none() {
    let limiter = FairLimiter::local();
    let narrow = Rate { per_minute: 1.0, burst: 1 };
    let (both, wide) = (price(&[("narrow", narrow), ("wide", SLOW)]), price(&[("wide", SLOW)]));
    let left = |standings: Vec<Standing>| standings.last().unwrap().remaining;
    assert_eq!(left(ask(&limiter, &both, Duration::ZERO).await.unwrap()), 1);
    for _ in 0..9 {
        let refused = ask(&limiter, &both, Duration::ZERO).await.unwrap_err();
        assert_eq!(left(refused.standings), 1, "the wide one lost nothing");
    }
    // Somebody waits for the narrow one: the wide one serves others meanwhile.
    let waits = async {
        let start = Instant::now();
        ask(&limiter, &both, MINUTE * 2).await.unwrap();
        start.elapsed().as_secs()
    };
    let others = async {
        tokio::time::sleep(Duration::from_millis(1)).await;
        for _ in 0..30 {
            ask(&limiter, &wide, Duration::from_secs(2)).await.unwrap();
        }
    };
    let (waited, ()) = tokio::join!(waits, others);
    assert_eq!(waited, 60);
}

#[tokio::test(start_paused = true)]
async fn what_costs_nothing_waits_for_nothing() {
    let (limiter, free) = (FairLimiter::local(), price(&[]));
    for _ in 0..1_000 {
        assert_eq!(ask(&limiter, &free, Duration::ZERO).await.unwrap(), []);
    }
    assert_eq!(limiter.figures().keys, 0);
}
