//! A hundred thousand users by `/users`, against the provider's own pages.

use std::time::Instant;

use anyhow::Context as _;
use reqwest::Method;
use serde_json::json;

use super::fleet::{Caller, Fleet, FleetOptions};
use super::machine::{cpu_s, memory_mb, peak_memory_mb, reset_peak_memory};
use super::reading::{Reading, as_f64, median};
use super::table::Section;

const USERS: usize = 100_000;
/// Alternating rounds, of which the median counts.
const ROUNDS: usize = 3;
/// Budgets.
const MIN_RATE_RATIO: f64 = 0.9;
const MAX_GROWTH_MB: f64 = 40.0;
/// Time that a slow provider takes for a page, in seconds.
const SLOW_PAGE_S: f64 = 0.05;
const SCOPES: &str = "admin,admin.users:read,users:read";

/// Both ways of reading, with a fast and with a slow provider.
#[derive(Debug)]
struct Comparison {
    raw: Reading,
    ours: Reading,
}

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let mut section = Section::new(
        "Listing users",
        format!(
            "{USERS} users of a sandbox without limits, all pages: `admin.users.list` of the provider, and \
             `/users?limit=1000` of the gateway; once at the sandbox's full speed, once with {} ms for each of its \
             responses, which is still fast for a provider. Median of {ROUNDS} alternating rounds; gateway, \
             sandbox and reader are separate processes. Processor time is the gateway's.",
            SLOW_PAGE_S * 1e3
        ),
        &["source", "users", "pages", "users/s", "CPU µs/user", "budget"],
    );
    let (comparisons, growth) = runtime.block_on(read())?;
    for (pace, Comparison { raw, ours }) in ["", ", slower"].into_iter().zip(comparisons) {
        let ratio = ours.rate() / raw.rate();
        let missed = format!("{ratio:.2} of the provider's rate{pace}");
        let word = section.check(&missed, ratio >= MIN_RATE_RATIO);
        let cpu = format!("{:.1}", ours.cpu_s * 1e6 / as_f64(ours.rows));
        let verdict = format!("≥ {MIN_RATE_RATIO} of the raw pages: {ratio:.2}, {word}");
        for (way, reading, cpu, verdict) in
            [("raw pages", raw, String::new(), String::new()), ("`/users`", ours, cpu, verdict)]
        {
            let (users, pages) = (reading.rows.to_string(), reading.pages.to_string());
            let per_second = format!("{:.0}", reading.rate());
            section.rows.push(vec![format!("{way}{pace}"), users, pages, per_second, cpu, verdict]);
        }
    }
    let is_flat = section.check(&format!("memory grew by {growth:.0} MB"), growth <= MAX_GROWTH_MB);
    let grown = ["memory growth of the gateway", "", "", "", ""].map(str::to_owned);
    let grown =
        grown.into_iter().chain([format!("≤ {MAX_GROWTH_MB:.0} MB: {growth:.1}, {is_flat}")]);
    section.rows.push(grown.collect());
    Ok(section)
}

async fn read() -> anyhow::Result<([Comparison; 2], f64)> {
    let fleet = Fleet::start(&FleetOptions::unlimited(USERS, 20)).await?;
    let provider = fleet.provider(SCOPES).await?;
    let pid = fleet.gateways.first().context("no gateway")?.pid();
    let before = memory_mb(pid)?;
    reset_peak_memory(pid)?;
    let fast = compare(&fleet, &provider, pid).await?;
    let slow = json!({"method": "admin.users.list", "kind": "latency", "probability": 1.0,
        "seconds": SLOW_PAGE_S});
    fleet.sandbox_post("faults", &slow).await?;
    let slow = compare(&fleet, &provider, pid).await?;
    let growth = peak_memory_mb(pid)? - before;
    fleet.stop().await;
    Ok(([fast, slow], growth))
}

async fn compare(fleet: &Fleet, provider: &Caller, pid: u32) -> anyhow::Result<Comparison> {
    let (mut raw, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        raw.push(read_provider(provider, &fleet.sandbox.url()).await?);
        ours.push(read_gateway(fleet, pid).await?);
    }
    let (raw, ours) = (median(raw), median(ours));
    anyhow::ensure!(raw.rows == ours.rows, "{raw:?} is not {ours:?}");
    Ok(Comparison { raw, ours })
}

/// Reads the active and then the deactivated users from the provider, as a caller without a gateway does.
async fn read_provider(provider: &Caller, sandbox: &str) -> anyhow::Result<Reading> {
    let (began, mut reading) = (Instant::now(), Reading::default());
    for is_active in ["true", "false"] {
        let base = format!("{sandbox}/api/admin.users.list?is_active={is_active}&limit=1000");
        reading
            .all(|cursor| provider.request(Method::GET, &format!("{base}&cursor={cursor}")))
            .await?;
    }
    reading.seconds = began.elapsed().as_secs_f64();
    Ok(reading)
}

async fn read_gateway(fleet: &Fleet, pid: u32) -> anyhow::Result<Reading> {
    let base = fleet.urls().next().context("no gateway")?;
    let base = format!("{base}/users?limit=1000");
    let (began, before, mut reading) = (Instant::now(), cpu_s(pid)?, Reading::default());
    reading
        .all(|cursor| {
            let behind = if cursor.is_empty() { "" } else { "&next_cursor=" };
            fleet.caller.request(Method::GET, &format!("{base}{behind}{cursor}"))
        })
        .await?;
    reading.seconds = began.elapsed().as_secs_f64();
    reading.cpu_s = cpu_s(pid)? - before;
    Ok(reading)
}
