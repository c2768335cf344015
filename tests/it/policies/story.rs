//! An attacker makes a friend an owner of the organization: it is noticed, reported with the actor, and reverted.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::support::TestApp;
use crate::sync::SyncedApp;
use crate::webhooks::deliveries::sink::{Received, Sink};

/// Returns the events that an endpoint has received.
fn events(sink: &Sink) -> anyhow::Result<Vec<Value>> {
    sink.received().iter().map(Received::event).collect()
}

/// Whether a user is an owner of the organization, by the provider itself.
async fn is_owner(synced: &SyncedApp, user: &str) -> anyhow::Result<bool> {
    let path = format!("role-assignments?user[id]={user}&role[id]=org:owner");
    let held = synced.api.get(&path).await?.success()?;
    Ok(held["result"].as_array().is_some_and(|roles| !roles.is_empty()))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_promotion_by_an_attacker_is_reported_fixed_and_resolved(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| {
        setup.config.webhooks.allow_private_addresses = true;
    })
    .await?;
    let app: &TestApp = &synced.app;
    synced.synced().await?;
    synced.follow().await?;
    let sink = Sink::start().await?;
    let webhook = json!({"url": sink.url, "event_types": ["drift.*"]});
    app.home.admin.post("webhooks", &webhook).await?.created()?;
    synced.policy("unmanaged_change", json!({}), json!({"severity": "critical"})).await?;
    assert_eq!(synced.drift("").await?, Vec::<Value>::new());

    let (friend, _) = synced.some_member().await?;
    let organization = synced.organization().await?;
    let promoted = json!({"user_id": friend, "team_id": organization});
    synced.outside("admin.users.setOwner", &promoted).await?;
    synced.poll().await?;
    synced.evaluate().await?;

    // The webhook arrives, with the actor and the evidence.
    app.webhooks.deliver_once(&CancellationToken::new()).await?;
    let received = events(&sink)?;
    let [detected] = &*received else { anyhow::bail!("{received:?}") };
    let me = synced.api.get("me").await?.success()?;
    let attacker = me.pointer("/result/user/id").context("no user")?;
    assert_eq!(detected["type"], "drift.detected");
    assert_eq!(&detected["actor"]["id"], attacker, "{detected}");
    let violation = &detected["object"];
    assert_eq!(violation["subject"], json!({"type": "user", "id": friend}));
    assert_eq!(
        (&violation["status"], &violation["severity"]),
        (&json!("open"), &json!("critical"))
    );
    let grant = &violation["evidence"]["grants"][0];
    assert_eq!((&grant["id"], &grant["granted_by"]["id"]), (&json!("org:owner"), attacker));
    assert!(grant["granted_at"].is_string() && grant["is_older_than_sync"] == false, "{grant}");
    assert!(
        violation["evidence"]["summary"].as_str().is_some_and(|text| text.contains("Org Owner"))
    );

    let open = synced.only_drift("&status=open&severity=critical").await?;
    assert_eq!(open["id"], violation["id"]);
    assert!(is_owner(&synced, &friend).await?);
    let path = format!("drift/{}/fix", open["id"].as_str().context("no id")?);
    let fixed = synced.api.post(&path, &json!({})).await?.success()?;
    let report = &fixed["result"]["last_fix"];
    assert_eq!(report["operations"][0]["outcome"], "applied", "{fixed}");
    assert!(!is_owner(&synced, &friend).await?);

    synced.evaluate().await?;
    assert_eq!(synced.drift("&status=open").await?, Vec::<Value>::new());
    let resolved = synced.only_drift("&status=resolved").await?;
    assert_eq!(resolved["last_fix"], *report);
    app.webhooks.deliver_once(&CancellationToken::new()).await?;
    let kinds: Vec<Value> = events(&sink)?.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["drift.detected", "drift.resolved"]);

    // The audit log has the policy, the operation and the fix.
    let log = app.home.admin.get("audit-log?limit=1000").await?.success()?;
    let entries = log["result"].as_array().context("no entries")?;
    let of = |action: &str, outcome: &str| {
        entries.iter().filter(|one| one["action"] == action && one["outcome"] == outcome).count()
    };
    assert_eq!(of("policy.created", "done"), 1, "{entries:?}");
    assert_eq!(
        (of("role_assignment.revoked", "started"), of("role_assignment.revoked", "done")),
        (1, 1)
    );
    assert_eq!(of("drift.fixed", "done"), 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_policy_of_mode_fix_reverts_a_promotion_in_its_own_name(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let policy = synced.policy("unmanaged_change", json!({}), json!({"mode": "fix"})).await?;
    let before = synced.events().await?.len();
    let (friend, _) = synced.some_member().await?;
    let promoted = json!({"user_id": friend, "team_id": synced.organization().await?});
    synced.outside("admin.users.setOwner", &promoted).await?;
    synced.poll().await?;
    synced.evaluate().await?;
    assert!(!is_owner(&synced, &friend).await?);
    let resolved = synced.only_drift("").await?;
    assert_eq!(resolved["status"], "resolved", "{resolved}");
    assert_eq!(resolved["last_fix"]["started_by"], policy["id"]);
    let kinds: Vec<Value> =
        synced.drift_events(before).await?.iter().map(|event| event["type"].clone()).collect();
    assert_eq!(kinds, ["drift.detected", "drift.resolved"]);
    let log = synced.app.home.admin.get("audit-log?limit=1000").await?.success()?;
    let entries = log["result"].as_array().context("no entries")?;
    let by_policy = |action: &str| {
        entries.iter().any(|one| one["action"] == action && one["actor"] == policy["id"])
    };
    assert!(by_policy("role_assignment.revoked") && by_policy("drift.fixed"), "{entries:?}");
    // Its own change is no unmanaged one, and nothing is left to be done.
    let revoked = synced.events().await?.split_off(before);
    let revoked = revoked.iter().find(|event| {
        event["type"] == "role_assignment.revoked" && event["previous"]["role_id"] == "org:owner"
    });
    assert_eq!(revoked.context("no event")?["actor"]["id"], policy["id"]);
    Ok(())
}
