//! A process that ends at any write of an application: a plan has exactly what is missing, and the next process
//! continues without making a write twice.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::app;
use tokio_util::sync::CancellationToken;

use super::mixture::{Mixture, WRITES, writes_of};
use super::planned::Organization;
use crate::sync::SyncedApp;

/// Returns the operation and the subject of each step that is left to do.
fn pending(steps: &[Value]) -> BTreeSet<String> {
    let left = steps.iter().filter(|step| step["outcome"] == "pending");
    left.map(|step| format!("{} {}", step["operation"]["type"], step["subject"]["key"])).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_process_that_ends_at_any_write_loses_and_repeats_nothing(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| setup.sandbox.users = 150).await?;
    let organization = Organization::of(synced).await?;
    let synced = &organization.synced;
    let mixture = Mixture::of(&organization).await?;
    let (_, other) = synced.app.second_gateway(&synced.app.config).await?;
    let lease = synced.app.config.sync.lease();
    let made = || -> usize { WRITES.iter().map(|method| organization.carried_out(method)).sum() };
    for round in 0..7 {
        let desired = mixture.desired(round)?;
        let plan = organization.plan(&desired, &json!({})).await?;
        let steps = organization.steps(&plan).await?;
        let before = organization.all_carried_out();
        let path = format!("reconciliations/{}/apply", plan["id"].as_str().unwrap_or_default());
        let requested = synced.api.post(&path, &json!({"hash": plan["hash"]})).await?;
        assert_eq!(requested.status, 202, "{}", requested.text);
        // The process ends as soon as a write was made: before its outcome is written.
        let (stop, until) = (CancellationToken::new(), made() + 1 + 2 * (round % 5));
        tokio::select! {
            worked = synced.app.jobs.work_once(&stop) => { worked?; }
            () = async { while made() < until { tokio::task::yield_now().await; } } => {}
        }
        for statement in [
            "UPDATE jobs SET lease_until = clock_timestamp() - interval '1 second'
             WHERE status = 'running' AND lease_until IS NOT NULL",
            // In every second round, it ended before anything else was sent that it had begun.
            "UPDATE reconciliation_steps SET started_at = now() WHERE outcome = 'pending' AND $1",
        ] {
            let query = sqlx::query(statement);
            let query = if statement.contains("$1") { query.bind(round % 2 == 1) } else { query };
            query.execute(&synced.app.pool).await?;
        }
        // A new plan has exactly what is missing; it is made beside the application.
        let missing = missing_steps(&organization, &desired).await?;
        for (method, count) in writes_of(&missing) {
            let left =
                writes_of(&steps)[method] - (organization.carried_out(method) - before[method]);
            assert_eq!(count, left, "{round} {method}: {missing:#?}");
        }
        let successor = app::job_worker(&other.policies, format!("successor{round}"), lease);
        synced.work_by(&successor).await?;
        let id = plan["id"].as_str().unwrap_or_default();
        let ended = organization.read(id).await?;
        assert_eq!(ended["status"], "applied", "{round}: {:#?}", organization.steps(&plan).await?);
        for (method, count) in organization.all_carried_out() {
            let planned = writes_of(&steps)[method];
            assert_eq!(count - before[method], planned, "{round} {method}");
        }
        let again = organization.plan(&desired, &json!({})).await?;
        assert_eq!(pending(&organization.steps(&again).await?), BTreeSet::new(), "{round}");
    }
    Ok(())
}

/// Returns the steps of a plan that is made of a new copy while an application is interrupted.
async fn missing_steps(organization: &Organization, desired: &Value) -> anyhow::Result<Vec<Value>> {
    // The interrupted job waits, while the sync and the plan are made.
    let hold = "UPDATE jobs SET run_at = run_at + interval '1 hour', status = 'queued', lease_until = NULL,
            worker = NULL WHERE status = 'running'";
    sqlx::query(hold).execute(&organization.synced.app.pool).await?;
    organization.synced.synced().await?;
    let plan = organization.plan(desired, &json!({})).await?;
    let due = "UPDATE jobs SET run_at = clock_timestamp() WHERE status = 'queued'";
    sqlx::query(due).execute(&organization.synced.app.pool).await?;
    organization.steps(&plan).await
}
