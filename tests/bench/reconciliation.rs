//! Reconciliation: the plan of a large desired state, and the application of a plan under the provider's rate limits.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::copy_rows::{CopySize, fill};
use super::fleet::{self, Caller, Deployment, Fleet, FleetOptions, Redis, text};
use super::machine::{memory_mb, peak_memory_mb, reset_peak_memory};
use super::person_names::PersonNames;
use super::progress::note;
use super::table::Section;

/// People of the copy and of the desired state of the plan.
const PLAN_USERS: i64 = 100_000;
/// Budgets of the plan.
const MAX_PLAN_S: f64 = 5.0;
const MAX_PLAN_GROWTH_MB: f64 = 100.0;
/// Steps that are applied, by kind.
const TITLES: usize = 1_800;
const MEMBERSHIPS: usize = 100;
const ROLES: usize = 100;
/// Multiple of Slack's rates while they are applied.
const TIME_SCALE: f64 = 40.0;
/// Maximum duration, as a multiple of the shortest possible one.
const MAX_APPLY_RATIO: f64 = 1.05;
/// Processes that share Redis.
const PROCESSES: usize = 3;
/// The pause between two looks at a reconciliation while it is applied.
const POLL: Duration = Duration::from_millis(200);
/// The longest wait for a plan or its application.
const TIMEOUT: Duration = Duration::from_mins(15);

/// Calls per minute and burst of the methods that a plan's application needs. Slack documents bursts for SCIM only; those
/// of the tiers are the gateway's.
const RATES: [(&str, f64, f64); 9] = [
    ("scim.users.update", 180.0, 20.0),
    ("scim.users.get", 300.0, 300.0),
    ("users.info", 100.0, 25.0),
    ("admin.users.assign", 20.0, 6.0),
    ("admin.roles.addAssignments", 20.0, 6.0),
    ("admin.roles.listAssignments", 50.0, 12.0),
    ("admin.teams.list", 50.0, 12.0),
    ("admin.teams.owners.list", 50.0, 12.0),
    ("admin.teams.admins.list", 50.0, 12.0),
];

/// An applied plan.
#[derive(Debug)]
struct Applied {
    seconds: f64,
    steps: u64,
    /// The method that takes longest, and its shortest possible time in seconds.
    slowest: (String, f64),
    calls: u64,
    throttled: u64,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "Reconciliation",
        format!(
            "Plan: an upload of {PLAN_USERS} people as NDJSON against a copy of {PLAN_USERS}, one in fifty of them changed, \
             from the request until the plan can be read. Apply: {TITLES} titles, {MEMBERSHIPS} memberships and {ROLES} \
             roles at {TIME_SCALE} times Slack's rates, which the sandbox enforces; each person is read before and after \
             the change. The reference is the shortest possible time of all calls that were made: that of the slowest \
             method with its whole burst at the start."
        ),
        &["what", "measured", "reference", "budget"],
    );
    let (plan_s, growth_mb) = runtime.block_on(plan())?;
    let word = section.check(&format!("plan in {plan_s:.1} s"), plan_s <= MAX_PLAN_S);
    let verdict = format!("≤ {MAX_PLAN_S} s: {word}");
    section.rows.push(row("plan", format!("{plan_s:.2} s"), String::new(), verdict));
    let word = section.check(
        &format!("memory grew by {growth_mb:.0} MB while planning"),
        growth_mb <= MAX_PLAN_GROWTH_MB,
    );
    let verdict = format!("≤ {MAX_PLAN_GROWTH_MB} MB: {word}");
    section.rows.push(row(
        "memory of the plan",
        format!("{growth_mb:.1} MB"),
        String::new(),
        verdict,
    ));
    let redis = Redis::start()?;
    for (processes, redis) in [(1, None), (PROCESSES, Some(redis.url()))] {
        let applied = runtime.block_on(apply(processes, redis))?;
        let what = match processes {
            1 => "apply, one process".to_owned(),
            _ => format!("apply, {processes} processes that share Redis"),
        };
        let (method, shortest) = &applied.slowest;
        let ratio = applied.seconds / shortest;
        let is_met = ratio <= MAX_APPLY_RATIO && applied.throttled == 0;
        let word = section.check(&format!("{what}: {ratio:.3}, {} 429", applied.throttled), is_met);
        let measured = format!(
            "{} steps with {} calls in {:.1} s",
            applied.steps, applied.calls, applied.seconds
        );
        let verdict = format!("≤ {MAX_APPLY_RATIO}, no 429: {ratio:.3}, {word}");
        section.rows.push(row(&what, measured, format!("{shortest:.1} s: `{method}`"), verdict));
    }
    Ok(section)
}

