//! Runs of the directory sync, through the gateway's API.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{Fleet, caller, text};
use crate::progress::note;

/// Timeout of a run.
const MAX_RUN_TIME: Duration = Duration::from_mins(15);
/// Interval of the checks whether a run has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Interval of notes on the progress of a run.
const NOTE_INTERVAL: Duration = Duration::from_secs(20);

/// A run that succeeded.
#[derive(Debug)]
pub(crate) struct SucceededRun {
    /// Time from the moment at which a worker began it to its end.
    pub(crate) seconds: f64,
    /// Number of objects that it created, updated or removed in the copy.
    pub(crate) changes: u64,
}

impl Fleet {
    /// Enables the sync of the account.
    pub(crate) async fn enable_sync(&self) -> anyhow::Result<()> {
        let base = self.urls().next().context("no gateway")?;
        let url = format!("{base}/integrated-accounts/{}", self.account);
        let request = self.caller.request(Method::PATCH, &url);
        let body = json!({"sync": {"enabled": true}}).to_string();
        let request = request.header(header::CONTENT_TYPE, "application/json").body(body);
        caller::json(request).await?;
        Ok(())
    }

    /// Starts a run of all resources and waits for its end.
    pub(crate) async fn sync(&self) -> anyhow::Result<SucceededRun> {
        let base = self.urls().next().context("no gateway")?;
        let requested = self.caller.post(&format!("{base}/syncs"), &json!({})).await?;
        let url = format!("{base}/syncs/{}", text(&requested, "/result/id")?);
        let ended = tokio::time::timeout(MAX_RUN_TIME, self.follow_run(&url)).await;
        ended.context("the run did not end in time")?
    }

    async fn follow_run(&self, url: &str) -> anyhow::Result<SucceededRun> {
        let (mut began, mut noted) = (Instant::now(), Instant::now());
        loop {
            let response = self.caller.get(url).await?;
            let run = response.get("result").context("no run")?;
            match text(run, "/status")? {
                "queued" => began = Instant::now(),
                "running" => {}
                "succeeded" => {
                    let seconds = began.elapsed().as_secs_f64();
                    return Ok(SucceededRun { seconds, changes: changes(run) });
                }
                _ => anyhow::bail!("the run did not succeed: {run}"),
            }
            if noted.elapsed() >= NOTE_INTERVAL {
                let progress = run.get("progress").unwrap_or(&Value::Null);
                note(&format!("after {:.0} s: {progress}", began.elapsed().as_secs_f64()));
                noted = Instant::now();
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// Returns the number of changes of all kinds of objects.
fn changes(run: &Value) -> u64 {
    let kinds = run.get("counts").and_then(Value::as_object).into_iter().flatten();
    let fields = ["created", "updated", "removed"];
    kinds
        .flat_map(|(_, counts)| fields.map(|field| counts.get(field).and_then(Value::as_u64)))
        .flatten()
        .sum()
}
