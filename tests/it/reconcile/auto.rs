//! Automatic rule sets: events about single people move them, within the guards and without end.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;
use tokio_util::sync::CancellationToken;

use super::rule_sets::rule;
use crate::sync::SyncedApp;

impl SyncedApp {
    /// Applies automatic rule sets to the people of new events, and carries out what follows.
    pub(super) async fn apply_rule_sets(&self) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        for _ in 0..20 {
            self.app.clock.advance(Duration::seconds(1));
            if !self.app.rule_sets.work_once(&stop).await? {
                return Ok(());
            }
            self.work().await?;
        }
        anyhow::bail!("rule sets are applied without end")
    }

    /// Requests the plans of automatic rule sets for the people of new events. They are not made yet.
    pub(super) async fn request_automatic_plans(&self) -> anyhow::Result<()> {
        self.app.clock.advance(Duration::seconds(1));
        let is_requested = self.app.rule_sets.work_once(&CancellationToken::new()).await?;
        anyhow::ensure!(is_requested, "no rule set was due");
        Ok(())
    }

    /// Returns the reconciliations of the account, newest first.
    pub(super) async fn reconciliations(&self) -> anyhow::Result<Vec<Value>> {
        let list = self.api.get("reconciliations").await?.success()?;
        Ok(list["result"].as_array().context("no list")?.clone())
    }

    pub(super) async fn set_department(&self, user: &str, department: &str) -> anyhow::Result<()> {
        self.app.clock.advance(Duration::seconds(1));
        let body = json!({ "department": department });
        self.api.patch(&format!("users/{user}"), &body).await?.success()?;
        Ok(())
    }

    /// Returns the ids of the workspaces of a user, at the provider.
    pub(super) async fn workspaces_of(&self, user: &str) -> anyhow::Result<Vec<String>> {
        let user = self.api.get(&format!("users/{user}")).await?.success()?;
        let workspaces = user.pointer("/result/workspaces").and_then(Value::as_array);
        let ids = workspaces.context("no workspaces")?.iter().filter_map(|one| one["id"].as_str());
        Ok(ids.map(str::to_owned).collect())
    }
}

/// Rules of two departments.
fn departments(synced: &SyncedApp) -> Value {
    let workspaces = |index: usize| json!({"workspaces": [synced.place(index).0]});
    json!([rule("Sales", workspaces(0)), rule("Research", workspaces(1))])
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_event_moves_a_person_to_the_workspace_of_the_department(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let (user, _) = synced.some_member().await?;
    let more = json!({"mode": "authoritative", "auto": true});
    let set = synced.rule_set(departments(&synced), more).await?;
    let (sales, research) = (synced.place(0).0, synced.place(1).0);
    synced.apply_rule_sets().await?;
    assert_eq!(synced.reconciliations().await?, Vec::<Value>::new(), "nobody was changed");

    synced.set_department(&user, "Sales").await?;
    synced.apply_rule_sets().await?;
    let found = synced.workspaces_of(&user).await?;
    assert!(found.contains(&sales) && !found.contains(&research), "{found:?}");
    synced.set_department(&user, "Research").await?;
    synced.apply_rule_sets().await?;
    let found = synced.workspaces_of(&user).await?;
    assert!(found.contains(&research) && !found.contains(&sales), "{found:?}");

    let before = synced.reconciliations().await?;
    for one in &before {
        assert_eq!(
            (&one["status"], &one["rule_set_id"]),
            (&json!("applied"), &json!(set)),
            "{one}"
        );
        assert_eq!((&one["created_by"], &one["applied_by"]), (&json!(set), &json!(set)), "{one}");
    }
    // A change that the rules do not look at is no reason for a plan, and neither are their own changes.
    let title = json!({"title": "Lighthouse keeper"});
    synced.api.patch(&format!("users/{user}"), &title).await?.success()?;
    synced.apply_rule_sets().await?;
    synced.synced().await?;
    synced.apply_rule_sets().await?;
    assert_eq!(synced.reconciliations().await?.len(), before.len());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_at_the_provider_count_and_protected_people_stay(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let (user, _) = synced.some_member().await?;
    let protecting = json!({"auto": true, "guards": {"protected": [user]}});
    let set = synced.rule_set(departments(&synced), protecting).await?;
    let before = synced.workspaces_of(&user).await?;
    let target = (0..2).find(|index| !before.contains(&synced.place(*index).0));
    let (target, department) =
        if target.unwrap_or(0) == 0 { (0, "Sales") } else { (1, "Research") };
    synced.set_department(&user, department).await?;
    synced.apply_rule_sets().await?;
    assert_eq!(synced.workspaces_of(&user).await?, before);
    assert_eq!(synced.reconciliations().await?, Vec::<Value>::new());

    // Without the protection, once an event tells of the person again.
    let path = format!("rule-sets/{set}");
    let unprotected = json!({"guards": {"protected": []}});
    synced.app.home.admin.patch(&path, &unprotected).await?.success()?;
    synced.apply_rule_sets().await?;
    assert_eq!(synced.workspaces_of(&user).await?, before);
    synced.retitle(&user, "Changed at the provider").await?;
    synced.synced().await?;
    synced.apply_rule_sets().await?;
    let found = synced.workspaces_of(&user).await?;
    assert!(found.contains(&synced.place(target).0), "{found:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rule_set_that_fails_for_a_person_leaves_the_person_as_is(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool.clone(), json!({})).await?;
    synced.synced().await?;
    let (user, _) = synced.some_member().await?;
    let failing = json!([{"when": {"expression": "$error('no')"},
        "then": {"workspaces": [synced.place(0).0]}}]);
    let more = json!({"mode": "authoritative", "auto": true});
    synced.rule_set(failing, more).await?;
    let before = synced.workspaces_of(&user).await?;
    synced.set_department(&user, "Sales").await?;
    synced.apply_rule_sets().await?;
    assert_eq!(synced.workspaces_of(&user).await?, before);
    let problem: Value =
        sqlx::query_scalar("select problem from rule_set_positions").fetch_one(&pool).await?;
    assert!(problem["detail"].to_string().contains(&user), "{problem}");
    Ok(())
}
