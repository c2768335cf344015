//! Kinds about profiles, sign-in and activity.

use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::sandbox::org::PersonStatus;
use time::Duration;

use super::{Change, NOT_FIXED, Scenario};
use crate::sync::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn allowed_email_domains(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, other), (index, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let domain = synced.app.sandbox.with_org(|org| org.email_domain.clone());
    let email = |id: &str, address: String| {
        Change::set(id, "emails", json!([{"value": address, "primary": true}]))
    };
    Scenario {
        kind: "allowed_email_domains",
        parameters: json!({"domains": [domain.to_uppercase()], "user_types": ["member"]}),
        edge: vec![email(&other.id, format!("other@{domain}"))],
        // A domain within an allowed one is another one.
        begin: vec![email(&user.id, format!("someone@mail.{domain}"))],
        subject: ("user", &user.id),
        summary: "whose domain is not allowed",
        end: vec![email(&user.id, format!("someone@{domain}"))],
        fix: vec!["user.deactivate"],
        is_fixed: &|org| !org.people()[*index].is_active(),
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn expression(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, other), (_, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    Scenario {
        kind: "expression",
        parameters: json!({"expression": "title != 'Intern' or $count(workspaces) = 0"}),
        edge: vec![Change::set(&other.id, "title", "Interns")],
        begin: vec![Change::set(&user.id, "title", "Intern")],
        subject: ("user", &user.id),
        summary: "The expression is false for",
        end: vec![Change::set(&user.id, "title", "Engineer")],
        fix: Vec::new(),
        is_fixed: NOT_FIXED,
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn inactive_users(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(index, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let index = *index;
    // Whole seconds, as the provider has them.
    let rest = 1_000_000_000 - i64::from(synced.app.clock.now().nanosecond());
    synced.app.clock.advance(Duration::nanoseconds(rest));
    let active = move |at| Change::unreported(move |edit| edit.set_last_active(index, at));
    // A run takes two seconds.
    let now = synced.app.clock.now().unix_timestamp() + 2;
    synced.make(&[active(now)]).await?;
    Scenario {
        kind: "inactive_users",
        parameters: json!({"days": 30}),
        edge: vec![Change::Later(Duration::days(30))],
        begin: vec![Change::Later(Duration::days(31))],
        subject: ("user", &user.id),
        summary: "was not active for 30 days",
        end: vec![active(now + 61 * 86_400)],
        fix: vec!["user.deactivate"],
        is_fixed: &|org| matches!(org.people()[index].status, PersonStatus::Deactivated { .. }),
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn two_factor_required(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(other, _), (index, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let (other, index) = (*other, *index);
    let factor = |index, is_on| Change::unreported(move |edit| edit.set_two_factor(index, is_on));
    let promoted = Change::level("admin.users.setAdmin", &user.id, &synced.workspace(0));
    synced.make(&[factor(index, true), promoted]).await?;
    Scenario {
        kind: "two_factor_required",
        parameters: json!({"role_ids": ["ws:admin"]}),
        // A member without the role.
        edge: vec![factor(other, false)],
        begin: vec![factor(index, false)],
        subject: ("user", &user.id),
        summary: "does not use two-factor authentication",
        end: vec![factor(index, true)],
        fix: Vec::new(),
        is_fixed: NOT_FIXED,
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_who_loses_the_role_leaves_the_condition(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(index, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let (index, workspace) = (*index, synced.workspace(0));
    synced.make(&[Change::unreported(move |edit| edit.set_two_factor(index, false))]).await?;
    Scenario {
        kind: "two_factor_required",
        parameters: json!({"role_ids": ["ws:admin"], "user_types": ["member"]}),
        edge: Vec::new(),
        begin: vec![Change::level("admin.users.setAdmin", &user.id, &workspace)],
        subject: ("user", &user.id),
        summary: "does not use two-factor authentication",
        end: vec![Change::level("admin.users.setRegular", &user.id, &workspace)],
        fix: Vec::new(),
        is_fixed: NOT_FIXED,
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn sso_required(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(index, user), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    let guests = synced.people(|one| one.guest_level().is_some());
    let [(guest, _), ..] = &*guests else { anyhow::bail!("no guests") };
    let (index, guest) = (*index, *guest);
    let sso = |index, is_on| Change::unreported(move |edit| edit.set_single_sign_on(index, is_on));
    synced.make(&[sso(index, true), sso(guest, true)]).await?;
    Scenario {
        kind: "sso_required",
        parameters: json!({"user_types": ["member"]}),
        edge: vec![sso(guest, false)],
        begin: vec![sso(index, false)],
        subject: ("user", &user.id),
        summary: "does not use single sign-on",
        end: vec![sso(index, true)],
        fix: Vec::new(),
        is_fixed: NOT_FIXED,
    }
    .run(&synced)
    .await
}
