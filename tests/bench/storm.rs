//! A thousand concurrent calls with an expired token, over several processes.

use std::time::Instant;

use anyhow::Context as _;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::Value;

use super::fleet::{Fleet, FleetOptions, json};
use super::table::Section;

const PROCESSES: usize = 4;
const CALLS_EACH: usize = 250;
/// More than the twelve hours of an access token, in seconds.
const CLOCK_ADVANCE_S: u32 = 13 * 3_600;

/// Runs the measurement.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let calls = PROCESSES * CALLS_EACH;
    let mut section = Section::new(
        "Refresh storm",
        format!(
            "{calls} concurrent raw calls with an expired token, over {PROCESSES} processes on one database."
        ),
        &["calls", "refreshes", "failures", "ms until the last response", "budget"],
    );
    let (refreshes, failures, ms) = runtime.block_on(storm())?;
    let is_met = refreshes == 1 && failures == 0;
    let word = section.check(&format!("{refreshes} refreshes, {failures} failures"), is_met);
    section.rows.push(vec![
        calls.to_string(),
        refreshes.to_string(),
        failures.to_string(),
        ms.to_string(),
        format!("1 refresh, 0 failures: {word}"),
    ]);
    Ok(section)
}

async fn storm() -> anyhow::Result<(u64, usize, u128)> {
    let options = FleetOptions {
        gateways: PROCESSES,
        users: 200,
        workspaces: 5,
        time_scale: None,
        redis: None,
    };
    let fleet = Fleet::start(&options).await?;
    let refreshes = async || {
        let state = fleet.sandbox_get("state").await?;
        state.get("refreshes").and_then(Value::as_u64).context("no refreshes")
    };
    let before = refreshes().await?;
    fleet.sandbox_post("advance-clock", &serde_json::json!({"seconds": CLOCK_ADVANCE_S})).await?;
    let urls: Vec<String> =
        fleet.urls().map(|base| format!("{base}/proxy/api/auth.test")).collect();
    let calls = urls.iter().flat_map(|url| std::iter::repeat_n(url, CALLS_EACH));
    let calls = calls.map(|url| async {
        let response = json(fleet.caller.request(Method::GET, url)).await?;
        anyhow::ensure!(response.get("ok") == Some(&serde_json::json!(true)), "{response}");
        Ok(())
    });
    let began = Instant::now();
    let responses: Vec<anyhow::Result<()>> = join_all(calls).await;
    let took = began.elapsed();
    let failures = responses.iter().filter(|response| response.is_err()).count();
    let done = refreshes().await? - before;
    fleet.stop().await;
    Ok((done, failures, took.as_millis()))
}
