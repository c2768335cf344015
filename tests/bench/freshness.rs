//! Freshness of the synced copy: the time from a change at the provider to its event in `/events` and at a webhook.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::event_feed::EventFeed;
use super::fleet::{Fleet, text};
use super::percentiles::percentiles;
use super::progress::note;
use super::reading::as_f64;
use super::table::Section;
use super::title_changes::{TitleChange, change_titles, number_of};
use super::webhook_sink::Sink;

const USERS: usize = 5_500;
const WORKSPACES: usize = 10;
const CHANGES_PER_S: u32 = 200;
/// Number of changes, each of another user.
const CHANGES: usize = 4_000;
/// Budgets: 99th percentiles, and the share of the rate at which changes were in fact made.
const MAX_VISIBLE_MS: f64 = 1_000.0;
const MAX_DELIVERED_MS: f64 = 2_000.0;
const MIN_RATE_RATIO: f64 = 0.98;

/// The events of the provider that the gateway is sent: those of `docs/SYNC.md` for users.
const PROVIDER_EVENTS: [&str; 2] = ["team_join", "user_change"];
/// Delay of the provider's audit log, in seconds, so that only events report changes.
const AUDIT_LOG_DELAY_S: u32 = 86_400;
/// The pause between two polls of the feed.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Time after the first change in which all must be visible and delivered.
const MAX_TIME: Duration = Duration::from_mins(2);
/// Timeout of everything, with the first run of the sync.
const MAX_WHOLE_TIME: Duration = Duration::from_mins(15);
/// Timeout of the first read of the audit log.
const AUDIT_LOG_TIMEOUT: Duration = Duration::from_secs(30);

/// The event of a change in the feed.
#[derive(Debug)]
struct VisibleEvent {
    /// When the response that has it was there.
    at: Instant,
    id: String,
    /// Whether an event of the provider reported the change.
    is_reported: bool,
}

/// The times of all changes in milliseconds, infinite for those that were not seen, and what else is to be known.
#[derive(Debug)]
struct Freshness {
    response_ms: Vec<f64>,
    visible_ms: Vec<f64>,
    delivered_ms: Vec<f64>,
    changes_per_s: f64,
    /// Number of changes that became known in another way than by an event of the provider.
    others: usize,
    /// Number of events that the provider had not sent yet when it had made the last change.
    unsent: u64,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let freshness = runtime.block_on(measure())?;
    let mut section = Section::new(
        "Freshness of the synced copy",
        format!(
            "{CHANGES} changes of titles by SCIM, {CHANGES_PER_S} a second, each of another of {USERS} users of a \
             sandbox without limits, which sends its events to the gateway one after the other; its audit log is too \
             late to report them. Each time begins with the request of the change. An event is visible when a \
             response of `/events` has it, polled {} ms after the response before, and delivered when an endpoint on \
             this machine receives it. Gateway, sandbox, database and consumer share the machine.",
            POLL_INTERVAL.as_millis()
        ),
        &["from a change to", "changes", "p50 ms", "p99 ms", "budget"],
    );
    for (what, values, most) in [
        ("the provider's response", &freshness.response_ms, None),
        ("its event in `/events`", &freshness.visible_ms, Some(MAX_VISIBLE_MS)),
        ("its event at the webhook", &freshness.delivered_ms, Some(MAX_DELIVERED_MS)),
    ] {
        let [p50, p99] = percentiles(values);
        let seen = values.iter().filter(|ms| ms.is_finite()).count();
        let verdict = most.map(|most| {
            let is_met = p99 <= most && seen == CHANGES;
            let missed = format!("{what}: p99 {p99:.0} ms, {seen} of {CHANGES} changes");
            let word = section.check(&missed, is_met);
            format!("p99 ≤ {most:.0} ms, all changes: {word}")
        });
        section.rows.push(vec![
            what.to_owned(),
            seen.to_string(),
            format!("{p50:.0}"),
            format!("{p99:.0}"),
            verdict.unwrap_or_default(),
        ]);
    }
    let Freshness { changes_per_s, others, unsent, .. } = freshness;
    let least = f64::from(CHANGES_PER_S) * MIN_RATE_RATIO;
    let word = section.check(&format!("{changes_per_s:.0} changes/s"), changes_per_s >= least);
    let verdict = format!("≥ {least:.0}: {changes_per_s:.1}, {word}");
    section.rows.push(other_row("changes per second", verdict));
    let word = section.check(&format!("{others} changes not by an event"), others == 0);
    let what = "changes that no event of the provider reported";
    section.rows.push(other_row(what, format!("0: {others}, {word}")));
    let what = "events not sent by the provider at the last change";
    section.rows.push(other_row(what, unsent.to_string()));
    Ok(section)
}

/// Returns a row about something else than times.
fn other_row(what: &str, value: String) -> Vec<String> {
    let [what, changes, p50, p99] = [what, "", "", ""].map(str::to_owned);
    vec![what, changes, p50, p99, value]
}

async fn measure() -> anyhow::Result<Freshness> {
    note(&format!("freshness: starting a sandbox with {USERS} users"));
    Fleet::measure(USERS, WORKSPACES, async |fleet| {
        let followed = tokio::time::timeout(MAX_WHOLE_TIME, Box::pin(follow(fleet))).await;
        followed.context("the measurement did not end in time")?
    })
    .await
}

