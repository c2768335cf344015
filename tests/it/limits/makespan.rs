//! A bulk job ends when the provider's pace allows it, and the provider never has to say "too fast".

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::config::LimitBackend;
use switchboard::sandbox::org::{Organization, Person};

use crate::support::{Client, RedisServer, TestApp};

/// So many times as fast as Slack's. What a limiter loses when the machine stops it for longer than a burst
/// lasts is lost; a burst of tier 2 lasts for half a second here, for nine seconds at Slack's own pace.
const SCALE: f64 = 20.0;
/// The changes of each kind: 2,000 in all.
const TITLES: usize = 1_280;
const EACH: usize = 240;
/// How far calls may come together on their way, in milliseconds, on a machine that is busy with other tests.
const SPREAD_MS: u64 = 300;
/// How much longer than the shortest time it may take there. 1.05 is for a machine that does nothing else.
const LONGEST: f64 = 1.15;
/// How many raw calls of a kind are on their way at once.
const AT_ONCE: usize = 16;
/// The methods that end last: calls a minute, and how many our table dares at once.
const PACES: [(&str, f64, f64); 5] = [
    ("admin.roles.addAssignments", 20.0, 6.0),
    ("admin.roles.listAssignments", 50.0, 12.0),
    ("admin.users.assign", 20.0, 6.0),
    ("admin.users.session.reset", 20.0, 6.0),
    ("scim.users.update", 180.0, 20.0),
];

/// Members without a guest's limits, and workspaces, by id.
fn people_and_places(org: &Organization) -> (Vec<String>, Vec<String>) {
    let is_plain = |one: &&Person| one.is_active() && !one.is_bot() && one.guest().is_none();
    let people = org.people().iter().filter(is_plain).map(|one| one.id.clone()).collect();
    (people, org.workspaces.iter().map(|one| one.id.clone()).collect())
}

/// The changes of the unified API: roles and memberships.
fn changes(people: &[String], places: &[String]) -> [Vec<Value>; 2] {
    let person = |n: usize| people.get(n % people.len()).cloned().unwrap_or_default();
    let roles = (0..EACH).map(|n| {
        let role = ["Rl04", "Rl05"].get(n / people.len());
        json!({"method": "POST", "path": "/role-assignments",
            "body": {"user_id": person(n), "role_id": role}})
    });
    let members = (0..EACH).map(|n| {
        let place = places.get(n % places.len());
        let path = format!("/workspaces/{}/members", place.map_or("", String::as_str));
        json!({"method": "POST", "path": path, "body": {"user_id": person(n / places.len())}})
    });
    [roles.collect(), members.collect()]
}

/// Gives a person a title by the provider's own API.
async fn give_title(gateway: &Client, person: &str, n: usize) -> anyhow::Result<()> {
    let change = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "title", "value": format!("Title {n}")}]});
    let path = format!("proxy/scim/v2/Users/{person}");
    let body = Some(("application/json", &*change.to_string()));
    gateway.send(Method::PATCH, &path, body).await?.okay()?;
    Ok(())
}

/// Ends a person's sessions by the provider's own API.
async fn end_sessions(gateway: &Client, person: &str) -> anyhow::Result<()> {
    let form = ("application/x-www-form-urlencoded", &*format!("user_id={person}"));
    let path = "proxy/api/admin.users.session.reset";
    let answer = gateway.send(Method::POST, path, Some(form)).await?.okay()?;
    anyhow::ensure!(answer.get("ok") == Some(&json!(true)), "{answer}");
    Ok(())
}

/// Sends each kind as a batch, in as many parts as there are gateways, and the raw calls beside them.
/// How long it took.
async fn send(app: &TestApp, gateways: &[Client]) -> anyhow::Result<Duration> {
    let (people, places) = app.sandbox.with_org(people_and_places);
    let kinds = changes(&people, &places);
    let batches = kinds.iter().flat_map(|kind| {
        let parts = kind.chunks(kind.len().div_ceil(gateways.len()));
        parts.zip(gateways).map(|(operations, gateway)| async move {
            let wish = json!({"operations": operations, "concurrency": 16});
            let answer = gateway.post("batch", &wish).await?.okay()?;
            let failed = answer.get("failed").and_then(Value::as_u64);
            anyhow::ensure!(failed == Some(0), "{failed:?} failed: {}", first_failure(&answer));
            Ok(())
        })
    });
    let titles = (0..TITLES).zip(people.iter().cycle()).zip(gateways.iter().cycle());
    let titles = titles.map(|((n, person), gateway)| give_title(gateway, person, n));
    let titles = stream::iter(titles).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
    let ends = people.iter().cycle().zip(gateways.iter().cycle()).take(EACH);
    let ends = ends.map(|(person, gateway)| end_sessions(gateway, person));
    let ends = stream::iter(ends).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>();
    let started = Instant::now();
    tokio::try_join!(try_join_all(batches), titles, ends)?;
    Ok(started.elapsed())
}

fn first_failure(answer: &Value) -> Value {
    let all = answer.get("result").and_then(Value::as_array).into_iter().flatten();
    let is_bad =
        |one: &&Value| one.get("status").and_then(Value::as_u64).is_none_or(|status| status >= 400);
    all.filter(is_bad).take(2).cloned().collect()
}

/// Holds how long it took against the shortest time that the pace allows.
fn judge(app: &TestApp, took: Duration) {
    let seen = app.sandbox.requests(None);
    assert!(seen.throttled.is_empty(), "the provider said too fast: {:?}", seen.throttled);
    let times = PACES.map(|(method, a_minute, burst)| {
        let count = seen.counts.get(method).copied().unwrap_or_default();
        assert!(count >= 200, "{method}: {:?}", seen.counts);
        let count = f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        (count - burst) * 60.0 / a_minute / SCALE
    });
    let shortest = times.into_iter().fold(0.0, f64::max);
    let ratio = took.as_secs_f64() / shortest;
    assert!(ratio <= LONGEST, "{took:?} is {ratio:.3} times {shortest:.2} s: {:?}", seen.counts);
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn two_thousand_changes_end_when_the_pace_allows_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        (setup.sandbox.users, setup.sandbox.workspaces) = (260, 8);
        setup.sandbox.time_scale = SCALE;
        setup.config.limits.time_scale = SCALE;
        setup.config.limits.arrival_spread_ms = SPREAD_MS;
    })
    .await?;
    let api = app.linked().await?.with("prefer", "wait=120")?;
    judge(&app, send(&app, &[api]).await?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn three_gateways_that_share_redis_are_as_good_as_one(pool: PgPool) -> anyhow::Result<()> {
    let Some(redis) = RedisServer::start().await? else { return Ok(()) };
    let app = TestApp::with(pool, |setup| {
        (setup.sandbox.users, setup.sandbox.workspaces) = (260, 8);
        setup.sandbox.time_scale = SCALE;
        setup.config.limits.time_scale = SCALE;
        setup.config.limits.arrival_spread_ms = SPREAD_MS;
        setup.config.limits.backend = LimitBackend::Redis;
        setup.config.limits.redis_url = redis.url();
    })
    .await?;
    let api = app.linked().await?.with("prefer", "wait=120")?;
    let mut gateways = vec![api.clone()];
    super::shared::found(&app.state, &api).await?;
    for _ in 0..2 {
        let (address, state) = app.beside(&app.config).await?;
        let gateway = api.clone().at(address);
        super::shared::found(&state, &gateway).await?;
        gateways.push(gateway);
    }
    judge(&app, send(&app, &gateways).await?);
    Ok(())
}
