//! A bulk job ends in the time that the provider's rates permit, the provider never responds with 429, and interactive
//! calls beside it hardly wait.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::bulk::{self, BUDGETS, CHANGES, Subjects};
use super::fleet::{Fleet, FleetOptions, Redis};
use super::table::Section;

/// Multiple of Slack's rates: a call of SCIM's rate takes 56 ms here, one of tier 2 half a second.
const TIME_SCALE: f64 = 6.0;
/// Maximum duration, as a multiple of the shortest possible one.
const MAX_RATIO: f64 = 1.05;
/// Processes that share Redis.
const PROCESSES: usize = 3;

/// Multiple of Slack's rates for interactive calls beside a job: more calls in the same time.
const INTERACTIVE_TIME_SCALE: f64 = 20.0;
/// Changes of each of two kinds that the job makes.
const CHANGES_PER_BATCH: usize = 200;
/// Emission interval of tier 2 at that scale.
const EMISSION_INTERVAL: Duration = Duration::from_millis(150);
/// 99th percentile of an interactive caller's wait, in emission intervals.
const MAX_WAIT_INTERVALS: f64 = 2.0;
/// Intervals between interactive calls, used in turn: a third of the rate.
const CALL_INTERVALS: [u32; 5] = [1, 5, 2, 4, 3];

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "Bulk job",
        format!(
            "{CHANGES} changes at {TIME_SCALE} times Slack's rates, which the sandbox enforces: titles and groups by \
             SCIM, roles, memberships, session resets. The reference is the shortest possible time: that of the \
             slowest budget with its whole burst at the start. Interactive calls: single calls of the two methods \
             that two batches of {CHANGES_PER_BATCH} changes wait for, at {INTERACTIVE_TIME_SCALE} times Slack's \
             rates; the whole call is measured."
        ),
        &["what", "measured", "reference", "429 by the provider", "budget"],
    );
    let (bottleneck, shortest) = shortest();
    let redis = Redis::start()?;
    for (processes, redis) in [(1, None), (PROCESSES, Some(redis.url()))] {
        let (took, throttled) = runtime.block_on(job(processes, redis))?;
        let what = match processes {
            1 => "one process".to_owned(),
            _ => format!("{processes} processes that share Redis"),
        };
        let ratio = took.as_secs_f64() / shortest.as_secs_f64();
        let is_met = ratio <= MAX_RATIO && throttled == 0;
        let word = section.check(&format!("{what}: {ratio:.3}, {throttled} 429"), is_met);
        section.rows.push(vec![
            what,
            format!("{:.2} s", took.as_secs_f64()),
            format!("{:.2} s: `{bottleneck}`", shortest.as_secs_f64()),
            throttled.to_string(),
            format!("≤ {MAX_RATIO}, no 429: {ratio:.3}, {word}"),
        ]);
    }
    drop(redis);
    let (mut waits, throttled) = runtime.block_on(interactive_calls_beside_a_job())?;
    waits.sort();
    let p99 = waits.get(waits.len() * 99 / 100).copied().context("no interactive calls")?;
    let intervals = p99.as_secs_f64() / EMISSION_INTERVAL.as_secs_f64();
    let is_met = intervals <= MAX_WAIT_INTERVALS && throttled == 0;
    let word =
        section.check(&format!("interactive calls beside a job: {intervals:.2} intervals"), is_met);
    section.rows.push(vec![
        format!("interactive calls beside a job, p99 of {} calls", waits.len()),
        format!("{} ms", p99.as_millis()),
        format!("emission interval of tier 2: {} ms", EMISSION_INTERVAL.as_millis()),
        throttled.to_string(),
        format!("≤ {MAX_WAIT_INTERVALS} intervals: {intervals:.2}, {word}"),
    ]);
    Ok(section)
}

/// Returns the budget that takes longest, and how long.
fn shortest() -> (&'static str, Duration) {
    let times = BUDGETS.map(|(name, calls, a_minute, burst)| {
        let rest = u32::try_from(calls.saturating_sub(burst)).unwrap_or(u32::MAX);
        (name, Duration::from_secs_f64(f64::from(rest) * 60.0 / a_minute / TIME_SCALE))
    });
    times.into_iter().max_by_key(|(_, time)| *time).unwrap_or_default()
}

/// Returns how long the job took, and how many 429 the provider returned.
async fn job(processes: usize, redis: Option<String>) -> anyhow::Result<(Duration, u64)> {
    let options = FleetOptions {
        gateways: processes,
        users: 300,
        workspaces: 8,
        time_scale: Some(TIME_SCALE),
        redis,
    };
    let fleet = Fleet::start(&options).await?;
    let subjects = Subjects::read(&fleet).await?;
    let took = bulk::send(&fleet, &subjects).await?;
    let seen = fleet.sandbox_get("requests").await?;
    for (method, calls, ..) in BUDGETS.iter().filter(|(name, ..)| !name.contains(' ')) {
        let count = |of: &str| {
            let count = seen.get(of).and_then(|counts| counts.get(method)?.as_u64());
            count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
        };
        let done = count("counts") - count("throttled");
        anyhow::ensure!(done == *calls, "{done} calls of {method} instead of {calls}");
    }
    fleet.stop().await;
    Ok((took, throttled(&seen)))
}

fn throttled(seen: &Value) -> u64 {
    let methods = seen.get("throttled").and_then(Value::as_object).into_iter().flatten();
    methods.filter_map(|(_, count)| count.as_u64()).sum()
}

/// Returns how long interactive calls waited beside a job, and how many 429 the provider returned.
async fn interactive_calls_beside_a_job() -> anyhow::Result<(Vec<Duration>, u64)> {
    let options = FleetOptions {
        gateways: 1,
        users: 300,
        workspaces: 8,
        time_scale: Some(INTERACTIVE_TIME_SCALE),
        redis: None,
    };
    let fleet = Fleet::start(&options).await?;
    let subjects = Subjects::read(&fleet).await?;
    let base = fleet.urls().next().context("no gateway")?;
    let [roles, members] = subjects.operations(CHANGES_PER_BATCH);
    let user = subjects.users.last().context("no user")?;
    let workspace = subjects.workspaces.first().context("no workspace")?;
    let (assign, join) = ("admin.roles.addAssignments", "admin.users.assign");
    let role = format!("role_id=Rl07&entity_ids={workspace}&user_ids={user}");
    let member = format!("team_id={workspace}&user_id={user}");
    let (one, other) = tokio::try_join!(
        calls_beside_batch(&fleet, &base, &roles, assign, &role),
        calls_beside_batch(&fleet, &base, &members, join, &member),
    )?;
    let seen = fleet.sandbox_get("requests").await?;
    fleet.stop().await;
    Ok(([one, other].concat(), throttled(&seen)))
}

/// Calls a method while a batch that needs it runs; returns how long each call took.
async fn calls_beside_batch(
    fleet: &Fleet,
    base: &str,
    operations: &[Value],
    method: &str,
    form: &str,
) -> anyhow::Result<Vec<Duration>> {
    let url = format!("{base}/proxy/api/{method}");
    let mut waits = Vec::new();
    let call = async {
        for pause in CALL_INTERVALS.iter().cycle() {
            tokio::time::sleep(EMISSION_INTERVAL * *pause).await;
            let began = Instant::now();
            fleet.caller.form(&url, form.to_owned()).await?;
            waits.push(began.elapsed());
        }
        anyhow::Ok(())
    };
    tokio::select! {
        done = bulk::batch(fleet, base, operations) => done?,
        called = call => called?,
    }
    Ok(waits)
}
