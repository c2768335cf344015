//! A bulk job ends in the time that the provider's rates permit, and the provider never responds with 429.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::config::LimitBackend;
use switchboard::sandbox::org::{GridOrganization, Person};

use crate::support::{Client, RedisServer, TestApp};

/// Multiple of Slack's rates. What a limiter loses when the machine stops it for longer than a burst is lost;
/// a burst of tier 2 lasts for 0.6 seconds here, for nine seconds at Slack's own rate.
const TIME_SCALE: f64 = 16.0;
/// Changes per kind: 2,000 in total.
const TITLES: usize = 1_280;
const CHANGES_PER_KIND: usize = 240;
/// `limits.arrival_spread_ms` on a machine that is busy with other tests.
const ARRIVAL_SPREAD_MS: u64 = 300;
/// Maximum duration there, as a multiple of the shortest possible one; 1.05 on an idle machine.
const MAX_RATIO: f64 = 1.15;
/// Concurrent raw calls per kind.
const MAX_CONCURRENT_CALLS: usize = 16;
/// The methods that end last: calls per minute, and our burst.
const RATES: [(&str, f64, f64); 5] = [
    ("admin.roles.addAssignments", 20.0, 6.0),
    ("admin.roles.listAssignments", 50.0, 12.0),
    ("admin.users.assign", 20.0, 6.0),
    ("admin.users.session.reset", 20.0, 6.0),
    ("scim.users.update", 180.0, 20.0),
];

/// Returns members that are not guests, and workspaces, by id.
fn users_and_workspaces(org: &GridOrganization) -> (Vec<String>, Vec<String>) {
    let is_plain = |one: &&Person| one.is_active() && !one.is_bot() && one.guest_level().is_none();
    let people = org.people().iter().filter(is_plain).map(|one| one.id.clone()).collect();
    (people, org.workspaces.iter().map(|one| one.id.clone()).collect())
}

/// Returns the changes of the unified API: role assignments and memberships.
fn changes(people: &[String], places: &[String]) -> [Vec<Value>; 2] {
    let person = |n: usize| people.get(n % people.len()).cloned().unwrap_or_default();
    let roles = (0..CHANGES_PER_KIND).map(|n| {
        let role = ["Rl04", "Rl05"].get(n / people.len());
        json!({"method": "POST", "path": "/role-assignments",
            "body": {"user_id": person(n), "role_id": role}})
    });
    let members = (0..CHANGES_PER_KIND).map(|n| {
        let place = places.get(n % places.len());
        let path = format!("/workspaces/{}/members", place.map_or("", String::as_str));
        json!({"method": "POST", "path": path, "body": {"user_id": person(n / places.len())}})
    });
    [roles.collect(), members.collect()]
}

/// Sets a user's title through the provider's own API.
async fn set_title(gateway: &Client, person: &str, n: usize) -> anyhow::Result<()> {
    let change = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "title", "value": format!("Title {n}")}]});
    let path = format!("proxy/scim/v2/Users/{person}");
    let body = Some(("application/json", &*change.to_string()));
    gateway.send(Method::PATCH, &path, body).await?.success()?;
    Ok(())
}

/// Ends a user's sessions through the provider's own API.
async fn end_sessions(gateway: &Client, person: &str) -> anyhow::Result<()> {
    let form = ("application/x-www-form-urlencoded", &*format!("user_id={person}"));
    let path = "proxy/api/admin.users.session.reset";
    let response = gateway.send(Method::POST, path, Some(form)).await?.success()?;
    anyhow::ensure!(response.get("ok") == Some(&json!(true)), "{response}");
    Ok(())
}

