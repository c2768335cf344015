//! Reads of the copy: search, order, totals, the past, and what it can't return.

use anyhow::Context as _;
use http::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use super::SyncedApp;
use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn searches_sorts_and_counts(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let users = synced.all("users?source=synced&limit=1000").await?;
    let first = users.values().find(|user| user["last_name"].is_string()).context("no name")?;
    let name = first["name"].as_str().context("no name")?;
    for search in [name.to_owned(), name.to_uppercase(), name[..3].to_owned()] {
        let found =
            synced.api.get(&format!("users?source=synced&search={search}")).await?.success()?;
        let found = found["result"].as_array().context("no rows")?;
        assert!(found.iter().any(|user| user["id"] == first["id"]), "{search}: {found:?}");
    }
    let page = synced.api.get("users?source=synced&sort=-name&limit=5&include_total=true").await?;
    assert!(page.headers.contains_key("age"), "{:?}", page.headers);
    let page = page.success()?;
    assert_eq!(page["total_count"], users.len());
    assert!(page["synced_at"].is_string(), "{page}");
    let names: Vec<String> = page["result"]
        .as_array()
        .context("no rows")?
        .iter()
        .map(|user| user["name"].as_str().unwrap_or_default().to_lowercase())
        .collect();
    assert!(names.is_sorted_by(|one, other| one >= other), "{names:?}");
    let all = synced.all("users?source=synced&sort=-name&limit=7").await?;
    assert_eq!(all.len(), users.len());
    let department = users.values().find_map(|user| user["department"].as_str());
    let department = department.context("no department")?;
    let path = format!("users?source=synced&limit=1000&department={department}");
    let expected = users.values().filter(|user| user["department"] == department).count();
    assert_eq!(synced.all(&path).await?.len(), expected);
    let workspace = first["workspaces"].get(0).map(|one| one["id"].clone());
    if let Some(workspace) = workspace.as_ref().and_then(Value::as_str) {
        let path = format!("users?source=synced&limit=1000&workspace[id]={workspace}");
        let expected = users.values().filter(|user| {
            user["workspaces"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["id"] == workspace))
        });
        assert_eq!(synced.all(&path).await?.len(), expected.count());
        let members = format!("workspaces/{workspace}/members?source=synced&limit=1000");
        assert!(!synced.all(&members).await?.is_empty());
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn shows_the_directory_as_it_was(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    let moment = |synced: &SyncedApp| synced.app.state.clock.now().format(&Rfc3339);
    let mut states = Vec::new();
    for number in 0..3 {
        let users = synced.all("users?source=synced&limit=1000").await?;
        let held = synced.all("role-assignments?source=synced&limit=1000").await?;
        states.push((moment(&synced)?, users.clone(), held));
        synced.app.clock.advance(Duration::minutes(1));
        let active = users
            .values()
            .filter(|user| user["status"] == "active" && user["user_type"] == "member");
        let user = active.rev().nth(number).context("no user")?;
        let (id, workspace) = (&user["id"], &user["workspaces"][0]["id"]);
        if workspace.is_string() {
            synced
                .outside("admin.users.remove", &json!({"user_id": id, "team_id": workspace}))
                .await?;
        }
        synced.synced().await?;
    }
    for (at, users, held) in states {
        let path = format!("users?source=synced&limit=11&as_of={at}");
        assert_eq!(synced.all(&path).await?, users, "{at}");
        let path = format!("role-assignments?source=synced&limit=50&as_of={at}");
        assert_eq!(synced.all(&path).await?, held, "{at}");
    }
    let early = synced.api.get("users?source=synced&as_of=2020-01-01T00:00:00Z").await?;
    early.problem(400, "as_of_out_of_range");
    let late = synced.api.get("users?source=synced&as_of=2220-01-01T00:00:00Z").await?;
    late.problem(400, "as_of_out_of_range");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn says_what_the_copy_can_not_return(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    api.get("users?source=synced").await?.problem(409, "not_synced");
    api.get("users/U1?source=synced").await?.problem(409, "not_synced");
    api.get("users/U1/history").await?.problem(409, "not_synced");
    for query in [
        "source=other",
        "max_age_s=31536001",
        "source=live&max_age_s=5",
        "department=Sales",
        "sort=name",
        "as_of=2026-01-01T00:00:00Z",
        "source=synced&sort=shoe_size",
        "source=synced&as_of=yesterday",
        "source=synced&remote_query[a]=b",
    ] {
        api.get(&format!("users?{query}")).await?.problem(400, "invalid_query");
    }
    for (parameter, name) in [
        ("include_remote_data=true", "include_remote_data"),
        ("response_format=raw", "response_format"),
    ] {
        for path in ["users?", "users/U1?"] {
            let rejected = api.get(&format!("{path}source=synced&{parameter}")).await?;
            let detail = rejected.problem(400, "invalid_query")["detail"].to_string();
            assert_eq!(rejected.pointers(), ["source", name], "{path}");
            assert!(!detail.contains("equal values"), "{detail}");
        }
    }
    // Without a copy it is read from the provider.
    let page = api.get("users?max_age_s=60&limit=1").await?.success()?;
    assert_eq!((&page["synced_at"], page["result_count"].as_u64()), (&Value::Null, Some(1)));
    let account = api.get("me").await?.success()?;
    assert!(account["result"].is_object());
    let body = json!({});
    api.post("syncs", &body).await?.problem(409, "sync_disabled");
    api.send(Method::POST, "syncs", None).await?.problem(409, "sync_disabled");
    Ok(())
}
