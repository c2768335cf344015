//! Full runs: the copy equals the directory, and one run of an account is under way at a time.

use anyhow::Context as _;
use http::Method;
use serde_json::json;
use sqlx::PgPool;

use super::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_copy_equals_the_directory(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"emit_initial": true})).await?;
    let run = synced.synced().await?;
    assert!(run["provider_calls"].as_u64().is_some_and(|calls| calls > 5), "{run}");
    synced.assert_equal().await?;
    synced.assert_replayed().await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_second_run_changes_nothing(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let first = synced.synced().await?;
    let second = synced.synced().await?;
    for (kind, counts) in second["counts"].as_object().context("no counts")? {
        let before = &first["counts"][kind]["created"];
        let expected = json!({"created": 0, "updated": 0, "removed": 0, "unchanged": before});
        assert_eq!(counts, &expected, "{kind}");
    }
    let events = synced.events().await?;
    let names: Vec<&str> = events.iter().filter_map(|event| event["type"].as_str()).collect();
    let lifecycle = ["integrated_account.created", "integrated_account.active"];
    let runs = ["sync.started", "sync.succeeded", "sync.started", "sync.succeeded"];
    assert_eq!(names, [&lifecycle[..], &runs[..]].concat());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_run_is_requested_without_a_body(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let run = synced.api.send(Method::POST, "syncs", None).await?;
    assert_eq!(run.status, 202, "{}", run.text);
    assert_eq!(run.body["result"]["integrated_account_id"], synced.account);
    let resources = run.body["result"]["resources"].as_array().context("no resources")?;
    assert_eq!(resources.len(), 4, "all those of the settings: {resources:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn one_run_of_an_account_at_a_time(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    let run = synced.request().await?;
    let body = json!({"integrated_account_id": synced.account});
    let second = synced.api.post("syncs", &body).await?;
    assert!(second.text.contains(&run), "{}", second.text);
    second.problem(409, "sync_in_progress");
    let cancelled = synced.api.post(&format!("syncs/{run}/cancel"), &json!({})).await?.success()?;
    assert_eq!(cancelled["result"]["status"], "cancelled");
    synced.work().await?;
    assert_eq!(synced.read_run(&run).await?["status"], "cancelled");
    let resumed = synced.api.post(&format!("syncs/{run}/resume"), &json!({})).await?.success()?;
    assert_eq!(resumed["result"]["status"], "queued");
    synced.work().await?;
    assert_eq!(synced.read_run(&run).await?["status"], "succeeded");
    let jobs = synced.api.get("jobs").await?.success()?;
    let jobs = jobs["result"].as_array().context("no jobs")?;
    let statuses: Vec<&str> = jobs.iter().filter_map(|job| job["status"].as_str()).collect();
    assert_eq!(statuses, ["succeeded", "cancelled"]);
    Ok(())
}
