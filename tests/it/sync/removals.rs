//! Removal is never guessed: what a provider leaves out of its lists is not taken for removed.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use tokio_util::sync::CancellationToken;

use super::SyncedApp;
use crate::support::{FaultProxy, Rewrite, Script};

/// Rewrites the responses of a method.
fn rewrite(proxy: &FaultProxy, method: &str, change: impl Fn(&mut Value) + Send + Sync + 'static) {
    let change = move |body: &str| {
        let mut body: Value = serde_json::from_str(body).unwrap_or_default();
        change(&mut body);
        body.to_string()
    };
    proxy.set(method, Script::Rewrite(Rewrite(Arc::new(change))));
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_provider_that_lists_too_little_removes_nothing(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"max_removed": {"count": 5, "percent": 10}})).await?;
    synced.synced().await?;
    let before = synced.all("users?source=synced&limit=1000").await?;
    let (worker, proxy) = synced.app.worker_through_fault_proxy().await?;
    for keep in [2, usize::MAX] {
        rewrite(&proxy, "admin.users.list", move |body| {
            if let Some(users) = body["users"].as_array_mut() {
                let mut number = 0;
                users.retain(|_| {
                    number += 1;
                    number % keep == 0
                });
            }
        });
        let run = synced.request().await?;
        assert!(worker.work_once(&CancellationToken::new()).await?);
        let held = synced.read_run(&run).await?;
        assert_eq!(held["status"], "held", "{held}");
        assert_unchanged(&synced, &before).await?;
        // Who exists is not removed, even if the run is accepted.
        synced.api.post(&format!("syncs/{run}/accept"), &json!({})).await?.success()?;
        synced.work().await?;
        assert_eq!(synced.read_run(&run).await?["status"], "succeeded");
        assert_unchanged(&synced, &before).await?;
    }
    Ok(())
}

async fn assert_unchanged(
    synced: &SyncedApp,
    before: &BTreeMap<String, Value>,
) -> anyhow::Result<()> {
    let now = synced.all("users?source=synced&limit=1000").await?;
    assert_eq!(now.len(), before.len());
    for (id, user) in now {
        assert_eq!(Some(&user), before.get(&id));
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_list_that_repeats_fails_the_run(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let before = synced.all("users?source=synced&limit=1000").await?;
    let (worker, proxy) = synced.app.worker_through_fault_proxy().await?;
    let first: OnceLock<Value> = OnceLock::new();
    rewrite(&proxy, "admin.users.list", move |body| {
        body["response_metadata"] = json!({"next_cursor": "again"});
        *body = first.get_or_init(|| body.clone()).clone();
    });
    let run = synced.request().await?;
    assert!(worker.work_once(&CancellationToken::new()).await?);
    let failed = synced.read_run(&run).await?;
    assert_eq!(
        (&failed["status"], &failed["problem"]["code"]),
        (&json!("failed"), &json!("endless_list"))
    );
    assert_eq!(synced.all("users?source=synced&limit=1000").await?, before);
    let events = synced.events().await?;
    assert_eq!(events.last().map(|event| &event["type"]), Some(&json!("sync.failed")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_lost_scope_removes_nothing(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let before = synced.all("role-assignments?source=synced&limit=1000").await?;
    synced.app.sandbox.add_fault(Fault::refused("admin.roles.listAssignments", "missing_scope", 9));
    let run = synced.run().await?;
    assert_eq!(run["status"], "partial", "{run}");
    assert_eq!(run["problem"]["code"], "missing_scope", "{run}");
    assert_eq!(run["problem"]["resource"], "role_assignments", "{run}");
    assert_eq!(synced.all("role-assignments?source=synced&limit=1000").await?, before);
    synced.app.sandbox.clear_faults();
    synced.synced().await?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_scope_lost_before_the_removals_removes_nothing(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let users = synced.all("users?source=synced&user_type=member&status=active&limit=1000").await?;
    let is_member = |user: &&Value| user["workspaces"][0].is_object();
    let user = users.values().find(is_member).context("no member")?;
    let (id, workspace) = (&user["id"], &user["workspaces"][0]["id"]);
    synced.outside("admin.users.remove", &json!({"user_id": id, "team_id": workspace})).await?;
    synced.app.sandbox.add_fault(Fault::refused("users.info", "missing_scope", 9));
    let run = synced.run().await?;
    assert_eq!(
        (&run["status"], &run["problem"]["code"]),
        (&json!("partial"), &json!("missing_scope"))
    );
    let path = format!("users/{}?source=synced", id.as_str().unwrap_or_default());
    let copied = synced.api.get(&path).await?.success()?;
    assert_eq!(copied["result"]["workspaces"], user["workspaces"]);
    synced.app.sandbox.clear_faults();
    synced.synced().await?;
    synced.assert_equal().await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_failing_provider_fails_the_attempt_and_not_the_copy(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let before = synced.all("users?source=synced&limit=1000").await?;
    let fault = Fault::for_next_calls("admin.users.list", FaultKind::ServerError, 40);
    synced.app.sandbox.add_fault(fault);
    let run = synced.request().await?;
    synced.work().await?;
    let waiting = synced.read_run(&run).await?;
    assert_eq!(waiting["status"], "running", "it is tried again: {waiting}");
    let jobs = synced.api.get("jobs?status=running").await?.success()?;
    assert_eq!(jobs["result"][0]["last_problem"]["code"], "provider_error", "{jobs}");
    assert_eq!(synced.all("users?source=synced&limit=1000").await?, before);
    synced.app.sandbox.clear_faults();
    sqlx::query("UPDATE jobs SET run_at = now()").execute(&synced.app.pool).await?;
    synced.work().await?;
    assert_eq!(synced.read_run(&run).await?["status"], "succeeded");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_run_that_would_remove_too_much_is_held(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"max_removed": {"count": 1, "percent": 0}})).await?;
    synced.synced().await?;
    let groups = synced.all("groups?source=synced&limit=1000").await?;
    let ids: Vec<&String> = groups.keys().take(2).collect();
    assert_eq!(ids.len(), 2);
    for id in &ids {
        let path = format!("proxy/scim/v2/Groups/{id}");
        assert_eq!(synced.api.delete(&path).await?.status, 204);
    }
    let run = synced.run().await?;
    assert_eq!(run["status"], "held", "{run}");
    assert_eq!(run["problem"]["code"], "too_many_removals", "{run}");
    assert_eq!(synced.all("groups?source=synced&limit=1000").await?, groups, "still served");

    let id = run["id"].as_str().context("no id")?;
    let accepted = synced.api.post(&format!("syncs/{id}/accept"), &json!({})).await?.success()?;
    assert_eq!(accepted["result"]["status"], "queued");
    synced.work().await?;
    assert_eq!(synced.read_run(id).await?["status"], "succeeded");
    let left = synced.all("groups?source=synced&limit=1000").await?;
    assert_eq!(left.len(), groups.len() - 2);
    synced
        .api
        .post(&format!("syncs/{id}/accept"), &json!({}))
        .await?
        .problem(409, "sync_wrong_status");
    let audit = synced.app.home.admin.get("audit-log?action=sync.accepted").await?.success()?;
    assert_eq!(audit["result"].as_array().map(Vec::len), Some(1), "{audit}");
    Ok(())
}
