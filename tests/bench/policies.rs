//! Ten policies over a large synced copy: an evaluation over everybody, and one event.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::Method;
use serde_json::{Value, json};
use switchboard::domain::clock::SystemClock;
use switchboard::domain::entropy::SystemEntropy;
use switchboard::domain::ids::EventId;

use super::copy_rows::{CopySize, fill};
use super::fleet::{Caller, Deployment, text};
use super::percentiles::percentiles;
use super::person_names::PersonNames;
use super::progress::note;
use super::table::Section;

const USERS: i64 = 100_000;
/// Evaluations over everybody, and events.
const ROUNDS: usize = 3;
const EVENTS: usize = 40;
/// Budgets.
const MAX_FULL_S: f64 = 5.0;
const MAX_EVENT_MS: f64 = 50.0;
/// The pause between two looks at the state of an evaluation.
const POLL: Duration = Duration::from_millis(2);
/// The longest wait for an evaluation.
const TIMEOUT: Duration = Duration::from_mins(2);

/// What was measured.
#[derive(Debug)]
struct Measured {
    policies: usize,
    full_s: Vec<f64>,
    event_ms: Vec<f64>,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let Measured { policies, mut full_s, event_ms } = runtime.block_on(measure())?;
    let mut section = Section::new(
        "Policies",
        format!(
            "{policies} policies over a copy of {USERS} users with a workspace and a role each. Everybody: from the \
             request of an evaluation until it is stored, the slowest of {ROUNDS}. One event: the evaluation of its user \
             by all policies, by the gateway's own metric, {EVENTS} events one after the other."
        ),
        &["evaluation", "time", "budget"],
    );
    full_s.sort_by(f64::total_cmp);
    let slowest = full_s.last().copied().unwrap_or_default();
    let word = section.check(&format!("everybody in {slowest:.1} s"), slowest <= MAX_FULL_S);
    section.rows.push(vec![
        "everybody".to_owned(),
        format!("{slowest:.2} s"),
        format!("≤ {MAX_FULL_S} s: {word}"),
    ]);
    let [p50, p99] = percentiles(&event_ms);
    let word = section.check(&format!("an event in {p50:.0} ms"), p50 <= MAX_EVENT_MS);
    section.rows.push(vec![
        "one event".to_owned(),
        format!("p50 {p50:.1} ms, p99 {p99:.1} ms"),
        format!("p50 ≤ {MAX_EVENT_MS} ms: {word}"),
    ]);
    Ok(section)
}

/// The policies: of every kind that reads everybody, without those that evaluate expressions in other processes.
fn policies() -> Vec<Value> {
    let policy = |kind: &str, parameters: Value| json!({"name": kind, "kind": kind, "parameters": parameters});
    let security = json!({"field": "department", "op": "eq", "value": "Security"});
    vec![
        policy(
            "role_holders",
            json!({"role_ids": ["org:owner"], "allowed": {"departments": ["Security"]}}),
        ),
        policy("max_holders", json!({"role_ids": ["org:owner"], "count": 5})),
        policy("separation_of_duties", json!({"role_ids": ["Rl02", "Rl0C"]})),
        policy("allowed_email_domains", json!({"domains": ["corp.example"]})),
        policy("guests_must_expire", json!({"within_days": 90})),
        policy("forbidden_workspaces", json!({"when": security, "workspace_ids": ["T19"]})),
        policy("inactive_users", json!({"days": 400})),
        policy("no_access_after_deactivation", json!({})),
        policy("unmanaged_change", json!({})),
        policy("duplicate_emails", json!({})),
    ]
}

async fn measure() -> anyhow::Result<Measured> {
    let deployment = Deployment::new("http://127.0.0.1:9", "").await?;
    let measured = evaluate(&deployment).await;
    deployment.close().await;
    measured
}

