//! Names of workspaces in rows of other resources: one list of the workspaces resolves them all.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::Fault;

use crate::support::TestApp;

const LIST: &str = "admin.teams.list";

/// Returns the references of rows, each with its expected name.
fn references<'r>(rows: &'r [Value], field: &'r str) -> impl Iterator<Item = (&'r str, &'r Value)> {
    let of_row = move |row: &'r Value| row[field].as_array().into_iter().flatten();
    rows.iter().flat_map(of_row).map(|one| (one["id"].as_str().unwrap_or_default(), &one["name"]))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn resolves_workspace_names_with_one_call(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let names: HashMap<&str, &str> =
        org.workspaces.iter().map(|one| (&*one.id, &*one.name)).collect();
    let (users, pages) = api.all("users?limit=50").await?;
    assert!(pages > 1);
    let user = users.iter().find(|user| user["workspaces"][0].is_object());
    let user = user.context("no user is in a workspace")?["id"].as_str().context("no id")?;
    let single = api.get(&format!("users/{user}")).await?.success()?;
    assert_eq!(app.calls(LIST), 1, "one call names the workspaces of all pages");
    let (assignments, _) = api.all("role-assignments?limit=1000").await?;
    for (rows, field) in [
        (users, "workspaces"),
        (vec![single["result"].clone()], "workspaces"),
        (assignments, "workspace"),
    ] {
        let mut count = 0;
        for (id, name) in references(&rows, field) {
            assert_eq!(*name, json!(names[id]), "{id} in {field}");
            count += 1;
        }
        assert!(count > 0, "no row has {field}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_renamed_workspace_has_its_new_name_immediately(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let before = api.get("users?limit=50").await?.success()?;
    let rows = before["result"].as_array().context("no rows")?.clone();
    let id = references(&rows, "workspaces").next().context("no user is in a workspace")?.0;
    api.patch(&format!("workspaces/{id}"), &json!({"name": "Renamed"})).await?.success()?;
    let after = api.get("users?limit=50").await?.success()?;
    let rows = after["result"].as_array().context("no rows")?;
    let name = references(rows, "workspaces").find(|(one, _)| *one == id).map(|(_, name)| name);
    assert_eq!(name, Some(&json!("Renamed")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rows_omit_names_that_can_not_be_read(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    app.sandbox.add_fault(Fault::refused(LIST, "missing_scope", 1_000));
    for page in ["users?limit=50", "users?limit=51"] {
        let page = api.get(page).await?.success()?;
        let rows = page["result"].as_array().context("no rows")?;
        assert!(references(rows, "workspaces").all(|(_, name)| name.is_null()));
        assert_eq!(page["warnings"][0]["field"], "workspaces.name");
        assert_eq!(
            page["warnings"][0]["message"],
            "Names of workspaces could not be read: slack_enterprise admin.teams.list: missing_scope. \
             Only ids are returned."
        );
    }
    assert_eq!(app.calls(LIST), 1, "a failed call is not repeated for each page");
    Ok(())
}
