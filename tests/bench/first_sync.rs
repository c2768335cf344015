//! The first run of the directory sync and a run without changes, against the provider's own pages.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use anyhow::Context as _;
use serde_json::json;

use super::fleet::Fleet;
use super::machine::{memory_mb, peak_memory_mb, reset_peak_memory};
use super::progress::note;
use super::provider_lists::{ProviderLists, SCOPES};
use super::table::Section;

const USERS: usize = 100_000;
const WORKSPACES: usize = 20;
/// Time that the provider takes for a page, in seconds.
const PAGE_S: f64 = 0.05;
/// Budgets: the durations as multiples of the reference.
const MAX_FIRST_RATIO: f64 = 1.1;
const MAX_SECOND_RATIO: f64 = 1.05;
const MAX_GROWTH_MB: f64 = 60.0;

/// Beginning of the names of the audit log's methods, which gateways poll whether a run is under way or not.
const AUDIT_LOG: &str = "audit.";

/// Number of requests that the provider got, by method.
type Calls = BTreeMap<String, u64>;

/// Something that read the whole organization.
#[derive(Debug)]
struct Measured {
    seconds: f64,
    calls: Calls,
    /// Number of changes in the copy; `None` for the reference.
    changes: Option<u64>,
}

/// All measurements, in their order.
#[derive(Debug)]
struct Comparison {
    before: Measured,
    first: Measured,
    second: Measured,
    after: Measured,
    growth_mb: f64,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let Comparison { before, first, second, after, growth_mb } = runtime.block_on(measure())?;
    let reference = f64::midpoint(before.seconds, after.seconds);
    let mut section = Section::new(
        "First sync",
        format!(
            "{USERS} users in {WORKSPACES} workspaces of a sandbox without limits that takes {} ms for each response. \
             The reference reads the same pages of the same lists one after the other, by plain requests: once \
             before the runs and once after them; their mean counts. A run is measured from the moment at which a \
             worker begins it. Gateway, sandbox, database and reader share the machine.",
            PAGE_S * 1e3
        ),
        &["what", "seconds", "provider calls", "changes in the copy", "budget"],
    );
    for (what, measured, most) in [
        ("raw pages", &before, None),
        ("first run", &first, Some(MAX_FIRST_RATIO)),
        ("second run, without changes", &second, Some(MAX_SECOND_RATIO)),
        ("raw pages, again", &after, None),
    ] {
        let verdict = most.map(|most| {
            let ratio = measured.seconds / reference;
            let word = section.check(&format!("{what}: {ratio:.2}"), ratio <= most);
            format!("≤ {most} of the raw pages: {ratio:.2}, {word}")
        });
        section.rows.push(vec![
            what.to_owned(),
            format!("{:.1}", measured.seconds),
            measured.calls.values().sum::<u64>().to_string(),
            measured.changes.map(|changes| changes.to_string()).unwrap_or_default(),
            verdict.unwrap_or_default(),
        ]);
    }
    let word =
        section.check(&format!("memory grew by {growth_mb:.0} MB"), growth_mb <= MAX_GROWTH_MB);
    section.rows.push(budget_row(
        "memory growth of the gateway",
        format!("≤ {MAX_GROWTH_MB:.0} MB: {growth_mb:.1}, {word}"),
    ));
    let others: Vec<String> =
        [&first, &second].into_iter().flat_map(|run| differences(&before.calls, run)).collect();
    let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
    let word = section.check(&format!("calls unlike the reference: {others}"), others == "none");
    section
        .rows
        .push(budget_row("calls unlike those of the raw pages", format!("none: {others}, {word}")));
    let changes = second.changes.unwrap_or_default();
    let word = section.check(&format!("{changes} changes by the second run"), changes == 0);
    section.rows.push(budget_row("changes by the second run", format!("0: {changes}, {word}")));
    Ok(section)
}

/// Returns a row with nothing but a budget.
fn budget_row(what: &str, budget: String) -> Vec<String> {
    let [what, seconds, calls, changes] = [what, "", "", ""].map(str::to_owned);
    vec![what, seconds, calls, changes, budget]
}

/// Returns the methods that a run called more or less often than the reference.
fn differences(reference: &Calls, run: &Measured) -> Vec<String> {
    let methods: BTreeSet<&String> = reference.keys().chain(run.calls.keys()).collect();
    let count = |calls: &Calls, method: &String| calls.get(method).copied().unwrap_or_default();
    let differing = methods.into_iter().filter_map(|method| {
        let (expected, found) = (count(reference, method), count(&run.calls, method));
        (expected != found).then(|| format!("`{method}` {found} instead of {expected}"))
    });
    differing.collect()
}

async fn measure() -> anyhow::Result<Comparison> {
    note(&format!("first_sync: starting a sandbox with {USERS} users"));
    Fleet::measure(USERS, WORKSPACES, compare).await
}

async fn compare(fleet: &Fleet) -> anyhow::Result<Comparison> {
    let lists = ProviderLists { caller: fleet.provider(SCOPES).await?, base: fleet.sandbox.url() };
    let slow = json!({"kind": "latency", "probability": 1.0, "seconds": PAGE_S});
    fleet.sandbox_post("faults", &slow).await?;
    let pid = fleet.gateways.first().context("no gateway")?.pid();
    let before = read_lists(fleet, &lists).await?;
    fleet.enable_sync().await?;
    let idle_mb = memory_mb(pid)?;
    reset_peak_memory(pid)?;
    let first = run(fleet, "first run").await?;
    let second = run(fleet, "second run").await?;
    let growth_mb = peak_memory_mb(pid)? - idle_mb;
    let after = read_lists(fleet, &lists).await?;
    Ok(Comparison { before, first, second, after, growth_mb })
}

async fn read_lists(fleet: &Fleet, lists: &ProviderLists) -> anyhow::Result<Measured> {
    note("first_sync: reading the raw pages");
    let calls = calls(fleet).await?;
    let began = Instant::now();
    lists.read().await?;
    let seconds = began.elapsed().as_secs_f64();
    note(&format!("first_sync: {seconds:.1} s"));
    Ok(Measured { seconds, calls: calls_since(&calls, fleet).await?, changes: None })
}

async fn run(fleet: &Fleet, what: &str) -> anyhow::Result<Measured> {
    note(&format!("first_sync: {what}"));
    let calls = calls(fleet).await?;
    let run = fleet.sync().await?;
    note(&format!("first_sync: {:.1} s", run.seconds));
    let calls = calls_since(&calls, fleet).await?;
    Ok(Measured { seconds: run.seconds, calls, changes: Some(run.changes) })
}

/// Returns the number of all requests so far.
async fn calls(fleet: &Fleet) -> anyhow::Result<Calls> {
    let log = fleet.sandbox_get("requests").await?;
    let counts = log.get("counts").context("the sandbox does not count requests")?;
    Ok(serde_json::from_value(counts.clone())?)
}

/// Returns the number of requests since `before`.
async fn calls_since(before: &Calls, fleet: &Fleet) -> anyhow::Result<Calls> {
    let earlier = |method: &String| before.get(method).copied().unwrap_or_default();
    let now = calls(fleet).await?.into_iter();
    let since = now.map(|(method, count)| {
        let since = count.saturating_sub(earlier(&method));
        (method, since)
    });
    let is_of_run = |method: &str| !method.starts_with(AUDIT_LOG);
    Ok(since.filter(|(method, count)| *count > 0 && is_of_run(method)).collect())
}
