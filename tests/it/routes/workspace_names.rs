//! Names of workspaces in the rows of other resources: one list of the workspaces names them all.

use std::collections::HashMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::Fault;

use crate::support::TestApp;

const LIST: &str = "admin.teams.list";

/// The references of rows, each with the name it should have.
fn references<'r>(rows: &'r [Value], field: &'r str) -> impl Iterator<Item = (&'r str, &'r Value)> {
    let of_row = move |row: &'r Value| row[field].as_array().into_iter().flatten();
    rows.iter().flat_map(of_row).map(|one| (one["id"].as_str().unwrap_or_default(), &one["name"]))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rows_name_their_workspaces_for_one_call(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let org = app.sandbox.snapshot();
    let names: HashMap<&str, &str> =
        org.workspaces.iter().map(|one| (&*one.id, &*one.name)).collect();
    let (users, pages) = api.all("users?limit=50").await?;
    assert!(pages > 1);
    let user = users.iter().find(|user| user["workspaces"][0].is_object());
    let user = user.context("nobody is in a workspace")?["id"].as_str().context("no id")?;
    let single = api.get(&format!("users/{user}")).await?.okay()?;
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
async fn a_renamed_workspace_has_its_new_name_at_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let before = api.get("users?limit=50").await?.okay()?;
    let rows = before["result"].as_array().context("no rows")?.clone();
    let id = references(&rows, "workspaces").next().context("nobody is in a workspace")?.0;
    api.patch(&format!("workspaces/{id}"), &json!({"name": "Renamed"})).await?.okay()?;
    let after = api.get("users?limit=50").await?.okay()?;
    let rows = after["result"].as_array().context("no rows")?;
    let name = references(rows, "workspaces").find(|(one, _)| *one == id).map(|(_, name)| name);
    assert_eq!(name, Some(&json!("Renamed")));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rows_come_without_names_that_can_not_be_read(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    app.sandbox.add_fault(Fault::refusal(LIST, "missing_scope", 1_000));
    for page in ["users?limit=50", "users?limit=51"] {
        let page = api.get(page).await?.okay()?;
        let rows = page["result"].as_array().context("no rows")?;
        assert!(references(rows, "workspaces").all(|(_, name)| name.is_null()));
        assert_eq!(page["warnings"][0]["field"], "workspaces.name");
        assert_eq!(
            page["warnings"][0]["message"],
            "Names of workspaces could not be read: slack_enterprise admin.teams.list: missing_scope. \
             The ids are here."
        );
    }
    assert_eq!(app.calls(LIST), 1, "what failed is not asked for again with each page");
    Ok(())
}
