//! Requests that stop background work lock rows in the order of the worker: the job first. Each test is a worker that has
//! locked its job while the request arrives.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use crate::support::Client;
use crate::sync::SyncedApp;

const POLL_INTERVAL: Duration = Duration::from_millis(2);
const TIMEOUT: Duration = Duration::from_secs(20);
/// Sessions that wait for a row.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'";

/// Sends a request while a worker writes `table`; the worker locks its job first.
async fn request_beside_worker(
    pool: &PgPool,
    api: &Client,
    path: &str,
    table: &str,
) -> anyhow::Result<Value> {
    let mut worker = pool.begin().await?;
    sqlx::query("SELECT FROM jobs WHERE status IN ('queued', 'running') FOR UPDATE")
        .execute(&mut *worker)
        .await?;
    let write = async {
        let waiting = async {
            while sqlx::query_scalar::<_, i64>(WAITING).fetch_one(pool).await? == 0 {
                tokio::time::sleep(POLL_INTERVAL).await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(TIMEOUT, waiting).await.context("the request does not wait")??;
        let update = AssertSqlSafe(format!("UPDATE {table} SET created_at = created_at"));
        sqlx::query(update).execute(&mut *worker).await.context("the worker's write")?;
        anyhow::Ok(worker.commit().await?)
    };
    let body = json!({});
    let (response, written) = tokio::join!(api.post(path, &body), write);
    written?;
    response?.success()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_sync_is_cancelled_while_its_worker_writes(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool.clone(), json!({})).await?;
    let run = synced.request().await?;
    let path = format!("syncs/{run}/cancel");
    let cancelled = request_beside_worker(&pool, &synced.api, &path, "sync_runs").await?;
    assert_eq!(cancelled["result"]["status"], "cancelled");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_reconciliation_is_paused_and_cancelled_while_its_worker_writes(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool.clone(), json!({})).await?;
    synced.synced().await?;
    let users = synced.api.get("users?source=synced&limit=1").await?.success()?;
    let email = users["result"][0]["emails"][0]["email"].clone();
    let plan = json!({"integrated_account_id": synced.account,
        "desired": {"users": [{"email": email, "title": "Planned"}]}});
    let plan = synced.api.post("reconciliations", &plan).await?.body;
    let path = format!("reconciliations/{}", plan["result"]["id"].as_str().context("no id")?);
    synced.work().await?;
    let planned = synced.api.get(&path).await?.success()?;
    let approval = json!({"hash": planned["result"]["hash"]});
    assert_eq!(synced.api.post(&format!("{path}/apply"), &approval).await?.status, 202);
    for control in ["pause", "cancel"] {
        let path = format!("{path}/{control}");
        request_beside_worker(&pool, &synced.api, &path, "reconciliations").await?;
    }
    synced.work().await?;
    let ended = synced.api.get(&path).await?.success()?;
    assert_eq!(ended["result"]["status"], "cancelled", "{ended}");
    Ok(())
}
