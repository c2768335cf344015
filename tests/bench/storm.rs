//! A thousand calls at once on a token that has ended, over several processes.

use std::time::Instant;

use anyhow::Context as _;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

use super::fleet::{Fleet, Wish, json as answer};
use super::table::Section;

const PROCESSES: usize = 4;
const CALLS_EACH: usize = 250;
/// Beyond the twelve hours of an access token, in seconds.
const LATER: u32 = 13 * 3_600;

/// Measures.
pub(crate) fn section(runtime: &tokio::runtime::Runtime) -> anyhow::Result<Section> {
    let calls = PROCESSES * CALLS_EACH;
    let mut section = Section::new(
        "Refresh storm",
        format!(
            "{calls} calls at once by the proxy on a token that has ended, over {PROCESSES} processes on one \
             database."
        ),
        &["calls", "refreshes", "failures", "ms until the last answer", "budget"],
    );
    let (refreshes, failures, ms) = runtime.block_on(storm())?;
    let keeps = refreshes == 1 && failures == 0;
    let word = section.judge(&format!("{refreshes} refreshes, {failures} failures"), keeps);
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
    let wish =
        Wish { gateways: PROCESSES, users: 200, workspaces: 5, time_scale: None, redis: None };
    let fleet = Fleet::start(&wish).await?;
    let refreshes = async || {
        let state = fleet.ask_sandbox("state").await?;
        state.get("refreshes").and_then(Value::as_u64).context("no refreshes")
    };
    let before = refreshes().await?;
    fleet.tell_sandbox("advance-clock", &json!({"seconds": LATER})).await?;
    let urls: Vec<String> =
        fleet.urls().map(|base| format!("{base}/proxy/api/auth.test")).collect();
    let calls = urls.iter().flat_map(|url| std::iter::repeat_n(url, CALLS_EACH));
    let calls = calls.map(|url| async {
        let answer = answer(fleet.caller.ask(Method::GET, url)).await?;
        anyhow::ensure!(answer.get("ok") == Some(&json!(true)), "{answer}");
        Ok(())
    });
    let began = Instant::now();
    let answers: Vec<anyhow::Result<()>> = join_all(calls).await;
    let took = began.elapsed();
    let failures = answers.iter().filter(|answer| answer.is_err()).count();
    let done = refreshes().await? - before;
    fleet.stop().await;
    Ok((done, failures, took.as_millis()))
}
