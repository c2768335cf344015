//! Workspaces: groups by the account's settings.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;

use super::{add_groups, id_set, ids, linked, set};
use crate::support::scim_server::{ScimOptions, open_app};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn groups_are_workspaces_by_the_settings(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let users = server.add_users(6);
    let groups = add_groups(&server, &users);
    for path in ["workspaces", "workspaces/g-1", "workspaces/g-1/members"] {
        let rejected = api.get(path).await?;
        let problem = rejected.problem(501, "unsupported_by_provider");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("workspaces_from"), "{path}: {detail}");
    }
    for (source, expected) in [
        (json!("all_groups"), vec![0, 1, 2, 3, 4]),
        (json!({"prefix": "app-"}), vec![0, 1, 3, 4]),
        (json!({"ids": [groups[2], groups[0], "gone"]}), vec![0, 2]),
    ] {
        set(&app, "acme", &json!({"workspaces_from": source})).await?;
        let wanted: BTreeSet<String> =
            expected.iter().map(|index: &usize| groups[*index].clone()).collect();
        for limit in [1, 2, 100] {
            let found = id_set(&api, &format!("workspaces?limit={limit}")).await?;
            assert_eq!(found, wanted, "{source}");
        }
        let named = ids(&api, "workspaces?name=APP-ADMIN").await?;
        assert_eq!(named, [groups[0].clone()], "{source}");
        assert!(ids(&api, "workspaces?discoverability=open").await?.is_empty());
        let one = api.get(&format!("workspaces/{}", groups[0])).await?.success()?;
        assert_eq!(
            (&one["result"]["name"], &one["result"]["member_count"]),
            (&json!("app-admin"), &json!(3))
        );
        let others = (0..5).filter(|index| !expected.contains(index));
        for other in others {
            let path = format!("workspaces/{}", groups[other]);
            api.get(&path).await?.problem(404, "not_found");
        }
        for limit in [1, 100] {
            let path = format!("workspaces/{}/members?limit={limit}", groups[0]);
            let members = id_set(&api, &path).await?;
            let expected: BTreeSet<String> = users.iter().take(3).cloned().collect();
            assert_eq!(members, expected, "{source}");
        }
        let user = api.get(&format!("users/{}", users[1])).await?.success()?;
        let own = user["result"]["workspaces"].as_array().context("no workspaces")?;
        let own: BTreeSet<&str> = own.iter().filter_map(|one| one["id"].as_str()).collect();
        let of_user = expected.iter().filter(|index| **index < 3);
        let of_user: BTreeSet<&str> = of_user.map(|index| groups[*index].as_str()).collect();
        assert_eq!(own, of_user, "{source}: {user}");
    }
    // Members are read only where they are asked for.
    set(&app, "acme", &json!({"workspaces_from": "all_groups"})).await?;
    server.forget_requests();
    let (plain, _) = api.all("workspaces?limit=100").await?;
    assert!(plain.iter().all(|row| row["member_count"].is_null()), "{plain:?}");
    let sent = server.requests();
    assert!(sent.iter().all(|request| request.parameter("excludedAttributes") == Some("members")));
    let (whole, _) = api.all("workspaces?limit=100&expand[]=settings").await?;
    assert!(whole.iter().all(|row| row["member_count"].is_u64()), "{whole:?}");
    Ok(())
}
