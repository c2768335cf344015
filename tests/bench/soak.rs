//! Half of a gateway's maximum load for a long time: its memory does not grow. Runs only by name:
//! `SECONDS=1200 cargo bench --bench bench -- soak`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::{join, join_all};
use reqwest::Method;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::fleet::{Fleet, FleetOptions};
use super::load::{Target, measure};
use super::machine::memory_mb;
use super::table::Section;

/// Concurrent callers, each with a kind of calls.
const CALLERS: u32 = 16;
const PATHS: [&str; 4] =
    ["/proxy/api/auth.test", "/users?limit=5", "/proxy/api/users.info?user=U0", "/roles?limit=5"];
/// Interval between samples of memory.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(5);
/// Maximum growth of memory from the first quarter to the last, in megabytes.
const MAX_GROWTH_MB: f64 = 5.0;

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let seconds = seconds();
    let fleet = runtime.block_on(Fleet::start(&FleetOptions::unlimited(2_000, 20)))?;
    let gateway = fleet.gateways.first().context("no gateway")?;
    let token = runtime.block_on(fleet.account_token())?;
    let url = format!("{}/users?limit=5", gateway.url());
    let target = Target { url: &url, token: &token, connections: CALLERS, seconds: 5 };
    let max_rate = measure(&target)?.rate;
    let period = Duration::from_secs_f64(f64::from(CALLERS) * 2.0 / max_rate);
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    let call = async |number: usize| {
        let path = PATHS.get(number % PATHS.len()).copied().unwrap_or_default();
        let url = format!("{}{path}", gateway.url());
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            ticks.tick().await;
            let response = fleet.caller.request(Method::GET, &url).send().await;
            let whole = match response {
                Ok(response) if response.status().is_success() => response.bytes().await.is_ok(),
                Ok(_) | Err(_) => false,
            };
            if whole { &done } else { &failed }.fetch_add(1, Ordering::Relaxed);
        }
    };
    let sample = async {
        let mut seen = Vec::new();
        while Instant::now() < end {
            sleep(SAMPLE_INTERVAL).await;
            seen.push(memory_mb(gateway.pid())?);
        }
        anyhow::Ok(seen)
    };
    let callers = (0..CALLERS as usize).map(&call);
    let (_, seen) = runtime.block_on(join(join_all(callers), sample));
    let seen = seen?;
    runtime.block_on(fleet.stop());

    let quarter = (seen.len() / 4).max(1);
    let highest = |part: &[f64]| part.iter().copied().fold(0.0, f64::max);
    let first = highest(seen.get(..quarter).unwrap_or_default());
    let last = highest(seen.get(seen.len() - quarter..).unwrap_or_default());
    let (done, failed) = (done.into_inner(), failed.into_inner());
    let mut section = Section::new(
        "Soak",
        format!(
            "Half of the maximum of {max_rate:.0} requests/s, from {CALLERS} callers, for {seconds} s: raw calls \
             and unified reads."
        ),
        &["calls", "failed", "peak MB in the first quarter", "in the last", "budget"],
    );
    let is_met = failed == 0 && last - first <= MAX_GROWTH_MB;
    let word = section.check(&format!("{failed} failed, {first:.0} to {last:.0} MB"), is_met);
    section.rows.push(vec![
        (done + failed).to_string(),
        failed.to_string(),
        format!("{first:.1}"),
        format!("{last:.1}"),
        format!("no failure, growth ≤ {MAX_GROWTH_MB} MB: {word}"),
    ]);
    Ok(section)
}

#[expect(clippy::disallowed_methods, reason = "the duration is not a setting of the program")]
pub(super) fn seconds() -> u64 {
    std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_200)
}
