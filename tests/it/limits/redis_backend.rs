//! Rate limits in Redis: several processes share the rates, and each continues without Redis.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use sqlx::PgPool;
use switchboard::config::LimitBackend;
use switchboard::domain::clock::ManualClock;
use switchboard::domain::entropy::SeededEntropy;
use switchboard::domain::ids::IntegratedAccountId;
use switchboard::http::AppState;
use switchboard::limit::{
    AcquireRequest, BucketKey, Cost, FairLimiter, Limiter as _, Priority, Rate, RedisBackend,
};
use tokio_util::task::TaskTracker;

use super::TIME_SCALE;
use crate::support::{Client, RedisServer, TestApp};

const LONG_WAIT: Duration = Duration::from_mins(2);
/// Maximum delay between the grant of a permit and its observation on a busy machine.
const MAX_DELAY: Duration = Duration::from_millis(40);

fn cost(budgets: &[(&str, Rate)]) -> Cost {
    let key = |bucket: &str| BucketKey {
        app: None,
        organization: "E1".into(),
        bucket: bucket.to_owned().into(),
    };
    Cost::new(budgets.iter().map(|(bucket, rate)| (key(bucket), *rate)))
}

fn account(number: u64) -> IntegratedAccountId {
    let clock = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
    IntegratedAccountId::generate(&clock, &SeededEntropy::new(number))
}

/// Creates limiters on one Redis, each as in a process of its own, which know of each other.
async fn limiters(redis: &RedisServer, count: usize) -> anyhow::Result<Vec<FairLimiter>> {
    let all = (0..count)
        .map(|number| RedisBackend::new(&redis.url(), format!("p{number}"), TaskTracker::new()));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    // In the second round each is counted by the earlier ones.
    for shared in all.iter().chain(&all) {
        shared.connect().await;
    }
    Ok(all.into_iter().map(FairLimiter::with_redis).collect())
}

async fn is_granted(limiter: &FairLimiter, cost: &Cost, max_wait: Duration) -> bool {
    let priority = Priority::Interactive;
    limiter.acquire(AcquireRequest { cost, account: account(1), priority, max_wait }).await.is_ok()
}

/// Waits until a limiter has switched to Redis, or away from it.
async fn wait_for_backend(limiter: &FairLimiter, cost: &Cost, is_up: bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while limiter.stats().redis_connected != Some(is_up) {
        anyhow::ensure!(Instant::now() < deadline, "Redis was not noticed");
        // Only calls make it try.
        is_granted(limiter, cost, LONG_WAIT).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Waits until a gateway has connected to Redis: only calls make it try.
pub(super) async fn wait_for_redis(state: &AppState, api: &Client) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while state.limiter.stats().redis_connected != Some(true) {
        anyhow::ensure!(Instant::now() < deadline, "Redis was not found");
        api.get("workspaces?limit=1").await?.success()?;
    }
    Ok(())
}

/// Checks that no period contains more of these times than the rate and one burst permit.
fn stays_within_rate(mut at: Vec<Instant>, rate: Rate) -> Result<(), String> {
    at.sort_unstable();
    for (index, last) in at.iter().enumerate() {
        for (before, first) in at.iter().enumerate().take(index + 1) {
            let time = last.duration_since(*first) + MAX_DELAY;
            let most = f64::from(rate.burst) + time.as_secs_f64() * rate.per_minute / 60.0;
            let count = index - before + 1;
            if f64::from(u32::try_from(count).unwrap_or(u32::MAX)) > most {
                return Err(format!("{count} in {time:?} at {rate:?}"));
            }
        }
    }
    Ok(())
}

/// A call: limiter, cost, account, priority, start and deadline.
type Call = (usize, usize, u64, bool, u64, Option<u64>);

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let cancelled_after = prop::option::weighted(0.3, 0_u64..200);
    let call = (0_usize..3, 0_usize..3, 0_u64..4, any::<bool>(), 0_u64..400, cancelled_after);
    prop::collection::vec(call, 60..120)
}

