//! Half of what a gateway can do, for long: its memory does not grow. Only by its name, for it takes its time:
//! `SECONDS=1200 cargo bench --bench bench -- soak`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::{join, join_all};
use reqwest::Method;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::fleet::{Fleet, Wish};
use super::load::{Target, measure};
use super::machine::memory_mb;
use super::table::Section;

/// Callers at once; each has its own kind of calls.
const CALLERS: u32 = 16;
const PATHS: [&str; 4] =
    ["/proxy/api/auth.test", "/users?limit=5", "/proxy/api/users.info?user=U0", "/roles?limit=5"];
/// Memory is looked at so often.
const LOOK: Duration = Duration::from_secs(5);
/// What memory may grow by from the first quarter to the last, in megabytes.
const GROWTH_MB: f64 = 5.0;

/// Measures.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let seconds = seconds();
    let wish = Wish { gateways: 1, users: 2_000, workspaces: 20, time_scale: None, redis: None };
    let fleet = runtime.block_on(Fleet::start(&wish))?;
    let gateway = fleet.gateways.first().context("no gateway")?;
    let token = runtime.block_on(fleet.account_token())?;
    let url = format!("{}/users?limit=5", gateway.url());
    let target = Target { url: &url, token: &token, connections: CALLERS, seconds: 5 };
    let most = measure(&target)?.rate;
    let period = Duration::from_secs_f64(f64::from(CALLERS) * 2.0 / most);
    let (done, failed) = (AtomicU64::new(0), AtomicU64::new(0));
    let end = Instant::now() + Duration::from_secs(seconds);
    let call = async |number: usize| {
        let path = PATHS.get(number % PATHS.len()).copied().unwrap_or_default();
        let url = format!("{}{path}", gateway.url());
        let mut turns = interval(period);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while Instant::now() < end {
            turns.tick().await;
            let answer = fleet.caller.ask(Method::GET, &url).send().await;
            let whole = match answer {
                Ok(answer) if answer.status().is_success() => answer.bytes().await.is_ok(),
                Ok(_) | Err(_) => false,
            };
            if whole { &done } else { &failed }.fetch_add(1, Ordering::Relaxed);
        }
    };
    let look = async {
        let mut seen = Vec::new();
        while Instant::now() < end {
            sleep(LOOK).await;
            seen.push(memory_mb(gateway.pid())?);
        }
        anyhow::Ok(seen)
    };
    let callers = (0..CALLERS as usize).map(&call);
    let (_, seen) = runtime.block_on(join(join_all(callers), look));
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
            "Half of the {most:.0} requests a second that it can do, from {CALLERS} callers, for {seconds} s: raw calls and \
             unified reads."
        ),
        &["calls", "failed", "most MB in the first quarter", "in the last", "budget"],
    );
    let keeps = failed == 0 && last - first <= GROWTH_MB;
    let word = section.judge(&format!("{failed} failed, {first:.0} to {last:.0} MB"), keeps);
    section.rows.push(vec![
        (done + failed).to_string(),
        failed.to_string(),
        format!("{first:.1}"),
        format!("{last:.1}"),
        format!("none failed, ≤ {GROWTH_MB} MB more: {word}"),
    ]);
    Ok(section)
}

#[expect(clippy::disallowed_methods, reason = "how long it takes is no setting of the program")]
pub(super) fn seconds() -> u64 {
    std::env::var("SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_200)
}
