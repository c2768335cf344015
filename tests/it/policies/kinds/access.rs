//! Kinds about workspaces and groups.

use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;

use super::{Change, Scenario};
use crate::sync::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_access_after_deactivation(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    let [(index, user), ..] = &*members else { anyhow::bail!("no members") };
    let guest = synced.people(|one| one.guest_level().is_some());
    let (_, guest) = guest.first().context("no guest")?;
    let workspace = synced.workspace(0);
    let role = json!({"role_id": "Rl01", "entity_ids": [workspace], "user_ids": [user.id]});
    synced.make(&[Change::Provider("admin.roles.addAssignments", role)]).await?;
    assert!(!user.groups.is_empty());
    let mut fix = vec!["role_assignment.revoke"];
    fix.extend(user.groups.iter().map(|_| "group_member.remove"));
    Scenario {
        kind: "no_access_after_deactivation",
        parameters: json!({}),
        // A guest is in no group, and holds only the role of a guest.
        edge: vec![Change::set(&guest.id, "active", false)],
        begin: vec![Change::set(&user.id, "active", false)],
        subject: ("user", &user.id),
        summary: "is deactivated and still has 1 roles",
        end: vec![Change::set(&user.id, "active", true)],
        fix,
        is_fixed: &|org| {
            org.people()[*index].groups.is_empty() && org.roles.for_user(*index).next().is_none()
        },
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn required_workspaces(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    let is_in = |place| members.iter().find(move |(_, one)| one.membership(place).is_some());
    let is_out = |place| members.iter().find(move |(_, one)| one.membership(place).is_none());
    let (_, inside) = is_in(1).context("nobody is in it")?;
    let (index, user) = is_out(1).context("everybody is in it")?;
    let active = json!({"field": "status", "op": "eq", "value": "active"});
    let department = json!({"field": "department", "op": "eq", "value": "moonshot"});
    Scenario {
        kind: "required_workspaces",
        parameters: json!({"when": {"all": [department, active]},
            "workspace_ids": [synced.workspace(0), synced.workspace(1)]}),
        edge: vec![Change::department(&inside.id, "Moonshot")],
        begin: vec![Change::department(&user.id, "Moonshot")],
        subject: ("user", &user.id),
        summary: "is not a member of",
        end: vec![Change::department(&user.id, "Sales")],
        fix: vec!["workspace_member.add"],
        is_fixed: &|org| org.people()[*index].membership(1).is_some(),
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn forbidden_workspaces(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let members = synced.plain_members();
    let is_in = |place| members.iter().find(move |(_, one)| one.membership(place).is_some());
    let is_out = |place| members.iter().find(move |(_, one)| one.membership(place).is_none());
    let (index, user) = is_in(1).context("nobody is in it")?;
    let (_, outside) = is_out(1).context("everybody is in it")?;
    Scenario {
        kind: "forbidden_workspaces",
        parameters: json!({"when": {"expression": "department = 'Moonshot'"},
            "workspace_ids": [synced.workspace(1)]}),
        edge: vec![Change::department(&outside.id, "Moonshot")],
        begin: vec![Change::department(&user.id, "Moonshot")],
        subject: ("user", &user.id),
        summary: "is a member of",
        end: vec![Change::department(&user.id, "Sales")],
        fix: vec!["workspace_member.remove"],
        is_fixed: &|org| {
            let person = &org.people()[*index];
            person.membership(1).is_none() && person.membership(0).is_some()
        },
    }
    .run(&synced)
    .await
}
