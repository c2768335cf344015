//! Who shares the rates: the gateways count themselves with calls or without, while Redis is unavailable and in a
//! cluster of Redis servers.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use sqlx::PgPool;
use switchboard::config::LimitBackend;
use switchboard::domain::clock::ManualClock;
use switchboard::domain::entropy::SeededEntropy;
use switchboard::domain::ids::IntegratedAccountId;
use switchboard::limit::{
    Claim, Class, FairLimiter, LimitKey, Limiter as _, Price, Rate, Shared, probe_redis,
};
use tokio_util::task::TaskTracker;

use crate::support::{RedisCluster, RedisServer, TestApp};

/// A rate that gives nothing back within a test.
const SLOW: Rate = Rate { per_minute: 0.1, burst: 12 };

fn price(organization: &str, rate: Rate) -> Price {
    let key = LimitKey { app: None, organization: organization.into(), bucket: "a".into() };
    Price::new([(key, rate)])
}

/// Whether a call gets its permit within the wait.
async fn ask(limiter: &FairLimiter, price: &Price, max_wait: Duration) -> bool {
    let clock = ManualClock::at(time::OffsetDateTime::UNIX_EPOCH);
    let account = IntegratedAccountId::generate(&clock, &SeededEntropy::new(1));
    limiter.acquire(Claim { price, account, class: Class::Interactive, max_wait }).await.is_ok()
}

/// How many permits a limiter has at the moment.
async fn burst(limiter: &FairLimiter, price: &Price) -> u32 {
    let mut permits = 0;
    while ask(limiter, price, Duration::ZERO).await {
        permits += 1;
    }
    permits
}

fn shared(url: &str, name: &str) -> anyhow::Result<Shared> {
    Ok(Shared::new(url, name.to_owned(), TaskTracker::new())?)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_that_starts_without_redis_takes_its_share_of_what_the_database_counts(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.limits.backend = LimitBackend::Redis;
        setup.config.limits.redis_url = "redis://127.0.0.1:1/0".to_owned();
    })
    .await?;
    // Two more, of which none has a call.
    app.beside(&app.config).await?;
    let deadline = Instant::now() + Duration::from_secs(15);
    while sqlx::query_scalar::<_, i64>("select count(*) from gateways").fetch_one(&app.pool).await?
        < 2
    {
        anyhow::ensure!(Instant::now() < deadline, "they are not counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (_, third) = app.beside(&app.config).await?;
    let account = IntegratedAccountId::generate(&app.clock, &SeededEntropy::new(1));
    for number in 0.. {
        let price = price(&format!("E{number}"), SLOW);
        let (class, max_wait) = (Class::Interactive, Duration::ZERO);
        let claim = Claim { price: &price, account, class, max_wait };
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
    // A fourth one learns it before its first call.
    let late = shared("redis://127.0.0.1:1/0", "late")?;
    let count = app.state.store.count_gateways("late").await?;
    assert_eq!(count, 4);
    late.set_floor(count);
    assert_eq!(burst(&FairLimiter::shared(late), &price("E9", SLOW)).await, 3);
    Ok(())
}

#[tokio::test]
async fn processes_without_calls_are_counted_by_their_timer() -> anyhow::Result<()> {
    let Some(mut redis) = RedisServer::start().await? else { return Ok(()) };
    let all = [shared(&redis.url(), "a")?, shared(&redis.url(), "b")?, shared(&redis.url(), "c")?];
    for one in all.iter().chain(&all) {
        one.tick().await;
    }
    redis.kill()?;
    let [busy, ..] = all;
    let limiter = FairLimiter::shared(busy.clone());
    // Finds out that Redis is unavailable.
    busy.tick().await;
    assert_eq!(limiter.figures().shared, Some(false));
    assert_eq!(burst(&limiter, &price("E1", SLOW)).await, 4);
    Ok(())
}

#[tokio::test]
async fn a_cluster_of_redis_servers_keeps_one_pace_for_all() -> anyhow::Result<()> {
    let Some(cluster) = RedisCluster::start().await? else { return Ok(()) };
    let facts = probe_redis(&cluster.url()).await?;
    assert!(facts.is_cluster, "{facts:?}");
    let (first, second) = (shared(&cluster.url(), "a")?, shared(&cluster.url(), "b")?);
    first.connect().await;
    second.connect().await;
    let (first, second) = (FairLimiter::shared(first), FairLimiter::shared(second));
    let rate = Rate { per_minute: 0.1, burst: 2 };
    // Their keys are on all three nodes.
    for number in 0..12 {
        let price = price(&format!("E{number}"), rate);
        assert!(ask(&first, &price, Duration::ZERO).await, "E{number}");
        assert!(ask(&second, &price, Duration::ZERO).await, "E{number}");
        assert!(!ask(&first, &price, Duration::ZERO).await, "E{number} is used up");
        assert!(!ask(&second, &price, Duration::ZERO).await, "E{number} is used up");
    }
    for limiter in [&first, &second] {
        assert_eq!(limiter.figures().shared, Some(true), "it is taken for unavailable");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_whose_clock_is_behind_makes_nobody_wait_for_the_difference() -> anyhow::Result<()>
{
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let one = shared(&redis.url(), "a")?;
    one.connect().await;
    let limiter = FairLimiter::shared(one);
    let rate = Rate { per_minute: 600.0, burst: 3 };
    let mut connection =
        redis::Client::open(redis.url())?.get_multiplexed_async_connection().await?;
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut connection).await?;
    // As the server before it wrote them, whose clock was an hour ahead. The second is of an earlier version.
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
        let price = price(organization, rate);
        assert!(ask(&limiter, &price, Duration::from_secs(5)).await, "{organization} waits");
    }
    // A process that nobody hears of any more does not count for an hour.
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
