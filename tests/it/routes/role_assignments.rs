//! `/role-assignments`: three families in one list, each assignment once.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::org::GridOrganization;

use crate::support::TestApp;
use crate::support::expected_values::{self, Assignment};

/// Returns user, role and resource of a row, checking that its other fields agree.
fn held(row: &Value, org: &GridOrganization) -> anyhow::Result<Assignment> {
    let (organization, text) = (&*org.id, |field: &str| row[field].as_str());
    let workspace = text("workspace_id");
    let entity = match text("scope").context("no scope")? {
        "organization" => Some(organization),
        "workspace" => workspace,
        "channel" => text("channel_id"),
        other => anyhow::bail!("a scope of {other}"),
    };
    let name = |id: &str| org.workspaces.iter().find(|one| one.id == id).map(|one| &*one.name);
    let references = workspace.map(|id| json!({"id": id, "name": name(id)}));
    assert_eq!(row["workspace"], Value::from_iter(references), "{row}");
    assert_eq!(row["organization_id"], organization, "{row}");
    let role = text("role_id").context("no role")?;
    let privileged = !matches!(role, "org:member" | "ws:member") && !role.contains("guest");
    assert_eq!(row["is_privileged"], privileged, "{row}");
    let user = text("user_id").context("no user")?;
    Ok((role.to_owned(), user.to_owned(), entity.context("no entity")?.to_owned()))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn pagination_returns_every_assignment_of_all_families_once(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    for limit in [37, 1_000] {
        let (rows, _) = api.all(&format!("role-assignments?limit={limit}")).await?;
        let mut listed =
            rows.iter().map(|row| held(row, &org)).collect::<anyhow::Result<Vec<_>>>()?;
        listed.sort();
        assert_eq!(listed, expected_values::assignments(&org), "with a limit of {limit}");
        let mut ids: Vec<&str> = rows.iter().filter_map(|row| row["id"].as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), rows.len(), "an id for each");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_assignment_of_each_role_is_found_by_its_id(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let (mut rows, _) = api.all("role-assignments?limit=1000").await?;
    let key = |row: &Value| (row["role_id"].to_string(), row["scope"].to_string());
    rows.sort_by_key(key);
    rows.dedup_by_key(|row| key(row));
    assert!(rows.len() > 12, "every level, every kind of guest, some system roles: {rows:?}");
    for row in rows {
        let id = row["id"].as_str().context("no id")?;
        let single = api.get(&format!("role-assignments/{id}")).await?.success()?;
        assert_eq!(single["result"], row, "{id}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_assignment_without_a_holder_is_not_found(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let org = app.sandbox.snapshot();
    let owner = &org.primary_owner().context("no owner")?.id;
    let removed = org.people().iter().find(|person| !person.is_active()).context("no user left")?;
    let team = &org.workspaces.first().context("no workspace")?.id;
    for id in [
        format!("org:member.{owner}.{}", org.id),
        format!("org:member.{}.{}", removed.id, org.id),
        format!("ws:member.{}.{team}", removed.id),
        format!("ws:guest_single_channel.{owner}.{team}"),
        format!("Rl0L.{}.{}", removed.id, org.id),
        format!("org:owner.U0NOBODY.{}", org.id),
        format!("ws:owner.{owner}.T0NOWHERE"),
        "no-assignment".to_owned(),
        "a.b.c.d".to_owned(),
    ] {
        api.get(&format!("role-assignments/{id}")).await?.problem(404, "not_found");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn removing_a_role_of_an_unknown_user_is_not_found(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let removal =
        json!({"user_id": "U0EXAMPLE", "roles": [{"id": "Rl01", "workspace_id": "T0EXAMPLE"}]});
    let rejected = api.post("users/remove_role", &removal).await?;
    rejected.problem(404, "not_found");
    Ok(())
}