async fn follow(fleet: &Fleet) -> anyhow::Result<Freshness> {
    let sink = Sink::start().await?;
    prepare(fleet, &sink).await?;
    let users = members(fleet).await?;
    let provider = fleet.provider("admin").await?;
    let mut feed = EventFeed::at_end(fleet).await?;
    note(&format!("freshness: {CHANGES} changes, {CHANGES_PER_S} a second"));
    let deadline = Instant::now() + MAX_TIME;
    let sandbox = fleet.sandbox.url();
    let changing = async {
        let changes = change_titles(&provider, &sandbox, &users, CHANGES_PER_S).await?;
        anyhow::Ok((changes, unsent_events(fleet).await?))
    };
    let ((changes, unsent), visible) = tokio::try_join!(changing, watch(&mut feed, deadline))?;
    note(&format!("freshness: {} changes are visible", visible.len()));
    sink.wait_for(visible.len(), deadline).await;
    let delivered = sink.take().events;
    let ms_until = |at: Option<&Instant>, change: &TitleChange| {
        let passed = at.map(|at| at.saturating_duration_since(change.requested));
        passed.map_or(f64::INFINITY, |passed| passed.as_secs_f64() * 1e3)
    };
    let (mut visible_ms, mut delivered_ms) = (Vec::new(), Vec::new());
    for (number, change) in changes.iter().enumerate() {
        let event = visible.get(&number);
        visible_ms.push(ms_until(event.map(|event| &event.at), change));
        delivered_ms.push(ms_until(event.and_then(|event| delivered.get(&event.id)), change));
    }
    Ok(Freshness {
        response_ms: changes.iter().map(|change| change.response.as_secs_f64() * 1e3).collect(),
        visible_ms,
        delivered_ms,
        changes_per_s: rate(&changes)?,
        others: visible.values().filter(|event| !event.is_reported).count(),
        unsent,
    })
}

/// Copies the directory, then subscribes the gateway to the provider's events and the endpoint to the gateway's.
async fn prepare(fleet: &Fleet, sink: &Sink) -> anyhow::Result<()> {
    fleet.sandbox_post("audit-log", &json!({"delay_s": AUDIT_LOG_DELAY_S})).await?;
    note("freshness: the first run");
    fleet.enable_sync().await?;
    fleet.sync().await?;
    audit_log_was_read(fleet).await?;
    let mut connection = fleet.deployment().connect().await?;
    sqlx::raw_sql("VACUUM (ANALYZE) directory_versions").execute(&mut connection).await?;
    let base = fleet.urls().next().context("no gateway")?;
    let subscription = json!({"url": format!("{base}/events/slack"), "events": PROVIDER_EVENTS});
    fleet.sandbox_post("event-subscriptions", &subscription).await?;
    fleet.create_webhook(sink.url(), &["user.updated"]).await?;
    Ok(())
}

/// Waits until the gateway has read the provider's audit log. Where it can't, each read of a user also reads roles.
async fn audit_log_was_read(fleet: &Fleet) -> anyhow::Result<()> {
    const IS_READ: &str = "
        SELECT EXISTS (SELECT FROM change_sources WHERE integrated_account_id = $1
            AND log_read_at IS NOT NULL AND log_problem IS NULL)";
    let until = Instant::now() + AUDIT_LOG_TIMEOUT;
    loop {
        let is_read = sqlx::query_scalar(IS_READ).bind(fleet.account());
        let is_read: bool = is_read.fetch_one(fleet.deployment().pool()).await?;
        if is_read {
            return Ok(());
        }
        anyhow::ensure!(Instant::now() < until, "the gateway did not read the audit log");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Returns the users to change: active members.
async fn members(fleet: &Fleet) -> anyhow::Result<Vec<String>> {
    let base = fleet.urls().next().context("no gateway")?;
    let first = format!("{base}/users?source=synced&user_type=member&status=active&limit=1000");
    let (mut members, mut url) = (Vec::new(), first.clone());
    loop {
        let page = fleet.caller.get(&url).await?;
        for user in page.get("result").and_then(Value::as_array).context("no users")? {
            members.push(text(user, "/id")?.to_owned());
        }
        let Some(cursor) = page.get("next_cursor").and_then(Value::as_str) else { break };
        url = format!("{first}&next_cursor={cursor}");
    }
    members.truncate(CHANGES);
    anyhow::ensure!(members.len() == CHANGES, "only {} members", members.len());
    Ok(members)
}

/// Polls the feed until it has the events of all changes, at most until `deadline`. Returns them by the numbers of the
/// changes.
async fn watch(
    feed: &mut EventFeed,
    deadline: Instant,
) -> anyhow::Result<HashMap<usize, VisibleEvent>> {
    let mut visible = HashMap::new();
    while visible.len() < CHANGES && Instant::now() < deadline {
        let events = feed.poll().await?;
        let at = Instant::now();
        for event in events {
            let Some(number) = event.title().and_then(number_of) else { continue };
            let is_reported = event.origin == "provider_event";
            visible.entry(number).or_insert(VisibleEvent { at, id: event.id, is_reported });
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    Ok(visible)
}

/// Returns the number of events that the provider has not sent yet. Fails if it has dropped some.
async fn unsent_events(fleet: &Fleet) -> anyhow::Result<u64> {
    let log = fleet.sandbox_get("event-deliveries").await?;
    let count =
        |name: &str| log.get(name).and_then(Value::as_u64).context("the events are not counted");
    let dropped = count("dropped")?;
    anyhow::ensure!(dropped == 0, "the provider has dropped {dropped} events");
    count("waiting")
}

/// Returns the number of changes that were requested per second.
fn rate(changes: &[TitleChange]) -> anyhow::Result<f64> {
    let (first, last) = changes.first().zip(changes.last()).context("no changes")?;
    let passed = last.requested.saturating_duration_since(first.requested);
    Ok(as_f64(changes.len().saturating_sub(1)) / passed.as_secs_f64())
}