async fn evaluate(deployment: &Deployment) -> anyhow::Result<Measured> {
    let created = deployment.accounts(1, "xoxp-fixed").await?;
    let account = created.first().context("no account")?.0.to_string();
    let size = CopySize { first: USERS, all: USERS };
    fill(deployment, std::slice::from_ref(&account), &PersonNames::new(), size).await?;
    sqlx::raw_sql("VACUUM (ANALYZE) directory_versions").execute(deployment.pool()).await?;
    let mut gateway = deployment.serve()?;
    gateway.ready("/readyz")?;
    let key = deployment.key().await?;
    let caller = Caller::new()?.with("authorization", &format!("Bearer {key}"))?;
    let base = gateway.url();
    let mut ids = Vec::new();
    for policy in policies() {
        let created = caller.post(&format!("{base}/policies"), &policy).await?;
        ids.push(text(&created, "/result/id")?.to_owned());
    }
    wait(deployment).await?;
    note("policies: everybody");
    let mut full_s = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        sqlx::query("UPDATE policy_evaluations SET full_requested = full_requested + 1")
            .execute(deployment.pool())
            .await?;
        wait(deployment).await?;
        full_s.push(began.elapsed().as_secs_f64());
    }
    note("policies: events");
    let mut event_ms = Vec::new();
    for number in 0..EVENTS {
        let before = evaluations(&caller, &base).await?;
        append_event(deployment, &account, number).await?;
        wait(deployment).await?;
        let after = evaluated_after(&caller, &base, before).await?;
        event_ms.push((after.sum_s - before.sum_s) * 1e3);
    }
    Ok(Measured { policies: ids.len(), full_s, event_ms })
}

/// The evaluations of the people whom events concern, so far.
#[derive(Debug, Clone, Copy)]
struct Evaluations {
    count: u64,
    sum_s: f64,
}

/// Waits until an evaluation is counted, which follows its end, and returns what was counted.
async fn evaluated_after(
    caller: &Caller,
    base: &str,
    before: Evaluations,
) -> anyhow::Result<Evaluations> {
    let began = Instant::now();
    loop {
        let after = evaluations(caller, base).await?;
        if after.count > before.count {
            anyhow::ensure!(after.count == before.count + 1, "{before:?}, {after:?}");
            return Ok(after);
        }
        anyhow::ensure!(began.elapsed() < TIMEOUT, "no evaluation was counted");
        tokio::time::sleep(POLL).await;
    }
}

async fn evaluations(caller: &Caller, base: &str) -> anyhow::Result<Evaluations> {
    let metrics = caller.request(Method::GET, &format!("{base}/metrics")).send().await?;
    let metrics = metrics.error_for_status()?.text().await?;
    let value = |suffix: &str| {
        let name =
            format!("switchboard_policy_evaluation_duration_seconds_{suffix}{{scope=\"people\"}} ");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&*name));
        line.map(|value| value.trim().to_owned()).context("no metric")
    };
    Ok(Evaluations { count: value("count")?.parse()?, sum_s: value("sum")?.parse()? })
}

/// Waits until the account is evaluated up to its last event.
async fn wait(deployment: &Deployment) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let is_due: bool = sqlx::query_scalar(
            "SELECT EXISTS (
                 SELECT FROM policy_evaluations e LEFT JOIN account_feeds f USING (environment_id, integrated_account_id)
                 WHERE e.full_requested > e.full_done OR f.last_sequence > e.sequence OR e.worker IS NOT NULL)",
        )
        .fetch_one(deployment.pool())
        .await?;
        if !is_due {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < TIMEOUT, "the evaluation does not end");
        tokio::time::sleep(POLL).await;
    }
}

/// Appends the event of an updated user, and wakes the gateway as a change of the copy does.
async fn append_event(deployment: &Deployment, account: &str, number: usize) -> anyhow::Result<()> {
    let id = EventId::generate(&SystemClock, &SystemEntropy).to_string();
    let user = format!("U{:010}", number * 997);
    sqlx::query(
        "WITH place AS (UPDATE environments SET last_event = last_event + 1
             WHERE environment_id = $1 RETURNING last_event),
         feed AS (INSERT INTO account_feeds AS f (environment_id, integrated_account_id, last_sequence, last_change_at)
             VALUES ($1, $2, 1, now())
             ON CONFLICT (environment_id, integrated_account_id) DO UPDATE SET last_sequence = f.last_sequence + 1
             RETURNING last_sequence)
         INSERT INTO events (environment_id, position, event_id, at, type, integrated_account_id, data, sequence,
             object, subject_id)
         SELECT $1, last_event, $3, now(), 'user.updated', $2, 'null', last_sequence,
             json_build_object('id', $4::text), $4
         FROM place, feed",
    )
    .bind(deployment.environment().await?.to_string())
    .bind(account)
    .bind(id)
    .bind(user)
    .execute(deployment.pool())
    .await?;
    Ok(())
}
