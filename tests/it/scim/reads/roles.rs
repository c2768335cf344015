//! Roles and their assignments: values of attributes, and groups by the account's settings.

use std::collections::BTreeSet;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{add_groups, id_set, ids, linked, set, texts};
use crate::support::scim_server::{ScimOptions, ScimServer, open_app};

/// Adds users with roles: `u0` has two roles and an entitlement, `u1` one role, `u2` none, `u3` one with a name.
fn add_role_holders(server: &ScimServer) -> Vec<String> {
    let user = |name: &str, roles: Value, entitlements: Value| {
        server.add_user(json!({"userName": name, "roles": roles, "entitlements": entitlements}))
    };
    vec![
        user("u0", json!([{"value": "admin"}, {"value": "a.b/c"}]), json!([{"value": "seat"}])),
        user("u1", json!(["admin"]), json!([])),
        user("u2", json!([]), Value::Null),
        user("u3", json!([{"value": "7", "display": "Seven"}]), json!([])),
    ]
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn roles_and_assignments_are_the_values_that_users_have(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    let (server, api) = linked(&app, "acme", ScimOptions::default()).await?;
    let users = add_role_holders(&server);
    let roles = texts(["roles:admin", "roles:a.b/c", "entitlements:seat", "roles:7"]);
    for limit in [1, 2, 100] {
        assert_eq!(id_set(&api, &format!("roles?limit={limit}")).await?, roles, "{limit}");
    }
    let seven = api.get("roles/roles:7").await?.success()?["result"].clone();
    assert_eq!(seven["name"], "Seven");
    assert_eq!((&seven["scope"], &seven["kind"]), (&json!("organization"), &json!("custom")));
    assert_eq!(
        (&seven["is_assignable"], &seven["applicable_in"][0]),
        (&json!(true), &seven["scope"])
    );
    assert_eq!(api.get("roles/roles:a.b%2Fc").await?.success()?["result"]["name"], "a.b/c");
    for unknown in ["roles:nothing", "entitlements:admin", "admin", "groups:g-1"] {
        api.get(&format!("roles/{unknown}")).await?.problem(404, "not_found");
    }
    assert!(id_set(&api, "roles?scope=workspace").await?.is_empty());

    let (rows, _) = api.all("role-assignments?limit=100").await?;
    let pairs: BTreeSet<(&str, &str)> = rows
        .iter()
        .filter_map(|row| Some((row["user_id"].as_str()?, row["role_id"].as_str()?)))
        .collect();
    let expected = [
        (users[0].as_str(), "roles:admin"),
        (users[0].as_str(), "roles:a.b/c"),
        (users[0].as_str(), "entitlements:seat"),
        (users[1].as_str(), "roles:admin"),
        (users[3].as_str(), "roles:7"),
    ];
    assert_eq!(pairs, BTreeSet::from(expected));
    let all: BTreeSet<String> =
        rows.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect();
    assert_eq!(all.len(), expected.len());
    for limit in [1, 2, 3] {
        let path = format!("role-assignments?limit={limit}");
        assert_eq!(id_set(&api, &path).await?, all, "{limit}");
    }
    for row in &rows {
        let id = row["id"].as_str().context("no id")?;
        let one = api.get(&format!("role-assignments/{id}")).await?.success()?;
        assert_eq!(one["result"], *row);
        assert_eq!(row["scope"], "organization", "{row}");
    }
    let count = async |filter: String| anyhow::Ok(ids(&api, &filter).await?.len());
    let of = |query: String| format!("role-assignments?limit=2&{query}");
    assert_eq!(count(of(format!("user[id]={}", users[0]))).await?, 3);
    assert_eq!(count(of(format!("user[id]={}&role[id]=roles:admin", users[0]))).await?, 1);
    assert_eq!(count(of("user[id]=nobody".to_owned())).await?, 0);
    assert_eq!(count(of("role[id]=roles:admin".to_owned())).await?, 2);
    assert_eq!(count(of("role[id]=entitlements:admin".to_owned())).await?, 0);
    assert_eq!(count(of("workspace[id]=g-1".to_owned())).await?, 0);
    let gone = rows[0]["id"].as_str().context("no id")?.replace("roles", "entitlements");
    for unknown in [gone.as_str(), "a.b", "roles:admin.nobody.x"] {
        let found = api.get(&format!("role-assignments/{unknown}")).await?;
        found.problem(404, "not_found");
    }

    let holders = id_set(&api, "users?role[id]=roles:admin").await?;
    assert_eq!(holders, BTreeSet::from([users[0].clone(), users[1].clone()]));
    let user = api.get(&format!("users/{}", users[0])).await?.success()?;
    assert_eq!(user["result"]["roles"].as_array().map(Vec::len), Some(3), "{user}");
    set(&app, "acme", &json!({"roles_from": ["entitlements"]})).await?;
    assert_eq!(id_set(&api, "roles").await?, texts(["entitlements:seat"]));
    assert_eq!(ids(&api, "role-assignments").await?.len(), 1);
    assert!(ids(&api, "users?role[id]=roles:admin").await?.is_empty());
    set(&app, "acme", &json!({"roles_from": []})).await?;
    for path in ["roles", "roles/roles:7", "role-assignments"] {
        api.get(path).await?.problem(501, "unsupported_by_provider");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn groups_are_roles_by_the_settings(pool: PgPool) -> anyhow::Result<()> {
    let app = open_app(pool).await?;
    for (tenant, has_groups_of_users) in [("with", true), ("without", false)] {
        let (server, api) = linked(&app, tenant, ScimOptions::default()).await?;
        let users = server.add_users(6);
        let groups = add_groups(&server, &users);
        if !has_groups_of_users {
            server.rewrite("Users", |body| {
                let remove = |row: &mut Value| {
                    if let Some(row) = row.as_object_mut() {
                        row.remove("groups");
                    }
                };
                remove(body);
                let rows = body.get_mut("Resources").and_then(Value::as_array_mut);
                rows.into_iter().flatten().for_each(remove);
            });
        }
        let id = |index: usize| format!("groups:{}", groups[index]);
        for (settings, roles, assignments) in [
            (json!({"roles_from": ["groups"]}), vec![0, 1, 2, 3, 4], 9),
            (
                json!({"roles_from": ["groups", "roles"], "role_group_prefix": "app-"}),
                vec![0, 1, 3, 4],
                7,
            ),
            (json!({"roles_from": ["groups"], "role_group_ids": [groups[1], "gone"]}), vec![1], 2),
        ] {
            let row = format!("{tenant}: {settings}");
            set(&app, tenant, &settings).await?;
            let expected: BTreeSet<String> = roles.iter().map(|index| id(*index)).collect();
            for limit in [1, 2, 100] {
                let path = format!("roles?limit={limit}");
                assert_eq!(id_set(&api, &path).await?, expected, "{row}");
                let path = format!("role-assignments?limit={limit}");
                assert_eq!(id_set(&api, &path).await?.len(), assignments, "{row}");
            }
            let holders = id_set(&api, &format!("users?role[id]={}", id(1))).await?;
            let expected = BTreeSet::from([1, 3].map(|index: usize| users[index].clone()));
            assert_eq!(holders, expected, "{row}");
            let of_role = format!("role-assignments?limit=1&role[id]={}", id(1));
            assert_eq!(id_set(&api, &of_role).await?.len(), 2, "{row}");
            let of_user = format!("role-assignments?user[id]={}", users[1]);
            let (held, _) = api.all(&of_user).await?;
            let count = roles.iter().filter(|index| [0, 1, 2].contains(*index)).count();
            assert_eq!(held.len(), count, "{row}: {held:?}");
            for held in &held {
                let path = format!("role-assignments/{}", held["id"].as_str().context("no id")?);
                assert_eq!(api.get(&path).await?.success()?["result"], *held, "{row}");
            }
            let one = api.get(&format!("users/{}", users[1])).await?.success()?;
            assert_eq!(one["result"]["roles"].as_array().map(Vec::len), Some(count), "{row}");
        }
        set(&app, tenant, &json!({"roles_from": ["roles", "groups"]})).await?;
        let first = api.get("role-assignments?limit=100").await?.success()?;
        let rows = first["result"].as_array().context("no rows")?;
        assert_eq!((rows.len(), &first["next_cursor"]), (9, &Value::Null), "{tenant}: {first}");
        set(&app, tenant, &json!({"roles_from": ["groups"], "role_group_ids": [groups[1]]}))
            .await?;
        let role = api.get(&format!("roles/{}", id(1))).await?.success()?;
        assert_eq!(role["result"]["name"], "app-reader");
        api.get(&format!("roles/{}", id(0))).await?.problem(404, "not_found");
    }
    Ok(())
}
