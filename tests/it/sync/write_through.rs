//! Changes by the gateway reach the copy and the events in the request that makes them.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_is_copied_in_its_request(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let users = synced.all("users?source=synced&user_type=member&status=active&limit=1000").await?;
    let user = users.keys().next_back().context("no user")?;
    let before = synced.events().await?.len();
    let path = format!("users/{user}");
    synced.api.patch(&path, &json!({"title": "Lighthouse Keeper"})).await?.success()?;
    let copied = synced.api.get(&format!("{path}?source=synced")).await?.success()?;
    assert_eq!(copied["result"]["title"], "Lighthouse Keeper");
    let events = synced.events().await?;
    let event = &events.get(before).context("no event")?;
    assert_eq!(events.len(), before + 1, "{events:?}");
    assert_eq!((&event["type"], &event["origin"]), (&json!("user.updated"), &json!("gateway")));
    let former = users.get(user).context("no user")?;
    assert_eq!(event["previous"], json!({"title": former["title"]}), "{event}");
    assert_eq!(event["object"]["title"], "Lighthouse Keeper");
    assert!(event["actor"]["id"].as_str().is_some_and(|id| id.starts_with("key_")), "{event}");
    assert!(event["actor"]["request_id"].is_string(), "{event}");

    synced.api.delete(&path).await?.success()?;
    let names: Vec<Value> = synced
        .events()
        .await?
        .into_iter()
        .skip(before + 1)
        .map(|mut one| one["type"].take())
        .collect();
    assert!(names.contains(&json!("user.deactivated")), "{names:?}");
    let copied = synced.api.get(&format!("{path}?source=synced")).await?.success()?;
    assert_eq!(copied["result"]["status"], "inactive");
    assert_eq!(copied["result"]["workspaces"], json!([]));
    // The next run finds nothing new.
    let count = synced.events().await?.len();
    synced.synced().await?;
    let found: Vec<Value> = synced.events().await?.split_off(count);
    let changes: Vec<&Value> = found
        .iter()
        .filter(|event| !event["type"].as_str().unwrap_or_default().starts_with("sync."))
        .collect();
    // Only the list of users has the time of a deactivation.
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(changes[0]["previous"], json!({"deactivated_at": null}), "{changes:?}");
    Ok(())
}

/// Only the list of users has the time of a deactivation; that there is none anymore is known without it.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_reactivated_user_has_no_time_of_deactivation(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let users = synced.all("users?source=synced&user_type=member&status=active&limit=1000").await?;
    let user = users.keys().next_back().context("no user")?;
    let path = format!("users/{user}");
    let copied = async || -> anyhow::Result<(Value, bool)> {
        let mut user = synced.api.get(&format!("{path}?source=synced")).await?.success()?;
        let has_time = user["result"]["deactivated_at"].is_string();
        Ok((user["result"]["status"].take(), has_time))
    };
    synced.api.delete(&path).await?.success()?;
    synced.synced().await?;
    assert_eq!(copied().await?, (json!("inactive"), true));
    // A change of something else keeps the time.
    synced.api.patch(&path, &json!({"title": "Lighthouse Keeper"})).await?.success()?;
    assert_eq!(copied().await?, (json!("inactive"), true));
    synced.api.patch(&path, &json!({"status": "active"})).await?.success()?;
    assert_eq!(copied().await?, (json!("active"), false));
    synced.synced().await?;
    synced.assert_equal().await
}
