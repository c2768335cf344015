//! Fixes while the account is claimed by another process, whose callers disconnect, whose process stops, or whose
//! policy is changed.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::kinds::Change;
use crate::sync::SyncedApp;

/// The pause between two looks at a state that is waited for.
const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// The longest time until a state is reached.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Sessions that wait to register a change of the gateway.
const WAITING: &str = "SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query ILIKE 'insert into own_changes%'";

/// A deactivated user with access, and the path of the violation.
struct Deactivated {
    synced: SyncedApp,
    user: String,
    path: String,
    /// The number of operations of the fix.
    operations: usize,
}

impl Deactivated {
    async fn new(pool: PgPool, mode: &str) -> anyhow::Result<Self> {
        let synced = SyncedApp::followed(pool).await?;
        let members = synced.plain_members();
        let (_, user) = members.iter().find(|(_, one)| one.groups.len() > 1).context("no one")?;
        let (user, operations) = (user.id.clone(), user.groups.len());
        let policy = json!({"name": "x", "kind": "no_access_after_deactivation"});
        let policy = synced.app.home.admin.post("policies", &policy).await?.created()?;
        synced.make(&[Change::set(&user, "active", false)]).await?;
        let found = synced.only_drift(&format!("&user_id={user}")).await?;
        assert_eq!(found["fix"].as_array().map(Vec::len), Some(operations), "{found}");
        let path = format!("drift/{}", found["id"].as_str().context("no id")?);
        if mode != "alert" {
            let policy = policy["result"]["id"].as_str().context("no id")?;
            let change = json!({"mode": mode});
            synced.app.home.admin.patch(&format!("policies/{policy}"), &change).await?.success()?;
        }
        Ok(Self { synced, user, path, operations })
    }

    /// Returns the outcomes of the last fix, once there is one.
    async fn outcomes(&self) -> anyhow::Result<Vec<String>> {
        let reported = async {
            loop {
                let found = self.synced.api.get(&self.path).await?.success()?;
                if let Some(run) = found["result"]["last_fix"]["operations"].as_array() {
                    let outcome = |one: &Value| one["outcome"].as_str().map(str::to_owned);
                    return run.iter().map(outcome).collect::<Option<_>>().context("no outcome");
                }
                tokio::time::sleep(POLL_INTERVAL).await;
            }
        };
        tokio::time::timeout(TIMEOUT, reported).await.context("nothing was reported")?
    }
}