fn row(what: &str, measured: String, reference: String, budget: String) -> Vec<String> {
    vec![what.to_owned(), measured, reference, budget]
}

/// Returns how long the plan took, in seconds, and by how many megabytes the gateway's memory grew.
async fn plan() -> anyhow::Result<(f64, f64)> {
    let deployment = Deployment::new("http://127.0.0.1:9", "").await?;
    let planned = plan_with(&deployment).await;
    deployment.close().await;
    planned
}

async fn plan_with(deployment: &Deployment) -> anyhow::Result<(f64, f64)> {
    let created = deployment.accounts(1, "xoxp-fixed").await?;
    let account = created.first().context("no account")?.0.to_string();
    let size = CopySize { first: PLAN_USERS, all: PLAN_USERS };
    fill(deployment, std::slice::from_ref(&account), &PersonNames::new(), size).await?;
    let mut gateway = deployment.serve()?;
    gateway.ready("/readyz")?;
    let key = deployment.key().await?;
    let caller = Caller::new()?
        .with("authorization", &format!("Bearer {key}"))?
        .with("x-integrated-account-id", &account)?;
    let base = gateway.url();
    let sync = json!({"sync": {"enabled": true}}).to_string();
    let enable = caller.request(Method::PATCH, &format!("{base}/integrated-accounts/{account}"));
    fleet::json(enable.header(header::CONTENT_TYPE, "application/json").body(sync)).await?;
    let rows: Vec<String> = sqlx::query_scalar(
        "SELECT json_build_object('email', email, 'title', CASE WHEN n % 50 = 0 THEN 'Changed' ELSE body->>'title' END,
             'department', body->>'department', 'workspaces', json_build_array('T' || n % 20))::text
         FROM (SELECT email, body, right(object_id, 10)::int AS n FROM directory_users) person",
    )
    .fetch_all(deployment.pool())
    .await?;
    let pid = gateway.pid();
    let idle_mb = memory_mb(pid)?;
    reset_peak_memory(pid)?;
    note("reconciliation: planning");
    let began = Instant::now();
    let planned = ended(&caller, &base, &upload(&caller, &base, &rows).await?, "planning").await?;
    let seconds = began.elapsed().as_secs_f64();
    anyhow::ensure!(text(&planned, "/result/status")? == "planned", "{planned}");
    let changed = planned.pointer("/result/summary/update").and_then(Value::as_i64);
    anyhow::ensure!(changed == Some(PLAN_USERS / 50), "{changed:?} changes");
    Ok((seconds, peak_memory_mb(pid)? - idle_mb))
}

/// Uploads a desired state; returns the reconciliation's id.
async fn upload(caller: &Caller, base: &str, rows: &[String]) -> anyhow::Result<String> {
    let request = caller.request(Method::POST, &format!("{base}/reconciliations"));
    let request =
        request.header(header::CONTENT_TYPE, "application/x-ndjson").body(rows.join("\n"));
    Ok(text(&fleet::json(request).await?, "/result/id")?.to_owned())
}

/// Waits until a reconciliation no longer has a status; returns it.
async fn ended(caller: &Caller, base: &str, id: &str, status: &str) -> anyhow::Result<Value> {
    let began = Instant::now();
    loop {
        let found = caller.get(&format!("{base}/reconciliations/{id}")).await?;
        if text(&found, "/result/status")? != status {
            return Ok(found);
        }
        anyhow::ensure!(began.elapsed() < TIMEOUT, "it is still {status}");
        tokio::time::sleep(POLL).await;
    }
}

/// Applies a plan with this number of gateways.
async fn apply(processes: usize, redis: Option<String>) -> anyhow::Result<Applied> {
    let options = FleetOptions {
        gateways: processes,
        users: 2_600,
        workspaces: 8,
        time_scale: Some(TIME_SCALE),
        redis,
    };
    let fleet = Fleet::start(&options).await?;
    let applied = apply_with(&fleet).await;
    fleet.stop().await;
    applied
}

