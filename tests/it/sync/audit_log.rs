//! Changes that the provider's audit log reports between two runs, with their actors.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use tokio_util::sync::CancellationToken;

use super::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_promotion_is_an_event_with_its_actor_within_one_poll(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (user, workspace) = synced.some_member().await?;
    let organization = synced.organization().await?;
    let before = synced.events().await?.len();
    let place = json!({"user_id": user, "team_id": organization});
    synced.outside("admin.users.setOwner", &place).await?;
    let place = json!({"user_id": user, "team_id": workspace});
    synced.outside("admin.users.remove", &place).await?;
    synced.poll().await?;
    let changes = synced.changes_after(before).await?;
    let find = |kind: &str| {
        changes.iter().find(|event| event["type"] == kind).with_context(|| kind.to_owned())
    };
    let me = synced.api.get("me").await?.success()?;
    let actor = me.pointer("/result/user/id").context("no user")?;
    let granted = find("role_assignment.granted")?;
    assert_eq!(granted["object"]["role_id"], "org:owner", "{granted}");
    assert_eq!(granted["origin"], "audit_log", "{granted}");
    assert_eq!(&granted["actor"]["id"], actor, "{granted}");
    assert!(granted["actor"]["name"].as_str().is_some_and(|name| !name.is_empty()), "{granted}");
    assert!(granted["actor"]["app"]["id"].is_string(), "{granted}");
    let removed = find("workspace_member.removed")?;
    assert_eq!(&removed["actor"]["id"], actor, "{removed}");
    // The copy has it too, and the history.
    let path = format!("role-assignments?source=synced&user[id]={user}&role[id]=org:owner");
    let held = synced.api.get(&path).await?.success()?;
    assert_eq!(&held["result"][0]["granted_by"], actor, "{held}");
    assert!(held["result"][0]["created_at"].is_string(), "{held}");
    let history = synced.api.get(&format!("users/{user}/history")).await?.success()?;
    let entries = history["result"].as_array().context("no history")?;
    let left = |entry: &&Value| entry["kind"] == "workspace_member" && entry["change"] == "removed";
    assert_eq!(&entries.iter().find(left).context("not in it")?["actor"]["id"], actor);
    // No change becomes an event again, by the next poll or by the next run.
    let count = synced.events().await?.len();
    synced.poll().await?;
    synced.synced().await?;
    assert_eq!(synced.changes_after(count).await?, Vec::<Value>::new());
    synced.assert_equal().await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_late_audit_log_names_the_actor_of_a_known_change(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    synced.app.sandbox.set_audit_delay(3_600);
    let (user, workspace) = synced.some_member().await?;
    let before = synced.events().await?.len();
    let place = json!({"user_id": user, "team_id": workspace});
    synced.outside("admin.users.setAdmin", &place).await?;
    synced.poll().await?;
    assert_eq!(synced.changes_after(before).await?, Vec::<Value>::new());
    // A full run finds the change, and nobody knows who made it.
    synced.synced().await?;
    let changes = synced.changes_after(before).await?;
    assert!(!changes.is_empty());
    assert!(changes.iter().all(|event| event["actor"].is_null()), "{changes:?}");
    synced.app.sandbox.advance_clock(time::Duration::hours(1));
    synced.app.clock.advance(time::Duration::hours(1));
    synced.follow().await?;
    let attributed = synced.changes_after(before).await?;
    assert_eq!(attributed.len(), changes.len(), "{attributed:?}");
    for (event, earlier) in attributed.iter().zip(&changes) {
        assert_eq!(event["id"], earlier["id"]);
        assert!(event["actor"]["name"].is_string(), "{event}");
        assert!(event["occurred_at"].as_str() < event["observed_at"].as_str(), "{event}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn entries_of_the_audit_log_of_a_far_future_are_ignored(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (user, workspace) = synced.some_member().await?;
    let place = json!({"user_id": user, "team_id": workspace});
    // The provider's clock is ahead: by less than a day, then by more.
    for (hours, method, is_read) in
        [(23, "admin.users.setAdmin", true), (3, "admin.users.setRegular", false)]
    {
        synced.app.sandbox.advance_clock(time::Duration::hours(hours));
        let before = synced.events().await?.len();
        synced.outside(method, &place).await?;
        synced.poll().await?;
        let changes = synced.changes_after(before).await?;
        assert_eq!(!changes.is_empty(), is_read, "{method}: {changes:?}");
    }
    // A run reads the change.
    let before = synced.events().await?.len();
    synced.synced().await?;
    assert!(!synced.changes_after(before).await?.is_empty());
    synced.assert_equal().await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_object_that_is_not_named_leads_to_one_run(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let group = synced.all("groups?source=synced").await?.into_keys().next().context("no group")?;
    let workspaces = synced.all("workspaces?source=synced").await?;
    let workspace = workspaces.keys().next().context("no workspace")?;
    let linked = json!({"usergroup_id": group, "team_ids": workspace});
    synced.outside("admin.usergroups.addTeams", &linked).await?;
    for _ in 0..3 {
        synced.poll().await?;
        synced.work().await?;
    }
    let runs = synced.api.get("syncs").await?.success()?;
    let started = runs["result"].as_array().context("no runs")?.len();
    assert_eq!(started, 2, "{runs}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_slow_audit_log_does_not_delay_objects_of_other_accounts(
    pool: PgPool,
) -> anyhow::Result<()> {
    // A process without workers of its own reads one log at a time.
    let synced = SyncedApp::with(pool, json!({}), |setup| setup.config.sync.workers = 0).await?;
    synced.synced().await?;
    let (user, _) = synced.some_member().await?;
    let app = &synced.app;
    let path = format!("integrated-accounts/{}", app.link("globex").await?);
    app.home.api.patch(&path, &json!({"sync": {"enabled": true}})).await?.success()?;
    let fault = Fault::for_next_calls("audit.*", FaultKind::Latency, 10);
    app.sandbox.add_fault(Fault { seconds: Some(60.0), ..fault });
    let objects = async {
        while app.calls("audit.actions") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        // The log of the other account is due too.
        synced.report(json!({"type": "user_change", "user": {"id": user}})).await?;
        let due = sqlx::query("UPDATE change_sources SET log_due_at = rechecks_due_at");
        due.execute(&app.pool).await?;
        let before = app.calls("users.info");
        assert!(app.worker.follow_once(&CancellationToken::new()).await?);
        assert!(app.calls("users.info") > before, "the user is not read");
        anyhow::Ok(())
    };
    let stop = CancellationToken::new();
    tokio::select! {
        followed = app.worker.follow_once(&stop) => anyhow::bail!("it is not slow: {followed:?}"),
        read = tokio::time::timeout(Duration::from_secs(20), objects) => read.context("too late")?,
    }
}
