//! The states of violations: grace, acknowledgement and its end, return, policies that are changed or deleted.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use crate::sync::SyncedApp;

/// A synced directory in which a member is not allowed to be an owner of a workspace, and the member.
struct Owned {
    synced: SyncedApp,
    user: String,
    workspace: String,
}

impl Owned {
    async fn new(pool: PgPool) -> anyhow::Result<Self> {
        let synced = SyncedApp::new(pool, json!({})).await?;
        synced.synced().await?;
        synced.follow().await?;
        let (user, workspace) = synced.some_member().await?;
        Ok(Self { synced, user, workspace })
    }

    /// Creates a policy that the member must not be an admin.
    async fn policy(&self, more: Value) -> anyhow::Result<Value> {
        let held =
            self.synced.api.get("role-assignments?source=synced&role[id]=ws:admin&limit=1000");
        let held = held.await?.success()?;
        let held = held["result"].as_array().context("no roles")?;
        let allowed: Vec<&Value> = held.iter().map(|role| &role["user_id"]).collect();
        let allowed = json!({"user_ids": allowed, "emails": ["nobody@example.com"]});
        let parameters = json!({"role_ids": ["ws:admin"], "allowed": allowed});
        self.synced.policy("role_holders", parameters, more).await
    }

    /// Makes the member an admin, or a plain member again, by the unified API.
    async fn set_admin(&self, is_admin: bool) -> anyhow::Result<()> {
        let Self { synced, user, workspace } = self;
        if is_admin {
            let role = json!({"user_id": user, "role_id": "ws:admin", "workspace_id": workspace});
            synced.api.post("role-assignments", &role).await?.created()?;
        } else {
            let path = format!("role-assignments/ws:admin.{user}.{workspace}");
            synced.api.delete(&path).await?.success()?;
        }
        synced.app.clock.advance(Duration::seconds(1));
        synced.evaluate().await
    }

    async fn later(&self, seconds: i64) -> anyhow::Result<()> {
        self.synced.app.clock.advance(Duration::seconds(seconds));
        self.synced.evaluate().await
    }

    async fn kinds(&self, after: usize) -> anyhow::Result<Vec<String>> {
        let events = self.synced.drift_events(after).await?;
        Ok(events.iter().filter_map(|event| event["type"].as_str().map(str::to_owned)).collect())
    }
}

