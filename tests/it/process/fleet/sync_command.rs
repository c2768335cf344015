//! `switchboard sync` and `switchboard worker` beside gateways.
#![expect(clippy::indexing_slicing, reason = "a field that a JSON value does not have is null")]

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::super::START_TIMEOUT;
use super::super::program::{Finished, Program, run};
use super::super::test_dir::TestDir;
use super::Fleet;

/// An id that no account has.
const UNKNOWN: &str = "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T";

async fn sync(home: &TestDir, fleet: &Fleet, arguments: &[&str]) -> anyhow::Result<Finished> {
    run(home, &[&["sync", "--config", &fleet.config], arguments].concat()).await
}

/// Checks the printed numbers of a run that succeeded.
fn check_summary(done: &Finished, run: &Value) {
    assert_eq!(done.code, Some(0), "{done:?}");
    let lines: Vec<Vec<&str>> =
        done.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["run", run["id"].as_str().unwrap_or_default()]), "{done:?}");
    assert!(lines.contains(&vec!["status", "succeeded"]), "{done:?}");
    let calls = run["provider_calls"].to_string();
    assert!(lines.contains(&vec!["provider", "calls", &calls]), "{done:?}");
    let mut rows = lines.iter().skip_while(|line| line.first() != Some(&"kind")).skip(1);
    assert!(rows.clone().count() > 0, "{done:?}");
    let is_correct = |row: &Vec<&str>| {
        let [kind, numbers @ ..] = &row[..] else { return false };
        let counts = &run["counts"][kind];
        let names = ["created", "updated", "removed", "unchanged"];
        numbers == names.map(|name| counts[name].as_u64().unwrap_or_default().to_string())
    };
    assert!(rows.all(is_correct), "{} but {run}", done.stdout);
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_command_runs_a_sync_beside_a_gateway(pool: PgPool) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let settings = "[sync]\npoll_every_s = 0.1\n";
    let fleet = Fleet::with_limits(&home, &pool, 1, 60, settings).await?;
    let account = fleet.caller.account.as_str();
    for (arguments, code, message) in [
        (&[UNKNOWN][..], 1, format!("no account {UNKNOWN}")),
        (&[UNKNOWN, "--enable"], 1, format!("no account {UNKNOWN}")),
        (&[account], 1, "add --enable".to_owned()),
        (&["acc_1"], 2, "acc_1".to_owned()),
        (&[account, "--resources", "channels"], 2, "channels".to_owned()),
    ] {
        let done = sync(&home, &fleet, arguments).await?;
        assert_eq!((done.code, done.stdout.as_str()), (Some(code), ""), "{arguments:?}: {done:?}");
        assert!(done.stderr.contains(&message), "{arguments:?}: {done:?}");
        assert!(!done.stderr.contains("panicked"), "{done:?}");
    }
    let runs = fleet.get(0, "/syncs").await?.ok()?;
    assert_eq!(runs["result"], json!([]), "a rejected command has requested a run");

    let done = sync(&home, &fleet, &[account, "--enable"]).await?;
    let first = fleet.get(0, "/syncs").await?.ok()?["result"][0].clone();
    check_summary(&done, &first);
    assert!(first["counts"]["user"]["created"].as_u64() > Some(100), "{first}");
    let settings = fleet.get(0, &format!("/integrated-accounts/{account}/sync-settings")).await?;
    assert_eq!(settings.ok()?["result"]["enabled"], true);

    let done = sync(&home, &fleet, &[account, "--resources", "users"]).await?;
    let second = fleet.get(0, "/syncs").await?.ok()?["result"][0].clone();
    check_summary(&done, &second);
    assert_eq!((&second["started_by"], &second["resources"]), (&json!("cli"), &json!(["users"])));
    let unchanged = &second["counts"]["user"]["unchanged"];
    assert_eq!(unchanged, &first["counts"]["user"]["created"], "{second}");

    let path = format!("/integrated-accounts/{account}");
    fleet.send(0, Method::DELETE, &path, None).await?.ok()?;
    let done = sync(&home, &fleet, &[account]).await?;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert!(done.stderr.contains("disconnected"), "{done:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_separate_worker_does_the_jobs_of_gateways_without_workers(
    pool: PgPool,
) -> anyhow::Result<()> {
    let home = TestDir::new()?;
    let settings = "[sync]\nworkers = 0\npoll_every_s = 0.1\n";
    let fleet = Fleet::with_limits(&home, &pool, 1, 60, settings).await?;
    let account = fleet.caller.account.as_str();
    let arguments = ["sync", account, "--enable", "--config", &fleet.config];
    let mut command = Program::start(&home, &arguments, &[])?;
    let hint = |_: &str, err: &str| err.contains("no worker seems to run").then_some(());
    command.wait_for_output(hint, START_TIMEOUT).await?;
    let mut worker = Program::start(&home, &["worker", "--config", &fleet.config], &[])?;
    let status = command.exit(START_TIMEOUT).await?;
    assert!(status.success(), "{status}: {}", command.stderr()?);
    assert!(command.stdout()?.contains("succeeded"), "{}", command.stdout()?);
    assert_eq!(worker.stop().await?.code(), Some(0), "{}", worker.stderr()?);
    Ok(())
}
