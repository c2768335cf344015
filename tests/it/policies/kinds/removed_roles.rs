//! `unmanaged_change`: privileged roles that others remove.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::Person;
use time::Duration;

use super::{Change, NOT_FIXED, Scenario};
use crate::sync::SyncedApp;

const SET_ADMIN: &str = "admin.users.setAdmin";
const SET_REGULAR: &str = "admin.users.setRegular";

/// The removal of a role by the gateway.
fn revoked(user: &Person, workspace: &str) -> Change {
    let path = format!("role-assignments/ws:admin.{}.{workspace}", user.id);
    Change::Gateway(Method::DELETE, path, Value::Null)
}

/// The assignment of a role by the gateway.
fn granted(user: &Person, workspace: &str) -> Change {
    let body = json!({"user_id": user.id, "role_id": "ws:admin", "workspace_id": workspace});
    Change::Gateway(Method::POST, "role-assignments".to_owned(), body)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_role_that_others_remove(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, managed), (_, unmanaged), (_, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let workspace = synced.workspace(0);
    let level = |method, one: &Person| Change::level(method, &one.id, &workspace);
    synced.make(&[granted(user, &workspace), granted(managed, &workspace)]).await?;
    Scenario {
        kind: "unmanaged_change",
        parameters: json!({}),
        // Removed by the gateway; granted by others and taken back.
        edge: vec![
            revoked(managed, &workspace),
            level(SET_ADMIN, unmanaged),
            level(SET_REGULAR, unmanaged),
        ],
        begin: vec![level(SET_REGULAR, user)],
        subject: ("user", &user.id),
        summary: "had Workspace Admin removed outside of this gateway by ",
        end: vec![granted(user, &workspace)],
        fix: Vec::new(),
        is_fixed: NOT_FIXED,
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_evidence_of_a_removal_has_who_removed_it(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let workspace = synced.workspace(0);
    let policy = synced.policy("unmanaged_change", json!({}), json!({"mode": "fix"})).await?;
    synced.make(&[granted(user, &workspace)]).await?;
    let before = synced.events().await?.len();
    synced.make(&[Change::level(SET_REGULAR, &user.id, &workspace)]).await?;
    let found = synced.only_drift("").await?;
    let me = synced.api.get("me").await?.success()?;
    let attacker = me.pointer("/result/user/id").context("no user")?;
    let [grant] = found["evidence"]["grants"].as_array().map(Vec::as_slice).context("no grants")?
    else {
        anyhow::bail!("{found}");
    };
    assert_eq!((&grant["id"], &grant["workspace_id"]), (&json!("ws:admin"), &json!(workspace)));
    assert_eq!(grant["granted_by"]["type"], "gateway", "{grant}");
    assert_eq!(&grant["revoked_by"]["id"], attacker, "{grant}");
    assert!(grant["revoked_at"].as_str() > grant["granted_at"].as_str(), "{grant}");
    let detected = synced.drift_events(before).await?;
    assert_eq!(&detected[0]["actor"]["id"], attacker, "{detected:?}");
    // No policy gives a role.
    assert_eq!((&found["fix"], &found["last_fix"]), (&json!([]), &Value::Null));
    // A removal before the time that the policy counts from does not count, nor that of a deactivated person.
    let path = format!("policies/{}", policy["id"].as_str().context("no id")?);
    let later = "2099-01-01T00:00:00Z";
    for (since, status) in
        [(json!(later), "resolved"), (Value::Null, "open"), (grant["revoked_at"].clone(), "open")]
    {
        let change = json!({"parameters": {"since": since}});
        synced.app.home.admin.patch(&path, &change).await?.success()?;
        synced.app.clock.advance(Duration::seconds(1));
        synced.evaluate().await?;
        assert_eq!(synced.only_drift("").await?["status"], status, "{change}");
    }
    synced.make(&[Change::set(&user.id, "active", false)]).await?;
    assert_eq!(synced.only_drift("").await?["status"], "resolved");
    Ok(())
}