#[tokio::test]
async fn several_processes_share_rates_whichever_of_them_calls() -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let mut runner = TestRunner::deterministic();
    for round in 0..6 {
        let tree = calls().new_tree(&mut runner).map_err(|reason| anyhow::anyhow!("{reason}"))?;
        let calls = tree.current();
        let (narrow, wide) =
            (Rate { per_minute: 3_000.0, burst: 4 }, Rate { per_minute: 6_000.0, burst: 9 });
        let name = |name: &str| format!("{name}{round}");
        let [one, two, all] = [name("one"), name("two"), name("all")];
        let prices = [
            cost(&[(&one, narrow), (&all, wide)]),
            cost(&[(&two, narrow), (&all, wide)]),
            cost(&[(&all, wide)]),
        ];
        let limiters = limiters(&redis, 3).await?;
        let began = Instant::now();
        let permits = join_all(calls.iter().map(
            |(limiter, kind, whose, is_bulk, at_ms, cancelled_after)| {
                let (limiter, cost) = (&limiters[*limiter], &prices[*kind]);
                let priority = if *is_bulk { Priority::Background } else { Priority::Interactive };
                async move {
                    tokio::time::sleep(Duration::from_millis(*at_ms)).await;
                    let claim = AcquireRequest {
                        cost,
                        account: account(*whose),
                        priority,
                        max_wait: LONG_WAIT,
                    };
                    let permit = limiter.acquire(claim);
                    let outcome = match cancelled_after {
                        Some(ms) => tokio::time::timeout(Duration::from_millis(*ms), permit).await,
                        None => Ok(permit.await),
                    };
                    assert!(outcome.is_ok() || cancelled_after.is_some());
                    outcome.ok().map(|permit| permit.map(|_| (*kind, Instant::now())))
                }
            },
        ))
        .await;
        let permits: Vec<_> = permits.into_iter().flatten().collect::<Result<_, _>>()?;
        for (budget, rate) in [(0, narrow), (1, narrow), (2, wide)] {
            let of = permits.iter().filter(|(kind, _)| budget == 2 || *kind == budget);
            let at = of.map(|(_, at)| *at).collect();
            stays_within_rate(at, rate).map_err(anyhow::Error::msg)?;
        }
        anyhow::ensure!(limiters.iter().all(|one| one.stats().waiting == 0));
        // No caller waited for unused permits: all were granted in about the time that their rate takes.
        let most = began.elapsed();
        anyhow::ensure!(most < Duration::from_secs(8), "round {round} took {most:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_is_charged_to_all_buckets_in_redis_or_to_none() -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let [first, second] = &*limiters(&redis, 2).await? else { anyhow::bail!("not two") };
    let (narrow, wide) = (Rate { per_minute: 1.0, burst: 1 }, Rate { per_minute: 1.0, burst: 3 });
    let both = cost(&[("narrow", narrow), ("wide", wide)]);
    assert!(is_granted(first, &both, Duration::ZERO).await);
    for _ in 0..5 {
        assert!(!is_granted(second, &both, Duration::ZERO).await, "it was taken elsewhere");
    }
    let wide = cost(&[("wide", wide)]);
    for (limiter, may) in [(second, true), (first, true), (second, false), (first, false)] {
        assert_eq!(is_granted(limiter, &wide, Duration::ZERO).await, may);
    }
    Ok(())
}

#[tokio::test]
async fn a_pause_received_by_one_process_applies_to_all() -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let [first, second] = &*limiters(&redis, 2).await? else { anyhow::bail!("not two") };
    let cost = cost(&[("a", Rate { per_minute: 60_000.0, burst: 9 })]);
    assert!(is_granted(second, &cost, Duration::ZERO).await);
    first.block(&cost, Duration::from_secs(30));
    let deadline = Instant::now() + Duration::from_secs(10);
    let rejected = loop {
        anyhow::ensure!(Instant::now() < deadline, "the pause is not visible elsewhere");
        let (account, priority) = (account(1), Priority::Interactive);
        let claim = AcquireRequest { cost: &cost, account, priority, max_wait: Duration::ZERO };
        if let Err(rejected) = second.acquire(claim).await {
            break rejected;
        }
    };
    assert!(rejected.retry_after > Duration::from_secs(15), "{rejected}");
    Ok(())
}