/// Waits until a fix is about to make its next change.
async fn wait_for_change(pool: &PgPool) -> anyhow::Result<()> {
    let waiting = async {
        while sqlx::query_scalar::<_, i64>(WAITING).fetch_one(pool).await? == 0 {
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(TIMEOUT, waiting).await.context("no change was made")?
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_fix_is_refused_while_another_process_has_the_account(
    pool: PgPool,
) -> anyhow::Result<()> {
    let deactivated = Box::pin(Deactivated::new(pool, "alert")).await?;
    let Deactivated { synced, path, operations, .. } = &deactivated;
    let pool = &synced.app.pool;
    let claim = "UPDATE policy_evaluations SET worker = 'another', claims = claims + 1,
        lease_until = clock_timestamp() + interval '1 hour'";
    sqlx::query(claim).execute(pool).await?;
    let impatient = synced.api.clone().with("prefer", "wait=0")?;
    let fix = format!("{path}/fix");
    let refused = impatient.post(&fix, &json!({})).await?;
    refused.problem(409, "fix_in_progress");
    assert_eq!(refused.header("retry-after"), "5");
    assert_eq!(synced.app.calls("scim.groups.update"), 0);
    // A patient one waits for the end of the other.
    let body = json!({});
    let patient = synced.api.clone().with("prefer", "wait=60")?;
    let release = async {
        let ended = "UPDATE policy_evaluations SET worker = NULL, lease_until = NULL";
        sqlx::query(ended).execute(pool).await?;
        Ok(())
    };
    let (fixed, ()) = tokio::try_join!(patient.post(&fix, &body), release)?;
    fixed.success()?;
    assert_eq!(deactivated.outcomes().await?, vec!["applied"; *operations]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_fix_whose_caller_disconnects_is_run_and_reported(pool: PgPool) -> anyhow::Result<()> {
    let deactivated = Box::pin(Deactivated::new(pool, "alert")).await?;
    let Deactivated { synced, path, operations, user } = &deactivated;
    let mut lock = synced.app.pool.begin().await?;
    sqlx::query("LOCK TABLE own_changes IN EXCLUSIVE MODE").execute(&mut *lock).await?;
    let (fix, body) = (format!("{path}/fix"), json!({}));
    tokio::select! {
        response = synced.api.post(&fix, &body) => anyhow::bail!("responded too soon: {response:?}"),
        waiting = wait_for_change(&synced.app.pool) => waiting?,
    }
    // The caller has disconnected; the fix continues.
    lock.rollback().await?;
    assert_eq!(deactivated.outcomes().await?, vec!["applied"; *operations]);
    let entries = synced.app.home.admin.get("audit-log?action=drift.fixed").await?.success()?;
    assert_eq!(entries["result"][0]["outcome"], "done", "{entries}");
    synced.evaluate().await?;
    assert_eq!(synced.only_drift(&format!("&user_id={user}")).await?["status"], "resolved");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_process_that_stops_ends_the_operation_and_reports_the_fix(
    pool: PgPool,
) -> anyhow::Result<()> {
    let deactivated = Box::pin(Deactivated::new(pool, "fix")).await?;
    let Deactivated { synced, operations, user, .. } = &deactivated;
    let mut lock = synced.app.pool.begin().await?;
    sqlx::query("LOCK TABLE own_changes IN EXCLUSIVE MODE").execute(&mut *lock).await?;
    let stop = CancellationToken::new();
    let stopped = async {
        wait_for_change(&synced.app.pool).await?;
        stop.cancel();
        Ok(lock.rollback().await?)
    };
    let work = async { anyhow::Ok(synced.app.policies.work_once(&stop).await?) };
    let (worked, ()) = tokio::try_join!(work, stopped)?;
    assert!(worked);
    let mut expected = vec!["applied"];
    expected.resize(*operations, "skipped");
    assert_eq!(deactivated.outcomes().await?, expected);
    assert_eq!(synced.app.calls("scim.groups.update"), 1);
    // The next process continues, and does nothing twice.
    synced.evaluate().await?;
    assert_eq!(synced.only_drift(&format!("&user_id={user}")).await?["status"], "resolved");
    assert_eq!(synced.app.calls("scim.groups.update"), u64::try_from(*operations)?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_policy_that_is_changed_during_its_fixes_begins_no_other(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    let users: Vec<&str> = members.iter().take(2).map(|(_, one)| &*one.id).collect();
    let organization = synced.organization().await?;
    let assigned = json!({"role_id": "Rl0H", "entity_ids": [organization], "user_ids": users});
    synced.make(&[Change::Provider("admin.roles.addAssignments", assigned)]).await?;
    let body = json!({"name": "x", "kind": "role_holders", "mode": "fix",
        "parameters": {"role_ids": ["Rl0H"], "allowed": {"user_ids": ["nobody"]}}});
    let admin = &synced.app.home.admin;
    let policy = admin.post("policies", &body).await?.created()?;
    let path = format!("policies/{}", policy["result"]["id"].as_str().context("no id")?);
    let mut lock = synced.app.pool.begin().await?;
    sqlx::query("LOCK TABLE own_changes IN EXCLUSIVE MODE").execute(&mut *lock).await?;
    let stop = CancellationToken::new();
    let work = async { anyhow::Ok(synced.app.policies.work_once(&stop).await?) };
    let changed = async {
        wait_for_change(&synced.app.pool).await?;
        admin.patch(&path, &json!({"mode": "alert"})).await?.success()?;
        Ok(lock.rollback().await?)
    };
    let (worked, ()) = tokio::try_join!(work, changed)?;
    assert!(worked);
    assert_eq!(synced.app.calls("admin.roles.removeAssignments"), 1);
    synced.evaluate().await?;
    assert_eq!(synced.app.calls("admin.roles.removeAssignments"), 1);
    assert_eq!(synced.drift("&status=open").await?.len(), 1);
    Ok(())
}
