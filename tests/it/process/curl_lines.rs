//! The demo's interactive output: the commands it prints work as printed.
#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

use std::process::Command;
use std::time::Instant;

use anyhow::Context as _;
use serde_json::{Value, json};
use url::Url;

use super::http_client::{list, text};
use super::program::Program;
use super::test_dir::TestDir;
use super::{POLL_INTERVAL, START_TIMEOUT, note};

/// Part of each command: one is printed for each.
const COMMANDS: [&str; 6] = [
    "/users?limit=",
    "/role-assignments?",
    "/users?source=synced&search=",
    "/history?",
    "/events?",
    "/proxy/api/auth.test?",
];

#[tokio::test]
async fn the_commands_that_the_demo_prints_work() -> anyhow::Result<()> {
    if Command::new("curl").arg("--version").output().is_err() {
        return note(format_args!("skipped: there is no curl to run the printed commands with"));
    }
    let home = TestDir::new()?;
    let mut demo = Program::start(&home, &["demo", "--port", "0"], &[])?;
    let whole = |out: &str, _: &str| out.contains("Ctrl-C stops").then(|| out.to_owned());
    let text = demo.wait_for_output(whole, START_TIMEOUT).await?;
    let lines: Vec<_> =
        text.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert_eq!(lines.len(), COMMANDS.len(), "{text}");
    for command in COMMANDS {
        let found: Vec<_> = lines.iter().filter(|line| line.contains(command)).collect();
        let [line] = found[..] else { anyhow::bail!("{command}: {found:?}") };
        let response = response(line).await.with_context(|| (*line).to_owned())?;
        check(command, &address(line)?, &response).with_context(|| (*line).to_owned())?;
    }
    for (label, heading) in [
        ("Open the console", "Sign in to the console"),
        ("Link another customer", "Connect"),
        ("See the sandbox's organization", "Slack sandbox"),
    ] {
        let line = text.lines().find(|line| line.starts_with(label)).context(label)?;
        let page = line.split_whitespace().last().context(label)?;
        let ran = Command::new("curl").args(["-sf", page]).output()?;
        let page = String::from_utf8_lossy(&ran.stdout).into_owned();
        assert!(ran.status.success() && page.contains(heading), "{line}: {ran:?}");
    }
    assert_eq!(demo.stop().await?.code(), Some(0));
    Ok(())
}

/// Returns the URL of a command.
fn address(line: &str) -> anyhow::Result<Url> {
    Ok(line.split('\'').nth(1).context("no URL")?.parse()?)
}

/// Runs a command and returns its response. One that needs the first run of the sync is repeated until the run has
/// ended.
async fn response(line: &str) -> anyhow::Result<Value> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let ran = Command::new("sh").args(["-c", line]).output()?;
        anyhow::ensure!(ran.status.success(), "{ran:?}");
        let response: Value =
            serde_json::from_slice(&ran.stdout).with_context(|| format!("{ran:?}"))?;
        let is_early = if line.contains("/events?") {
            list(&response, "/result")?.len() < 3
        } else if line.contains("source=synced") || line.contains("/history?") {
            text(&response, "/type").is_ok_and(|kind| kind.ends_with("/problems/not_synced"))
        } else {
            false
        };
        if !is_early || Instant::now() > deadline {
            return Ok(response);
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

fn check(command: &str, url: &Url, response: &Value) -> anyhow::Result<()> {
    if command.contains("/auth.test") {
        anyhow::ensure!(response.get("ok") == Some(&Value::Bool(true)), "{response}");
        return Ok(());
    }
    let items = list(response, "/result")?;
    for key in ["next_cursor", "prev_cursor", "limit", "result_count"] {
        anyhow::ensure!(response.get(key).is_some(), "no {key} in {response}");
    }
    let has_each = |key: &str| items.iter().all(|item| item.get(key).is_some());
    let is_correct = match command {
        "/users?source=synced&search=" => {
            let search = url.query_pairs().find(|(name, _)| name == "search");
            let (_, search) = search.context("no search")?;
            text(response, "/synced_at")?;
            let name = text(response, "/result/0/name")?.to_lowercase();
            items.len() <= 3 && has_each("emails") && name.contains(&search.to_lowercase())
        }
        "/history?" => {
            let id = url.path().split('/').nth(2).context("no user")?;
            let creation = items.iter().find(|item| {
                item["kind"] == "user" && item["object_id"] == id && item["change"] == "created"
            });
            has_each("at") && creation.is_some_and(|item| item["object"]["id"] == id)
        }
        "/events?" => {
            let numbers: Vec<_> = items.iter().map(|item| item["sequence"].clone()).collect();
            let first = &items.first().context("no events")?["type"];
            numbers == [json!(1), json!(2), json!(3)] && first == "integrated_account.created"
        }
        "/role-assignments?" => items.len() == 3 && has_each("role_id"),
        _ => items.len() == 3 && has_each("emails"),
    };
    anyhow::ensure!(is_correct, "{response}");
    Ok(())
}