#[tokio::test]
async fn keys_of_full_buckets_expire_in_redis() -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let limiters = limiters(&redis, 1).await?;
    let limiter = limiters.first().context("none")?;
    for number in 0..20 {
        let cost = cost(&[(&number.to_string(), Rate { per_minute: 600.0, burst: 9 })]);
        assert!(is_granted(limiter, &cost, Duration::ZERO).await);
    }
    let client = redis::Client::open(redis.url())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await?;
        if keys == ["switchboard:limit:processes"] {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < deadline, "{keys:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn rates_hold_through_an_outage_of_redis() -> anyhow::Result<()> {
    let Some(mut redis) = RedisServer::start().await? else { return Ok(()) };
    let limiters = limiters(&redis, 2).await?;
    let rate = Rate { per_minute: 6_000.0, burst: 10 };
    let (cost, other) = (cost(&[("a", rate)]), cost(&[("other", rate)]));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let load = join_all(limiters.iter().flat_map(|limiter| [limiter; 4]).map(|limiter| async {
        let mut at = Vec::new();
        while !stop.load(std::sync::atomic::Ordering::SeqCst) {
            assert!(is_granted(limiter, &cost, LONG_WAIT).await, "a call failed");
            at.push(Instant::now());
        }
        at
    }));
    let failure = async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            redis.kill()?;
            for limiter in &limiters {
                wait_for_backend(limiter, &other, false).await?;
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
            redis.restart().await?;
            for limiter in &limiters {
                wait_for_backend(limiter, &other, true).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        anyhow::Ok(())
    };
    let (at, troubled) = tokio::join!(load, failure);
    troubled?;
    let at: Vec<Instant> = at.into_iter().flatten().collect();
    anyhow::ensure!(at.len() > 100, "{} permits", at.len());
    // Each process continues with its share and the last state it received: a few permits are counted twice.
    let at_most = Rate { burst: rate.burst * 2, ..rate };
    stays_within_rate(at, at_most).map_err(anyhow::Error::msg)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_call_fails_because_redis_is_unavailable(pool: PgPool) -> anyhow::Result<()> {
    let Some(mut redis) = RedisServer::start().await? else { return Ok(()) };
    let app = TestApp::with(pool, |setup| {
        setup.sandbox.time_scale = TIME_SCALE;
        setup.config.limits.time_scale = TIME_SCALE;
        setup.config.limits.backend = LimitBackend::Redis;
        setup.config.limits.redis_url = redis.url();
    })
    .await?;
    let api = app.linked_client().await?.with("prefer", "wait=60")?;
    wait_for_redis(&app.state, &api).await?;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let load = join_all((0..4).map(|_| async {
        let mut calls = 0_u32;
        while !stop.load(std::sync::atomic::Ordering::SeqCst) {
            api.get("workspaces?limit=1").await?.success()?;
            calls += 1;
        }
        anyhow::Ok(calls)
    }));
    let is_up = || app.state.limiter.stats().redis_connected == Some(true);
    let failure = async {
        let deadline = Instant::now() + Duration::from_secs(20);
        redis.kill()?;
        while is_up() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        redis.restart().await?;
        while !is_up() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        anyhow::ensure!(is_up(), "Redis is not used again");
        Ok(())
    };
    let (calls, troubled) = tokio::join!(load, failure);
    troubled?;
    let calls = calls.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    anyhow::ensure!(calls.iter().sum::<u32>() > 20, "{calls:?}");
    assert!(app.sandbox.requests(None).throttled.is_empty());
    Ok(())
}
