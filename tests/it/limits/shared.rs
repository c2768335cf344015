//! Limits in Redis: several processes as good as one, and none of them needs it.

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
use switchboard::limit::{Claim, Class, FairLimiter, LimitKey, Limiter as _, Price, Rate, Shared};
use tokio_util::task::TaskTracker;

use super::BRISK;
use crate::support::{Client, RedisServer, TestApp};

const LONG: Duration = Duration::from_mins(2);
/// A turn that was given can be seen so much later than it was counted, on a busy machine.
const LATE: Duration = Duration::from_millis(40);

fn price(budgets: &[(&str, Rate)]) -> Price {
    let key = |bucket: &str| LimitKey {
        app: None,
        organization: "E1".into(),
        bucket: bucket.to_owned().into(),
    };
    Price::new(budgets.iter().map(|(bucket, rate)| (key(bucket), *rate)))
}

fn account(number: u64) -> IntegratedAccountId {
    let clock = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
    IntegratedAccountId::generate(&clock, &SeededEntropy::new(number))
}

/// So many limiters on one Redis, each as a process has it, all of which know of each other.
async fn limiters(redis: &RedisServer, count: usize) -> anyhow::Result<Vec<FairLimiter>> {
    let all = (0..count)
        .map(|number| Shared::new(&redis.url(), format!("p{number}"), TaskTracker::new()));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    // The second time each is counted by those that came before it.
    for shared in all.iter().chain(&all) {
        shared.connect().await;
    }
    Ok(all.into_iter().map(FairLimiter::shared).collect())
}

async fn ask(limiter: &FairLimiter, price: &Price, max_wait: Duration) -> bool {
    let class = Class::Interactive;
    limiter.acquire(Claim { price, account: account(1), class, max_wait }).await.is_ok()
}

/// Waits until a limiter has gone over to Redis, or has lost it.
async fn until(limiter: &FairLimiter, price: &Price, is_up: bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while limiter.figures().shared != Some(is_up) {
        anyhow::ensure!(Instant::now() < deadline, "Redis was not noticed");
        // Being asked is what makes it look.
        ask(limiter, price, LONG).await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

/// Waits until a gateway has found its Redis: calls are what make it look.
pub(super) async fn found(state: &AppState, api: &Client) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_secs(20);
    while state.limiter.figures().shared != Some(true) {
        anyhow::ensure!(Instant::now() < deadline, "Redis was not found");
        api.get("workspaces?limit=1").await?.okay()?;
    }
    Ok(())
}

/// Whether no time holds more of these moments than the rate and one burst allow.
fn keeps_pace(mut at: Vec<Instant>, rate: Rate) -> Result<(), String> {
    at.sort_unstable();
    for (index, last) in at.iter().enumerate() {
        for (before, first) in at.iter().enumerate().take(index + 1) {
            let time = last.duration_since(*first) + LATE;
            let most = f64::from(rate.burst) + time.as_secs_f64() * rate.per_minute / 60.0;
            let count = index - before + 1;
            if f64::from(u32::try_from(count).unwrap_or(u32::MAX)) > most {
                return Err(format!("{count} in {time:?} at {rate:?}"));
            }
        }
    }
    Ok(())
}

/// A call: which limiter, which price, whose, which class, when it comes and when it stops waiting.
type Call = (usize, usize, u64, bool, u64, Option<u64>);

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let gone = prop::option::weighted(0.3, 0_u64..200);
    let call = (0_usize..3, 0_usize..3, 0_u64..4, any::<bool>(), 0_u64..400, gone);
    prop::collection::vec(call, 60..120)
}

#[tokio::test]
async fn several_processes_keep_one_pace_whoever_asks_and_stops_asking() -> anyhow::Result<()> {
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
            price(&[(&one, narrow), (&all, wide)]),
            price(&[(&two, narrow), (&all, wide)]),
            price(&[(&all, wide)]),
        ];
        let limiters = limiters(&redis, 3).await?;
        let began = Instant::now();
        let turns = join_all(calls.iter().map(|(limiter, kind, whose, is_bulk, at_ms, gone)| {
            let (limiter, price) = (&limiters[*limiter], &prices[*kind]);
            let class = if *is_bulk { Class::Background } else { Class::Interactive };
            async move {
                tokio::time::sleep(Duration::from_millis(*at_ms)).await;
                let claim = Claim { price, account: account(*whose), class, max_wait: LONG };
                let turn = limiter.acquire(claim);
                let came = match gone {
                    Some(ms) => tokio::time::timeout(Duration::from_millis(*ms), turn).await,
                    None => Ok(turn.await),
                };
                assert!(came.is_ok() || gone.is_some());
                came.ok().map(|turn| turn.map(|_| (*kind, Instant::now())))
            }
        }))
        .await;
        let turns: Vec<_> = turns.into_iter().flatten().collect::<Result<_, _>>()?;
        for (budget, rate) in [(0, narrow), (1, narrow), (2, wide)] {
            let of = turns.iter().filter(|(kind, _)| budget == 2 || *kind == budget);
            let at = of.map(|(_, at)| *at).collect();
            keeps_pace(at, rate).map_err(anyhow::Error::msg)?;
        }
        anyhow::ensure!(limiters.iter().all(|one| one.figures().waiting == 0));
        // Nobody waited for turns that nobody had: all came in about the time that their pace takes.
        let most = began.elapsed();
        anyhow::ensure!(most < Duration::from_secs(8), "round {round} took {most:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_call_takes_from_all_budgets_in_redis_or_from_none() -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let [first, second] = &*limiters(&redis, 2).await? else { anyhow::bail!("not two") };
    let (narrow, wide) = (Rate { per_minute: 1.0, burst: 1 }, Rate { per_minute: 1.0, burst: 3 });
    let both = price(&[("narrow", narrow), ("wide", wide)]);
    assert!(ask(first, &both, Duration::ZERO).await);
    for _ in 0..5 {
        assert!(!ask(second, &both, Duration::ZERO).await, "it was taken elsewhere");
    }
    let wide = price(&[("wide", wide)]);
    for (limiter, may) in [(second, true), (first, true), (second, false), (first, false)] {
        assert_eq!(ask(limiter, &wide, Duration::ZERO).await, may);
    }
    Ok(())
}