/// Sends each kind as a batch, split over the gateways, and the raw calls beside them.
/// Returns how long it took, without the time that this thread waited for a processor.
async fn send(app: &TestApp, gateways: &[Client]) -> anyhow::Result<Duration> {
    let (people, places) = app.sandbox.with_org(users_and_workspaces);
    let kinds = changes(&people, &places);
    let batches = kinds.iter().flat_map(|kind| {
        let parts = kind.chunks(kind.len().div_ceil(gateways.len()));
        parts.zip(gateways).map(|(operations, gateway)| async move {
            let body = json!({"operations": operations, "concurrency": 16});
            let response = gateway.post("batch", &body).await?.success()?;
            let failed = response.get("failed").and_then(Value::as_u64);
            anyhow::ensure!(failed == Some(0), "{failed:?} failed: {}", first_failure(&response));
            Ok(())
        })
    });
    let titles = (0..TITLES).zip(people.iter().cycle()).zip(gateways.iter().cycle());
    let titles = titles.map(|((n, person), gateway)| set_title(gateway, person, n));
    let titles =
        stream::iter(titles).buffer_unordered(MAX_CONCURRENT_CALLS).try_collect::<Vec<()>>();
    let ends = people.iter().cycle().zip(gateways.iter().cycle()).take(CHANGES_PER_KIND);
    let ends = ends.map(|(person, gateway)| end_sessions(gateway, person));
    let ends = stream::iter(ends).buffer_unordered(MAX_CONCURRENT_CALLS).try_collect::<Vec<()>>();
    let (started, waited) = (Instant::now(), processor_wait());
    tokio::try_join!(try_join_all(batches), titles, ends)?;
    // What other programs took from this one is not the limiter's.
    Ok(started.elapsed().saturating_sub(processor_wait().saturating_sub(waited)))
}

/// Returns how long this thread, on which gateways, provider and callers run, has been ready and waited for a processor,
/// by the kernel's statistics (`/proc/PID/schedstat`, the second number, in nanoseconds); zero where it has none.
fn processor_wait() -> Duration {
    let line = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let wait = line.split_whitespace().nth(1).and_then(|wait| wait.parse().ok());
    Duration::from_nanos(wait.unwrap_or_default())
}

fn first_failure(response: &Value) -> Value {
    let all = response.get("result").and_then(Value::as_array).into_iter().flatten();
    let is_bad =
        |one: &&Value| one.get("status").and_then(Value::as_u64).is_none_or(|status| status >= 400);
    all.filter(is_bad).take(2).cloned().collect()
}

/// Checks the duration against the shortest time that the rates permit.
fn check_duration(app: &TestApp, took: Duration) {
    let seen = app.sandbox.requests(None);
    assert!(seen.throttled.is_empty(), "the provider returned 429: {:?}", seen.throttled);
    let times = RATES.map(|(method, a_minute, burst)| {
        let count = seen.counts.get(method).copied().unwrap_or_default();
        assert!(count >= 200, "{method}: {:?}", seen.counts);
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        (count - burst) * 60.0 / a_minute / TIME_SCALE
    });
    let shortest = times.into_iter().fold(0.0, f64::max);
    let ratio = took.as_secs_f64() / shortest;
    assert!(ratio <= MAX_RATIO, "{took:?} is {ratio:.3} times {shortest:.2} s: {:?}", seen.counts);
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn two_thousand_changes_end_as_soon_as_the_rates_permit(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        (setup.sandbox.users, setup.sandbox.workspaces) = (260, 8);
        setup.sandbox.time_scale = TIME_SCALE;
        setup.config.limits.time_scale = TIME_SCALE;
        setup.config.limits.arrival_spread_ms = ARRIVAL_SPREAD_MS;
    })
    .await?;
    let api = app.linked_client().await?.with("prefer", "wait=120")?;
    check_duration(&app, send(&app, &[api]).await?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn three_gateways_that_share_redis_are_as_fast_as_one(pool: PgPool) -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let app = TestApp::with(pool, |setup| {
        (setup.sandbox.users, setup.sandbox.workspaces) = (260, 8);
        setup.sandbox.time_scale = TIME_SCALE;
        setup.config.limits.time_scale = TIME_SCALE;
        setup.config.limits.arrival_spread_ms = ARRIVAL_SPREAD_MS;
        setup.config.limits.backend = LimitBackend::Redis;
        setup.config.limits.redis_url = redis.url();
    })
    .await?;
    let api = app.linked_client().await?.with("prefer", "wait=120")?;
    let mut gateways = vec![api.clone()];
    super::redis_backend::wait_for_redis(&app.state, &api).await?;
    for _ in 0..2 {
        let (address, state) = app.second_gateway(&app.config).await?;
        let gateway = api.clone().at(address);
        super::redis_backend::wait_for_redis(&state, &gateway).await?;
        gateways.push(gateway);
    }
    check_duration(&app, send(&app, &gateways).await?);
    Ok(())
}
