//! `/roles`: the levels, the kinds of guest, and the provider's system roles.

use std::collections::BTreeSet;

use serde_json::Value;
use sqlx::PgPool;

use crate::support::TestApp;
use crate::support::expected_values;

/// The levels and kinds of guest of DESIGN.md §5, and the system roles of Slack's documentation.
const IDS: [&str; 27] = [
    "Rl01",
    "Rl02",
    "Rl03",
    "Rl04",
    "Rl05",
    "Rl09",
    "Rl0A",
    "Rl0B",
    "Rl0C",
    "Rl0D",
    "Rl0E",
    "Rl0F",
    "Rl0G",
    "Rl0H",
    "Rl0J",
    "Rl0K",
    "Rl0L",
    "org:admin",
    "org:member",
    "org:owner",
    "org:primary_owner",
    "ws:admin",
    "ws:guest_multi_channel",
    "ws:guest_single_channel",
    "ws:member",
    "ws:owner",
    "ws:primary_owner",
];

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pagination_returns_every_role_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for (limit, pages) in [(7, 4), (1, 27), (27, 1), (1000, 1)] {
        let (rows, count) = api.all(&format!("roles?limit={limit}")).await?;
        let mut ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        ids.sort_unstable();
        assert_eq!(ids, IDS, "with a limit of {limit}");
        assert_eq!(count, pages, "with a limit of {limit}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn every_assigned_role_can_be_read(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let held: BTreeSet<String> = app.sandbox.with_org(|org| {
        expected_values::assignments(org).into_iter().map(|(role, ..)| role).collect()
    });
    assert!(held.len() > 9, "{held:?}");
    for id in held {
        let role = api.get(&format!("roles/{id}")).await?.success()?;
        assert_eq!(role["result"]["id"], id);
        let kind = match id.as_str() {
            id if id.starts_with("Rl") => "system",
            id if id.contains("guest") => "guest",
            _ => "level",
        };
        assert_eq!(role["result"]["kind"], kind, "{id}");
        assert_ne!(role["result"]["name"], Value::Null, "{id}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_primary_owner_role_is_privileged_and_not_assignable(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for (id, is_privileged, is_assignable) in [
        ("org:primary_owner", true, false),
        ("ws:primary_owner", true, false),
        ("ws:admin", true, true),
        ("org:member", false, true),
        ("ws:guest_single_channel", false, true),
        ("Rl0C", true, true),
    ] {
        let role = &api.get(&format!("roles/{id}")).await?.success()?["result"];
        assert_eq!(role["is_privileged"], is_privileged, "{id}");
        assert_eq!(role["is_assignable"], is_assignable, "{id}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unknown_role_is_not_found(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for id in ["ws:king", "org", "Rl", "x"] {
        api.get(&format!("roles/{id}")).await?.problem(404, "not_found");
    }
    Ok(())
}