async fn apply_with(fleet: &Fleet) -> anyhow::Result<Applied> {
    fleet.enable_sync().await?;
    note("reconciliation: the first run");
    fleet.sync().await?;
    let base = fleet.urls().next().context("no gateway")?;
    let planned = upload(&fleet.caller, &base, &desired(fleet, &base).await?).await?;
    let plan = ended(&fleet.caller, &base, &planned, "planning").await?;
    anyhow::ensure!(text(&plan, "/result/status")? == "planned", "{plan}");
    let before = calls(fleet, "counts").await?;
    let approval = json!({"hash": text(&plan, "/result/hash")?});
    note("reconciliation: applying");
    let began = Instant::now();
    fleet.caller.post(&format!("{base}/reconciliations/{planned}/apply"), &approval).await?;
    let done = ended(&fleet.caller, &base, &planned, "applying").await?;
    let seconds = began.elapsed().as_secs_f64();
    let steps = done.pointer("/result/counts/applied").and_then(Value::as_u64).unwrap_or_default();
    let expected = plan.pointer("/result/counts/pending").and_then(Value::as_u64);
    anyhow::ensure!(
        text(&done, "/result/status")? == "applied" && Some(steps) == expected,
        "{}",
        done.pointer("/result/counts").unwrap_or(&Value::Null)
    );
    let after = calls(fleet, "counts").await?;
    let made = after.into_iter().map(|(method, count)| {
        let earlier = before.get(&method).copied().unwrap_or_default();
        (method, count - earlier)
    });
    let made: BTreeMap<String, u64> = made.filter(|(_, count)| *count > 0).collect();
    note(&format!("reconciliation: {made:?}"));
    let throttled = calls(fleet, "throttled").await?.into_values().sum();
    Ok(Applied { seconds, steps, slowest: slowest(&made)?, calls: made.values().sum(), throttled })
}

/// Returns the desired state: new titles, and memberships and roles that people do not have, each of other people.
async fn desired(fleet: &Fleet, base: &str) -> anyhow::Result<Vec<String>> {
    let mut people = Vec::new();
    let mut cursor = String::new();
    loop {
        let mut url = format!(
            "{base}/users?source=synced&status=active&user_type=member&role%5Bid%5D=org:member&limit=1000"
        );
        if !cursor.is_empty() {
            write!(url, "&next_cursor={cursor}")?;
        }
        let page = fleet.caller.get(&url).await?;
        people.extend(page.get("result").and_then(Value::as_array).into_iter().flatten().cloned());
        match page.get("next_cursor").and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut cursor),
            None => break,
        }
    }
    let workspaces = fleet.caller.get(&format!("{base}/workspaces?source=synced")).await?;
    let workspaces = workspaces.get("result").and_then(Value::as_array).context("no workspaces")?;
    let workspaces: Vec<&str> =
        workspaces.iter().filter_map(|one| one.get("id")?.as_str()).collect();
    let email = |person: &Value| {
        person.pointer("/emails/0/email").and_then(Value::as_str).map(str::to_owned)
    };
    let mut rows = Vec::new();
    let (mut memberships, mut roles) = (0, 0);
    for (number, person) in people.iter().enumerate() {
        let Some(email) = email(person) else { continue };
        if memberships < MEMBERSHIPS {
            let own =
                person.get("workspaces").and_then(Value::as_array).context("no workspaces")?;
            let is_own = |id: &str| own.iter().any(|one| one.get("id") == Some(&json!(id)));
            let Some(other) = workspaces.iter().find(|id| !is_own(id)) else { continue };
            rows.push(json!({"email": email, "workspaces": [other]}).to_string());
            memberships += 1;
        } else if roles < ROLES {
            rows.push(json!({"email": email, "roles": [{"id": "Rl04"}]}).to_string());
            roles += 1;
        } else if rows.len() < MEMBERSHIPS + ROLES + TITLES {
            rows.push(json!({"email": email, "title": format!("Changed {number}")}).to_string());
        }
    }
    anyhow::ensure!(rows.len() == MEMBERSHIPS + ROLES + TITLES, "{} people", rows.len());
    Ok(rows)
}

/// Returns the numbers of the provider's requests by method.
async fn calls(fleet: &Fleet, of: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let log = fleet.sandbox_get("requests").await?;
    Ok(serde_json::from_value(log.get(of).context("the sandbox does not count requests")?.clone())?)
}

/// Returns the method that takes longest, and its shortest possible time in seconds.
fn slowest(calls: &BTreeMap<String, u64>) -> anyhow::Result<(String, f64)> {
    let mut slowest = (String::new(), 0.0);
    for (method, count) in calls.iter().filter(|(method, _)| !method.starts_with("audit.")) {
        let rate = RATES.iter().find(|(name, ..)| name == method);
        let (_, per_minute, burst) = rate.with_context(|| format!("the rate of {method}"))?;
        let rest = (f64::from(u32::try_from(*count)?) - burst).max(0.0);
        let seconds = rest * 60.0 / per_minute / TIME_SCALE;
        if seconds > slowest.1 {
            slowest = (method.clone(), seconds);
        }
    }
    Ok(slowest)
}
