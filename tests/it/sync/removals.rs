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

/// Returns a group with at least four members, and their ids.
async fn some_group(synced: &SyncedApp) -> anyhow::Result<(String, Vec<String>)> {
    for id in synced.all("groups?source=synced&limit=1000").await?.into_keys() {
        let members = members(synced, &id).await?;
        if members.len() >= 4 {
            return Ok((id, members));
        }
    }
    anyhow::bail!("no large group")
}

/// Returns the members of a group in the copy.
async fn members(synced: &SyncedApp, group: &str) -> anyhow::Result<Vec<String>> {
    let copied = synced.api.get(&format!("groups/{group}?source=synced")).await?.success()?;
    let members = copied["result"]["members"].as_array().context("no members")?;
    Ok(members.iter().filter_map(|one| one["id"].as_str()).map(str::to_owned).collect())
}

/// Removes members of a group at the provider.
async fn remove_members(synced: &SyncedApp, group: &str, users: &[String]) -> anyhow::Result<()> {
    let operation =
        |id: &String| json!({"op": "remove", "path": format!("members[value eq \"{id}\"]")});
    let operations: Vec<Value> = users.iter().map(operation).collect();
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
    let body = json!({"schemas": schemas, "Operations": operations});
    let changed = synced.api.patch(&format!("proxy/scim/v2/Groups/{group}"), &body).await?;
    assert!(changed.status < 300, "{}", changed.text);
    Ok(())
}

/// Returns the users whose memberships of groups were removed since the first `after` events, and who removed them.
async fn removed_since(synced: &SyncedApp, after: usize) -> anyhow::Result<Vec<(Value, Value)>> {
    let events = synced.events().await?;
    let removed = events.iter().skip(after).filter(|event| event["type"] == "group_member.removed");
    Ok(removed
        .map(|event| (event["previous"]["user_id"].clone(), event["origin"].clone()))
        .collect())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_audit_log_does_not_remove_what_a_run_is_held_for(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"max_removed": {"count": 2, "percent": 0}})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (group, users) = some_group(&synced).await?;
    let before = synced.events().await?.len();
    remove_members(&synced, &group, &users[..3]).await?;
    let run = synced.run().await?;
    assert_eq!(run["status"], "held", "{run}");
    let held = &run["held_removals"]["group_member"];
    assert_eq!(held["missing"], 3, "{run}");
    assert!(held["present"].as_u64() > Some(3), "{run}");
    // Entries of the audit log: the three removals, and another one, of one object.
    synced.poll().await?;
    remove_members(&synced, &group, &users[3..4]).await?;
    synced.poll().await?;
    assert_eq!(members(&synced, &group).await?, users);
    assert_eq!(removed_since(&synced, before).await?, vec![]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rejected_run_that_is_resumed_reads_everything_again(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"max_removed": {"count": 2, "percent": 0}})).await?;
    synced.synced().await?;
    let (group, users) = some_group(&synced).await?;
    remove_members(&synced, &group, &users[..3]).await?;
    let run = synced.run().await?;
    assert_eq!(run["held_removals"]["group_member"]["missing"], 3, "{run}");
    let id = run["id"].as_str().context("no id")?;
    synced.api.post(&format!("syncs/{id}/reject"), &json!({})).await?.success()?;
    synced.api.post(&format!("syncs/{id}/resume"), &json!({})).await?.success()?;
    synced.work().await?;
    let again = synced.read_run(id).await?;
    assert_eq!(
        (&again["status"], &again["held_removals"]),
        (&json!("held"), &run["held_removals"]),
        "{again}"
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_need_for_a_run_outlives_a_run_in_progress(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"max_removed": {"count": 2, "percent": 0}})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (group, users) = some_group(&synced).await?;
    let run = synced.request().await?;
    remove_members(&synced, &group, &users[..3]).await?;
    synced.poll().await?;
    assert_eq!(members(&synced, &group).await?, users);
    let cancelled = synced.api.post(&format!("syncs/{run}/cancel"), &json!({})).await?;
    assert!(cancelled.status < 300, "{}", cancelled.text);
    synced.poll().await?;
    synced.work().await?;
    let held = synced.api.get("syncs?status=held").await?.success()?;
    assert_eq!(held["result"][0]["held_removals"]["group_member"]["missing"], 3, "{held}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_of_this_gateway_is_copied_while_a_run_is_held(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"max_removed": {"count": 2, "percent": 0}})).await?;
    synced.synced().await?;
    let (group, users) = some_group(&synced).await?;
    let before = synced.events().await?.len();
    remove_members(&synced, &group, &users[..3]).await?;
    let run = synced.run().await?;
    assert_eq!(run["status"], "held", "{run}");
    let left = synced.api.delete(&format!("groups/{group}/members/{}", users[3])).await?;
    assert!(left.status < 300, "{}", left.text);
    let own = (json!(users[3]), json!("gateway"));
    assert_eq!(removed_since(&synced, before).await?, vec![own.clone()]);
    // The others were removed by somebody else: the decision is still open.
    let id = run["id"].as_str().context("no id")?;
    synced.api.post(&format!("syncs/{id}/accept"), &json!({})).await?.success()?;
    synced.work().await?;
    assert_eq!(synced.read_run(id).await?["status"], "succeeded");
    let removed = removed_since(&synced, before).await?;
    assert_eq!(removed.len(), 4, "{removed:?}");
    assert_eq!(removed.iter().filter(|one| **one == own).count(), 1, "{removed:?}");
    synced.assert_equal().await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_read_of_one_object_that_would_remove_too_much_starts_a_run(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"max_removed": {"count": 2, "percent": 0}})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (group, users) = some_group(&synced).await?;
    let before = synced.events().await?.len();
    remove_members(&synced, &group, &users[..3]).await?;
    synced.poll().await?;
    assert_eq!(members(&synced, &group).await?, users);
    assert_eq!(removed_since(&synced, before).await?, vec![]);
    synced.work().await?;
    let held = synced.api.get("syncs?status=held").await?.success()?;
    assert_eq!(held["result"][0]["held_removals"]["group_member"]["missing"], 3, "{held}");
    // As many as a run may remove are removed at once.
    let id = held["result"][0]["id"].as_str().context("no id")?;
    synced.api.post(&format!("syncs/{id}/accept"), &json!({})).await?.success()?;
    synced.work().await?;
    let after = synced.events().await?.len();
    remove_members(&synced, &group, &users[3..4]).await?;
    synced.poll().await?;
    assert_eq!(removed_since(&synced, after).await?.len(), 1);
    synced.assert_equal().await
}
