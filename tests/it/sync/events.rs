//! The events of changes: each once, in order, with the earlier values.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::SyncedApp;

/// Returns an active full member without roles of the first workspace.
async fn member(synced: &SyncedApp) -> anyhow::Result<(String, String)> {
    let users = synced.all("users?source=synced&user_type=member&status=active").await?;
    let plain = users.values().find(|user| {
        user["roles"].as_array().is_some_and(|roles| {
            roles.iter().all(|role| matches!(role["id"].as_str(), Some("org:member" | "ws:member")))
        }) && user["workspaces"].as_array().is_some_and(|workspaces| !workspaces.is_empty())
    });
    let user = plain.context("no plain member")?;
    let id = user["id"].as_str().context("no id")?;
    let workspace = user["workspaces"][0]["id"].as_str().context("no workspace")?;
    Ok((id.to_owned(), workspace.to_owned()))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn tells_each_change_of_the_directory_once(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"emit_initial": true})).await?;
    synced.synced().await?;
    let initial = synced.replayed().await?;
    let users = synced.all("users?source=synced&limit=1000").await?;
    let replayed: BTreeSet<&String> =
        initial.keys().filter(|(noun, _)| noun == "user").map(|(_, id)| id).collect();
    assert_eq!(replayed, users.keys().collect());

    let (user, workspace) = member(&synced).await?;
    synced.outside("admin.users.setAdmin", &json!({"user_id": user, "team_id": workspace})).await?;
    synced.synced().await?;
    let granted: Vec<Value> = synced
        .events()
        .await?
        .into_iter()
        .filter(|event| event["initial"].is_null() && event["object"]["user_id"] == *user)
        .collect();
    assert_eq!(granted.len(), 1, "{granted:?}");
    assert_eq!(granted[0]["type"], "role_assignment.granted");
    assert_eq!(granted[0]["object"]["role_id"], "ws:admin");
    assert_eq!(granted[0]["origin"], "sync");

    synced.outside("admin.users.remove", &json!({"user_id": user, "team_id": workspace})).await?;
    synced.synced().await?;
    let state = synced.replayed().await?;
    assert!(!state.contains_key(&("workspace_member".to_owned(), format!("{workspace}.{user}"))));
    let history = synced.api.get(&format!("users/{user}/history")).await?.success()?;
    let changes: Vec<(&str, &str)> = history["result"]
        .as_array()
        .context("no history")?
        .iter()
        .filter_map(|entry| Some((entry["kind"].as_str()?, entry["change"].as_str()?)))
        .collect();
    assert!(changes.contains(&("workspace_member", "removed")), "{changes:?}");
    assert_eq!(changes.last(), Some(&("user", "created")), "{changes:?}");
    Ok(())
}