#[tokio::test]
async fn a_pause_that_one_process_was_told_holds_for_all() -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let [first, second] = &*limiters(&redis, 2).await? else { anyhow::bail!("not two") };
    let price = price(&[("a", Rate { per_minute: 60_000.0, burst: 9 })]);
    assert!(ask(second, &price, Duration::ZERO).await);
    first.block(&price, Duration::from_secs(30));
    let deadline = Instant::now() + Duration::from_secs(10);
    let refused = loop {
        anyhow::ensure!(Instant::now() < deadline, "the pause is not known elsewhere");
        let (account, class) = (account(1), Class::Interactive);
        let claim = Claim { price: &price, account, class, max_wait: Duration::ZERO };
        if let Err(refused) = second.acquire(claim).await {
            break refused;
        }
    };
    assert!(refused.retry_after > Duration::from_secs(15), "{refused}");
    Ok(())
}

#[tokio::test]
async fn nothing_stays_in_redis_of_budgets_that_are_full() -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let limiters = limiters(&redis, 1).await?;
    let limiter = limiters.first().context("none")?;
    for number in 0..20 {
        let price = price(&[(&number.to_string(), Rate { per_minute: 600.0, burst: 9 })]);
        assert!(ask(limiter, &price, Duration::ZERO).await);
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
async fn redis_goes_and_comes_back_and_no_pace_is_broken() -> anyhow::Result<()> {
    let Some(mut redis) = RedisServer::start().await? else { return Ok(()) };
    let limiters = limiters(&redis, 2).await?;
    let rate = Rate { per_minute: 6_000.0, burst: 10 };
    let (price, other) = (price(&[("a", rate)]), price(&[("other", rate)]));
    let stop = std::sync::atomic::AtomicBool::new(false);
    let load = join_all(limiters.iter().flat_map(|limiter| [limiter; 4]).map(|limiter| async {
        let mut at = Vec::new();
        while !stop.load(std::sync::atomic::Ordering::SeqCst) {
            assert!(ask(limiter, &price, LONG).await, "a call failed");
            at.push(Instant::now());
        }
        at
    }));
    let trouble = async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            redis.kill()?;
            for limiter in &limiters {
                until(limiter, &other, false).await?;
            }
            tokio::time::sleep(Duration::from_millis(400)).await;
            redis.restart().await?;
            for limiter in &limiters {
                until(limiter, &other, true).await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        stop.store(true, std::sync::atomic::Ordering::SeqCst);
        anyhow::Ok(())
    };
    let (at, troubled) = tokio::join!(load, trouble);
    troubled?;
    let at: Vec<Instant> = at.into_iter().flatten().collect();
    anyhow::ensure!(at.len() > 100, "{} turns", at.len());
    // Going over to its own share each process knows what it was last told: a few turns are counted twice.
    let at_most = Rate { burst: rate.burst * 2, ..rate };
    keeps_pace(at, at_most).map_err(anyhow::Error::msg)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_call_of_a_gateway_fails_because_redis_is_away(pool: PgPool) -> anyhow::Result<()> {
    let Some(mut redis) = RedisServer::start().await? else { return Ok(()) };
    let app = TestApp::with(pool, |setup| {
        setup.sandbox.time_scale = BRISK;
        setup.config.limits.time_scale = BRISK;
        setup.config.limits.backend = LimitBackend::Redis;
        setup.config.limits.redis_url = redis.url();
    })
    .await?;
    let api = app.linked().await?.with("prefer", "wait=60")?;
    found(&app.state, &api).await?;
    let stop = std::sync::atomic::AtomicBool::new(false);
    let load = join_all((0..4).map(|_| async {
        let mut calls = 0_u32;
        while !stop.load(std::sync::atomic::Ordering::SeqCst) {
            api.get("workspaces?limit=1").await?.okay()?;
            calls += 1;
        }
        anyhow::Ok(calls)
    }));
    let is_up = || app.state.limiter.figures().shared == Some(true);
    let trouble = async {
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
    let (calls, troubled) = tokio::join!(load, trouble);
    troubled?;
    let calls = calls.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    anyhow::ensure!(calls.iter().sum::<u32>() > 20, "{calls:?}");
    assert!(app.sandbox.requests(None).throttled.is_empty());
    Ok(())
}
