//! A bulk job ends when the provider's pace allows it, the provider never says "too fast", and people who
//! call meanwhile hardly notice.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::bulk::{self, CHANGES, NEEDS, Subjects};
use super::fleet::{Fleet, Redis, Wish};
use super::table::Section;

/// So many times as fast as Slack's: a call of SCIM's pace takes 56 ms here, one of tier 2 half a second.
const SCALE: f64 = 6.0;
/// How much longer than the shortest time it may take.
const LONGEST: f64 = 1.05;
/// The processes that share Redis.
const PROCESSES: usize = 3;

/// The scale for those who call beside a job: more calls in the same time.
const FASTER: f64 = 20.0;
/// The changes of each of two kinds that the job makes there.
const BESIDE: usize = 200;
/// The time that pays for a call of tier 2 there.
const PERIOD: Duration = Duration::from_millis(150);
/// How many periods a caller may wait, but for one in a hundred.
const LONGEST_WAIT: f64 = 2.0;
/// Callers come after each of so many periods, in turns: a third of the pace.
const PAUSES: [u32; 5] = [1, 5, 2, 4, 3];

/// Measures.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "A bulk job",
        format!(
            "{CHANGES} changes under Slack's limits at {SCALE} times their pace, which the sandbox enforces: \
             titles and groups by SCIM, roles, memberships, ends of sessions. The shortest time is that of the \
             budget that takes longest, with its whole burst at the start. People beside a job: single calls of \
             the two methods that two batches of {BESIDE} changes wait for, at {FASTER} times Slack's pace; what \
             is measured is the whole call."
        ),
        &["what", "measured", "against", "429 by the provider", "budget"],
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
        let keeps = ratio <= LONGEST && throttled == 0;
        let word = section.judge(&format!("{what}: {ratio:.3}, {throttled} of 429"), keeps);
        section.rows.push(vec![
            what,
            format!("{:.2} s", took.as_secs_f64()),
            format!("{:.2} s: `{bottleneck}`", shortest.as_secs_f64()),
            throttled.to_string(),
            format!("≤ {LONGEST}, none of 429: {ratio:.3}, {word}"),
        ]);
    }
    drop(redis);
    let (mut waits, throttled) = runtime.block_on(people_beside_a_job())?;
    waits.sort();
    let p99 = waits.get(waits.len() * 99 / 100).copied().context("nobody called")?;
    let periods = p99.as_secs_f64() / PERIOD.as_secs_f64();
    let keeps = periods <= LONGEST_WAIT && throttled == 0;
    let word = section.judge(&format!("people beside a job: {periods:.2} periods"), keeps);
    section.rows.push(vec![
        format!("people beside a job, p99 of {} calls", waits.len()),
        format!("{} ms", p99.as_millis()),
        format!("a period of tier 2: {} ms", PERIOD.as_millis()),
        throttled.to_string(),
        format!("≤ {LONGEST_WAIT} periods: {periods:.2}, {word}"),
    ]);
    Ok(section)
}

/// The budget that takes longest, and how long.
fn shortest() -> (&'static str, Duration) {
    let times = NEEDS.map(|(name, calls, a_minute, burst)| {
        let rest = u32::try_from(calls.saturating_sub(burst)).unwrap_or(u32::MAX);
        (name, Duration::from_secs_f64(f64::from(rest) * 60.0 / a_minute / SCALE))
    });
    times.into_iter().max_by_key(|(_, time)| *time).unwrap_or_default()
}

/// How long the job took, and how often the provider said "too fast".
async fn job(processes: usize, redis: Option<String>) -> anyhow::Result<(Duration, u64)> {
    let wish =
        Wish { gateways: processes, users: 300, workspaces: 8, time_scale: Some(SCALE), redis };
    let fleet = Fleet::start(&wish).await?;
    let subjects = Subjects::of(&fleet).await?;
    let took = bulk::send(&fleet, &subjects).await?;
    let seen = fleet.ask_sandbox("requests").await?;
    for (method, calls, ..) in NEEDS.iter().filter(|(name, ..)| !name.contains(' ')) {
        let count = |of: &str| {
            let count = seen.get(of).and_then(|counts| counts.get(method)?.as_u64());
            count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default()
        };
        let done = count("counts") - count("throttled");
        anyhow::ensure!(done == *calls, "{done} calls of {method} in place of {calls}");
    }
    fleet.stop().await;
    Ok((took, throttled(&seen)))
}

fn throttled(seen: &Value) -> u64 {
    let methods = seen.get("throttled").and_then(Value::as_object).into_iter().flatten();
    methods.filter_map(|(_, count)| count.as_u64()).sum()
}

/// How long people waited beside a job, and how often the provider said "too fast".
async fn people_beside_a_job() -> anyhow::Result<(Vec<Duration>, u64)> {
    let wish =
        Wish { gateways: 1, users: 300, workspaces: 8, time_scale: Some(FASTER), redis: None };
    let fleet = Fleet::start(&wish).await?;
    let subjects = Subjects::of(&fleet).await?;
    let base = fleet.urls().next().context("no gateway")?;
    let [roles, members] = subjects.operations(BESIDE);
    let person = subjects.people.last().context("nobody")?;
    let place = subjects.places.first().context("no workspace")?;
    let (give, join) = ("admin.roles.addAssignments", "admin.users.assign");
    let role = format!("role_id=Rl07&entity_ids={place}&user_ids={person}");
    let member = format!("team_id={place}&user_id={person}");
    let (one, other) = tokio::try_join!(
        beside(&fleet, &base, &roles, give, &role),
        beside(&fleet, &base, &members, join, &member),
    )?;
    let seen = fleet.ask_sandbox("requests").await?;
    fleet.stop().await;
    Ok(([one, other].concat(), throttled(&seen)))
}

/// Single calls of a method for as long as a batch runs that needs it: how long each took.
async fn beside(
    fleet: &Fleet,
    base: &str,
    operations: &[Value],
    method: &str,
    form: &str,
) -> anyhow::Result<Vec<Duration>> {
    let url = format!("{base}/proxy/api/{method}");
    let mut waits = Vec::new();
    let call = async {
        for pause in PAUSES.iter().cycle() {
            tokio::time::sleep(PERIOD * *pause).await;
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
