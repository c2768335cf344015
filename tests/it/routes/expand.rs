//! `expand[]` and `remote_query[…]`: fields of a list that cost further calls.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::TestApp;

fn by_id(rows: &[Value]) -> HashMap<&str, &Value> {
    rows.iter().filter_map(|row| Some((row["id"].as_str()?, row))).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_list_of_users_expands_profiles_groups_and_role_resources(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let plain = api.get("users?limit=40").await?.success()?;
    assert_eq!(plain.pointer("/result/0/department"), Some(&Value::Null));
    let query = "users?limit=1000&expand[]=profile&expand[]=groups&expand[]=roles";
    let (rows, _) = api.all(query).await?;
    let rows = by_id(&rows);
    for person in org.people().iter().filter(|one| one.is_active() && !one.is_bot()) {
        let row = rows.get(person.id.as_str()).context("a user is missing")?;
        let department = Some(person.job.department.as_str()).filter(|name| !name.is_empty());
        assert_eq!(row["department"], json!(department), "{person:?}");
        let single = api.get(&format!("users/{}", person.id)).await?.success()?;
        for field in ["groups", "title", "manager", "employee_number", "phones"] {
            assert_eq!(row[field], single["result"][field], "{field} of {person:?}");
        }
        let system = |roles: &Value| {
            let roles = roles.as_array().into_iter().flatten();
            let mut system: Vec<String> = roles
                .filter(|role| role["id"].as_str().is_some_and(|id| id.starts_with("Rl")))
                .map(Value::to_string)
                .collect();
            system.sort();
            system
        };
        assert_eq!(system(&row["roles"]), system(&single["result"]["roles"]), "{person:?}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn only_matching_rows_are_expanded(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let page = api.get("users?role[id]=org:owner&expand[]=profile").await?.success()?;
    let admitted = page["result_count"].as_u64().context("no count")?;
    assert!(admitted > 0);
    assert_eq!(app.calls("scim.users.get"), admitted, "one call for each row");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_list_of_workspaces_expands_admins_and_settings(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let (rows, _) = api.all("workspaces?limit=2&expand[]=owners&expand[]=settings").await?;
    assert_eq!(rows.len(), app.sandbox.snapshot().workspaces.len());
    for row in &rows {
        let id = row["id"].as_str().context("no id")?;
        let single = api.get(&format!("workspaces/{id}")).await?.success()?;
        assert_eq!(*row, single["result"], "as it is read alone");
        assert!(row["owner_ids"].is_array() && row["default_channels"].is_array());
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn remote_query_arguments_reach_the_provider(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let guests = api.get("users?limit=500&remote_query[only_guests]=true").await?;
    // Some filters of ours set this argument, so a caller may not.
    guests.problem(400, "invalid_query");
    let query =
        "users?limit=500&status=inactive&remote_query[include_deactivated_user_workspaces]=true";
    let (rows, _) = api.all(query).await?;
    let housed = rows.iter().filter(|row| row["workspaces"] != json!([])).count();
    assert!(housed > 0, "workspaces of deactivated users are included on request");
    Ok(())
}