const DETECTED: &str = "drift.detected";
const RESOLVED: &str = "drift.resolved";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_violation_that_returns_has_the_same_id_and_is_counted(
    pool: PgPool,
) -> anyhow::Result<()> {
    let owned = Owned::new(pool).await?;
    owned.policy(json!({})).await?;
    let before = owned.synced.events().await?.len();
    owned.set_admin(true).await?;
    let first = owned.synced.only_drift("").await?;
    assert_eq!((&first["status"], &first["occurrences"]), (&json!("open"), &json!(1)), "{first}");
    assert_eq!(first["fix"][0]["type"], "role_assignment.revoke");
    // By the gateway: the evidence names the key.
    assert_eq!(first["evidence"]["grants"][0]["granted_by"]["type"], "gateway", "{first}");
    owned.set_admin(false).await?;
    let gone = owned.synced.only_drift("").await?;
    assert_eq!((&gone["status"], gone["resolved_at"].is_string()), (&json!("resolved"), true));
    owned.set_admin(true).await?;
    let again = owned.synced.only_drift("&status=open").await?;
    assert_eq!((&again["id"], &again["occurrences"]), (&first["id"], &json!(2)));
    assert_eq!(again["first_seen_at"], first["first_seen_at"]);
    assert!(again["opened_at"].as_str() > first["opened_at"].as_str());
    assert_eq!(owned.kinds(before).await?, [DETECTED, RESOLVED, DETECTED]);
    // A run over everybody finds nothing else, and reports nothing again.
    owned.synced.synced().await?;
    owned.synced.evaluate().await?;
    let same = owned.synced.only_drift("&status=open").await?;
    assert!(same["last_seen_at"].as_str() > again["last_seen_at"].as_str());
    assert_eq!(owned.kinds(before).await?, [DETECTED, RESOLVED, DETECTED]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_violation_is_open_after_the_grace_period(pool: PgPool) -> anyhow::Result<()> {
    let owned = Owned::new(pool).await?;
    owned.policy(json!({"grace_s": 3600})).await?;
    let before = owned.synced.events().await?.len();
    owned.set_admin(true).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "pending");
    // What ends within it is not reported, and leaves nothing.
    owned.set_admin(false).await?;
    assert_eq!(owned.synced.drift("").await?, Vec::<Value>::new());
    owned.set_admin(true).await?;
    let pending = owned.synced.only_drift("").await?;
    owned.later(3590).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "pending");
    assert_eq!(owned.kinds(before).await?, Vec::<String>::new());
    let path = format!("drift/{}/fix", pending["id"].as_str().context("no id")?);
    owned.synced.api.post(&path, &json!({})).await?.problem(409, "violation_not_open");
    owned.later(11).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "open");
    assert_eq!(owned.kinds(before).await?, [DETECTED]);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_changed_grace_period_counts_from_its_beginning(pool: PgPool) -> anyhow::Result<()> {
    let owned = Owned::new(pool).await?;
    let policy = owned.policy(json!({"grace_s": 3600})).await?;
    let path = format!("policies/{}", policy["id"].as_str().context("no id")?);
    let grace = async |seconds: u32| -> anyhow::Result<Value> {
        let change = json!({ "grace_s": seconds });
        owned.synced.app.home.admin.patch(&path, &change).await?.success()?;
        owned.synced.evaluate().await?;
        Ok(owned.synced.only_drift("").await?["status"].clone())
    };
    let before = owned.synced.events().await?.len();
    // It begins a second before this returns.
    owned.set_admin(true).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "pending");
    owned.later(1_000).await?;
    assert_eq!(grace(2_000).await?, "pending");
    owned.later(998).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "pending");
    assert_eq!(grace(7_200).await?, "pending");
    owned.later(5_200).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "pending");
    assert_eq!(owned.kinds(before).await?, Vec::<String>::new());
    // A shorter one that is over by now.
    assert_eq!(grace(60).await?, "open");
    assert_eq!(owned.kinds(before).await?, [DETECTED]);
    // An open one remains open.
    assert_eq!(grace(7_200).await?, "open");
    owned.set_admin(false).await?;
    owned.set_admin(true).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "pending");
    owned.later(7_200).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "open");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_acknowledged_violation_is_open_again_after_its_time(
    pool: PgPool,
) -> anyhow::Result<()> {
    let owned = Owned::new(pool).await?;
    owned.policy(json!({})).await?;
    let before = owned.synced.events().await?.len();
    owned.set_admin(true).await?;
    let open = owned.synced.only_drift("").await?;
    let path = format!("drift/{}/acknowledge", open["id"].as_str().context("no id")?);
    let until = |hours| (owned.synced.app.clock.now() + Duration::hours(hours)).format(&Rfc3339);
    for (body, pointer) in [
        (json!({"reason": " ", "expires_at": until(1)?}), "/reason"),
        (json!({"reason": "x".repeat(1_001), "expires_at": until(1)?}), "/reason"),
        (json!({"reason": "x", "expires_at": until(-1)?}), "/expires_at"),
        (json!({"reason": "x", "expires_at": until(401 * 24)?}), "/expires_at"),
    ] {
        let refused = owned.synced.api.post(&path, &body).await?;
        refused.problem(422, "invalid_body");
        assert_eq!(refused.pointers(), [pointer], "{body}");
    }
    let body = json!({"reason": "On call", "expires_at": until(1)?});
    let accepted = owned.synced.api.post(&path, &body).await?.success()?;
    assert_eq!(accepted["result"]["status"], "acknowledged");
    assert_eq!(accepted["result"]["acknowledgement"]["reason"], "On call");
    owned.synced.synced().await?;
    owned.later(3_500).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "acknowledged");
    assert_eq!(owned.kinds(before).await?, [DETECTED]);
    owned.later(101).await?;
    let again = owned.synced.only_drift("").await?;
    assert_eq!((&again["status"], &again["occurrences"]), (&json!("open"), &json!(1)), "{again}");
    assert_eq!(again["acknowledgement"], Value::Null);
    assert_eq!(owned.kinds(before).await?, [DETECTED, DETECTED]);
    // One that ends while it is acknowledged is resolved.
    let body = json!({"reason": "On call", "expires_at": until(1)?});
    owned.synced.api.post(&path, &body).await?.success()?;
    owned.set_admin(false).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "resolved");
    assert_eq!(owned.kinds(before).await?, [DETECTED, DETECTED, RESOLVED]);
    owned.synced.api.post(&path, &body).await?.problem(409, "violation_not_open");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_policy_that_is_changed_or_inactive_is_evaluated_again(
    pool: PgPool,
) -> anyhow::Result<()> {
    let owned = Owned::new(pool).await?;
    let policy = owned.policy(json!({})).await?;
    owned.set_admin(true).await?;
    let open = owned.synced.only_drift("&status=open").await?;
    let path = format!("policies/{}", policy["id"].as_str().context("no id")?);
    let admin = &owned.synced.app.home.admin;
    let change = |body: Value| {
        let path = &path;
        let synced = &owned.synced;
        async move {
            admin.patch(path, &body).await?.success()?;
            synced.app.clock.advance(Duration::seconds(1));
            synced.evaluate().await
        }
    };
    change(json!({"is_active": false})).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "resolved");
    change(json!({"is_active": true})).await?;
    assert_eq!(owned.synced.only_drift("&status=open").await?["id"], open["id"]);
    let allowed = json!({"user_ids": [owned.user], "expression": "true"});
    change(json!({"parameters": {"role_ids": ["ws:admin"], "allowed": allowed}})).await?;
    assert_eq!(owned.synced.only_drift("").await?["status"], "resolved");
    admin.delete(&path).await?.success()?;
    assert_eq!(owned.synced.drift("").await?, Vec::<Value>::new());
    admin.get(&path).await?.problem(404, "not_found");
    let log = admin.get("audit-log?limit=1000").await?.success()?;
    let entries = log["result"].as_array().context("no entries")?;
    let actions: Vec<&str> = entries
        .iter()
        .filter_map(|one| one["action"].as_str())
        .filter(|action| action.starts_with("policy."))
        .collect();
    let changed = "policy.changed";
    assert_eq!(actions, ["policy.deleted", changed, changed, changed, "policy.created"]);
    Ok(())
}
