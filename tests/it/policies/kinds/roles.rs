//! Kinds about the holders of roles.

use http::Method;
use serde_json::json;
use sqlx::PgPool;
use switchboard::sandbox::org::{Person, WorkspaceLevel};

use super::{Change, NOT_FIXED, Scenario};
use crate::sync::SyncedApp;

const SET_ADMIN: &str = "admin.users.setAdmin";
const SET_REGULAR: &str = "admin.users.setRegular";

/// Returns the ids of the admins of the first workspace.
fn admins(synced: &SyncedApp) -> Vec<String> {
    let is_admin =
        |one: &Person| one.memberships.iter().any(|place| place.level == WorkspaceLevel::Admin);
    synced.people(is_admin).into_iter().map(|(_, one)| one.id).collect()
}

/// Returns the admins of the first workspace.
fn holders(synced: &SyncedApp) -> usize {
    let level = |one: &Person| one.membership(0).map(|place| place.level);
    synced.people(|one| level(one) == Some(WorkspaceLevel::Admin)).len()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn role_holders(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, allowed), (index, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let workspace = synced.workspace(0);
    let allowed_ones =
        json!({"user_ids": admins(&synced), "emails": [allowed.email.to_uppercase()]});
    Scenario {
        kind: "role_holders",
        parameters: json!({"role_ids": ["ws:admin"], "allowed": allowed_ones}),
        edge: vec![Change::level(SET_ADMIN, &allowed.id, &workspace)],
        begin: vec![Change::level(SET_ADMIN, &user.id, &workspace)],
        subject: ("user", &user.id),
        summary: "is not among the allowed holders",
        end: vec![Change::level(SET_REGULAR, &user.id, &workspace)],
        fix: vec!["role_assignment.revoke"],
        is_fixed: &|org| {
            org.people()[*index].membership(0).map(|one| one.level) == Some(WorkspaceLevel::Member)
        },
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn max_holders(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, last), (_, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let workspace = synced.workspace(0);
    let most = holders(&synced) + 1;
    let limited = json!({"role_ids": ["ws:admin"], "workspace_ids": [workspace], "count": most});
    Scenario {
        kind: "max_holders",
        parameters: limited,
        edge: vec![Change::level(SET_ADMIN, &last.id, &workspace)],
        begin: vec![Change::level(SET_ADMIN, &user.id, &workspace)],
        subject: ("roles", "ws:admin"),
        summary: &format!("{} people hold ws:admin; at most {most} may.", most + 1),
        end: vec![Change::level(SET_REGULAR, &user.id, &workspace)],
        fix: Vec::new(),
        is_fixed: NOT_FIXED,
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn min_holders(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, last), (_, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let workspace = synced.workspace(0);
    let promoted = |one: &Person| Change::level(SET_ADMIN, &one.id, &workspace);
    synced.make(&[promoted(last), promoted(user)]).await?;
    let least = holders(&synced) - 1;
    let limited = json!({"role_ids": ["ws:admin"], "workspace_ids": [workspace], "count": least});
    Scenario {
        kind: "min_holders",
        parameters: limited,
        edge: vec![Change::level(SET_REGULAR, &last.id, &workspace)],
        begin: vec![Change::level(SET_REGULAR, &user.id, &workspace)],
        subject: ("roles", "ws:admin"),
        summary: &format!("{} people hold ws:admin; at least {least} must.", least - 1),
        end: vec![promoted(user)],
        fix: Vec::new(),
        is_fixed: NOT_FIXED,
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn holders_who_are_deactivated_do_not_count(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let workspace = synced.workspace(0);
    synced.make(&[Change::level(SET_ADMIN, &user.id, &workspace)]).await?;
    let count = holders(&synced);
    let limited = json!({"role_ids": ["ws:admin"], "workspace_ids": [workspace], "count": count});
    Scenario {
        kind: "min_holders",
        parameters: limited,
        edge: Vec::new(),
        begin: vec![Change::set(&user.id, "active", false)],
        subject: ("roles", "ws:admin"),
        summary: &format!("{} people hold ws:admin; at least {count} must.", count - 1),
        end: vec![Change::set(&user.id, "active", true)],
        fix: Vec::new(),
        is_fixed: NOT_FIXED,
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn separation_of_duties(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(index, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let role = |method, role: &str, workspace: usize| {
        let entity = synced.workspace(workspace);
        Change::Provider(
            method,
            json!({"role_id": role, "entity_ids": [entity], "user_ids": [user.id]}),
        )
    };
    let (add, remove) = ("admin.roles.addAssignments", "admin.roles.removeAssignments");
    Scenario {
        kind: "separation_of_duties",
        parameters: json!({"role_ids": ["Rl01", "Rl03"]}),
        // One of the roles, in two places.
        edge: vec![role(add, "Rl01", 0), role(add, "Rl01", 1)],
        begin: vec![role(add, "Rl03", 0)],
        subject: ("user", &user.id),
        summary: "of which a person may hold one",
        end: vec![role(remove, "Rl03", 0)],
        fix: vec!["role_assignment.revoke"],
        is_fixed: &|org| org.roles.for_user(*index).all(|one| one.role_id == "Rl01"),
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn unmanaged_change(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, managed), (index, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let workspace = synced.workspace(0);
    let granted = json!({"user_id": managed.id, "role_id": "ws:admin", "workspace_id": workspace});
    Scenario {
        kind: "unmanaged_change",
        parameters: json!({}),
        edge: vec![Change::Gateway(Method::POST, "role-assignments".to_owned(), granted)],
        begin: vec![Change::level(SET_ADMIN, &user.id, &workspace)],
        subject: ("user", &user.id),
        summary: "outside of this gateway",
        end: vec![Change::level(SET_REGULAR, &user.id, &workspace)],
        fix: vec!["role_assignment.revoke"],
        is_fixed: &|org| {
            org.people()[*index].membership(0).map(|one| one.level) == Some(WorkspaceLevel::Member)
        },
    }
    .run(&synced)
    .await
}
