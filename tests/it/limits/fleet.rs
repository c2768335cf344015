//! Shares of the rates: the gateways count themselves with or without calls, while Redis is unavailable and in a Redis
//! Cluster.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::PgPool;
use switchboard::config::LimitBackend;
use switchboard::domain::clock::ManualClock;
use switchboard::domain::entropy::SeededEntropy;
use switchboard::domain::ids::IntegratedAccountId;
use switchboard::limit::{
    AcquireRequest, BucketKey, Cost, FairLimiter, Limiter as _, Priority, Rate, RedisBackend,
    check_redis,
};
use tokio_util::task::TaskTracker;

use crate::support::{RedisCluster, RedisServer, TestApp};

/// A rate that does not refill during a test.
const SLOW_RATE: Rate = Rate { per_minute: 0.1, burst: 12 };

fn cost(organization: &str, rate: Rate) -> Cost {
    let key = BucketKey { app: None, organization: organization.into(), bucket: "a".into() };
    Cost::new([(key, rate)])
}

/// Returns whether a call gets its permit within the wait.
async fn is_granted(limiter: &FairLimiter, cost: &Cost, max_wait: Duration) -> bool {
    let clock = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
    let account = IntegratedAccountId::generate(&clock, &SeededEntropy::new(1));
    limiter
        .acquire(AcquireRequest { cost, account, priority: Priority::Interactive, max_wait })
        .await
        .is_ok()
}

/// Returns how many permits a limiter grants immediately.
async fn available_permits(limiter: &FairLimiter, cost: &Cost) -> u32 {
    let mut permits = 0;
    while is_granted(limiter, cost, Duration::ZERO).await {
        permits += 1;
    }
    permits
}

fn shared(url: &str, name: &str) -> anyhow::Result<RedisBackend> {
    Ok(RedisBackend::new(url, name.to_owned(), TaskTracker::new())?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_that_starts_without_redis_takes_its_share_by_the_count_of_the_database(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.limits.backend = LimitBackend::Redis;
        setup.config.limits.redis_url = "redis://127.0.0.1:1/0".to_owned();
    })
    .await?;
    // Two more, neither with a call.
    app.second_gateway(&app.config).await?;
    let deadline = Instant::now() + Duration::from_secs(15);
    while sqlx::query_scalar::<_, i64>("select count(*) from gateways").fetch_one(&app.pool).await?
        < 2
    {
        anyhow::ensure!(Instant::now() < deadline, "they are not counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, third) = app.second_gateway(&app.config).await?;
    let account = IntegratedAccountId::generate(&app.clock, &SeededEntropy::new(1));
    for number in 0.. {
        let cost = cost(&format!("E{number}"), SLOW_RATE);
        let (priority, max_wait) = (Priority::Interactive, Duration::ZERO);
        let claim = AcquireRequest { cost: &cost, account, priority, max_wait };
        let mut permits = 0;
        while third.limiter.acquire(claim).await.is_ok() {
            permits += 1;
        }
        if permits == 4 {
            break;
        }
        anyhow::ensure!(Instant::now() < deadline, "{permits} permits are no third of 12");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // A fourth one reads the count before its first call.
    let late = shared("redis://127.0.0.1:1/0", "late")?;
    let count = app.state.store.register_gateway("late").await?;
    assert_eq!(count, 4);
    late.set_min_processes(count);
    assert_eq!(available_permits(&FairLimiter::with_redis(late), &cost("E9", SLOW_RATE)).await, 3);
    Ok(())
}

#[tokio::test]
async fn processes_without_calls_are_counted_by_their_timer() -> anyhow::Result<()> {
    let Some(mut redis) = RedisServer::start().await? else { return Ok(()) };
    let all = [shared(&redis.url(), "a")?, shared(&redis.url(), "b")?, shared(&redis.url(), "c")?];
    for one in all.iter().chain(&all) {
        one.heartbeat().await;
    }
    redis.kill()?;
    let [busy, ..] = all;
    let limiter = FairLimiter::with_redis(busy.clone());
    // Detects that Redis is unavailable.
    busy.heartbeat().await;
    assert_eq!(limiter.stats().redis_connected, Some(false));
    assert_eq!(available_permits(&limiter, &cost("E1", SLOW_RATE)).await, 4);
    Ok(())
}

#[tokio::test]
async fn limiters_share_rates_through_a_redis_cluster() -> anyhow::Result<()> {
    let Some(cluster) = RedisCluster::start().await? else { return Ok(()) };
    let facts = check_redis(&cluster.url()).await?;
    assert!(facts.is_cluster, "{facts:?}");
    let (first, second) = (shared(&cluster.url(), "a")?, shared(&cluster.url(), "b")?);
    first.connect().await;
    second.connect().await;
    let (first, second) = (FairLimiter::with_redis(first), FairLimiter::with_redis(second));
    let rate = Rate { per_minute: 0.1, burst: 2 };
    // Their keys are on all three nodes.
    for number in 0..12 {
        let cost = cost(&format!("E{number}"), rate);
        assert!(is_granted(&first, &cost, Duration::ZERO).await, "E{number}");
        assert!(is_granted(&second, &cost, Duration::ZERO).await, "E{number}");
        assert!(!is_granted(&first, &cost, Duration::ZERO).await, "E{number} is used up");
        assert!(!is_granted(&second, &cost, Duration::ZERO).await, "E{number} is used up");
    }
    for limiter in [&first, &second] {
        assert_eq!(limiter.stats().redis_connected, Some(true), "it is taken for unavailable");
    }
    Ok(())
}

#[tokio::test]
async fn a_redis_server_with_a_late_clock_delays_no_caller() -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let one = shared(&redis.url(), "a")?;
    one.connect().await;
    let limiter = FairLimiter::with_redis(one);
    let rate = Rate { per_minute: 600.0, burst: 3 };
    let mut connection =
        redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
    // State written by an earlier server whose clock was an hour ahead. The second key is of an earlier version.
    let ahead = (seconds + 3_600) * 1_000_000 + micros;
    let brief = ahead + 50_000;
    for (organization, fields) in [
        ("E1", vec![("paid_at", brief), ("blocked_until", brief), ("changed_at", ahead)]),
        ("E2", vec![("paid_at", brief), ("blocked_until", 0)]),
    ] {
        let key = format!("switchboard:limit:{{{organization}}}:all:a");
        let mut set = redis::cmd("HSET");
        set.arg(key);
        for (field, value) in fields {
            set.arg(field).arg(value);
        }
        set.exec_async(&mut connection).await?;
        let cost = cost(organization, rate);
        assert!(is_granted(&limiter, &cost, Duration::from_secs(5)).await, "{organization} waits");
    }
    // A process without a heartbeat does not count for an hour.
    redis::cmd("ZADD")
        .arg("switchboard:limit:processes")
        .arg(ahead)
        .arg("gone")
        .exec_async(&mut connection)
        .await?;
    let two = shared(&redis.url(), "b")?;
    two.connect().await;
    let processes: Vec<String> = redis::cmd("ZRANGE")
        .arg("switchboard:limit:processes")
        .arg(0)
        .arg(-1)
        .query_async(&mut connection)
        .await?;
    assert_eq!(processes, ["a", "b"]);
    processes.first().context("none is left").map(|_| ())
}
