//! Kinds about guests.

use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use switchboard::sandbox::org::{Person, WorkspaceLevel};
use time::Duration;

use super::{Change, NOT_FIXED, Scenario};
use crate::sync::SyncedApp;

const DAY_S: i64 = 86_400;
/// Seconds that the clock advances with each change.
const CHANGE_S: i64 = 301;

/// Returns a guest of one workspace, with the positions of the guest and the workspace.
fn guest(synced: &SyncedApp) -> anyhow::Result<(usize, Person, usize)> {
    let is_guest = |one: &Person| one.guest_level() == Some(WorkspaceLevel::MultiChannelGuest);
    let guests = synced.people(is_guest);
    let (index, guest) = guests.into_iter().next().context("no guest")?;
    let place = guest.memberships.first().context("no workspace")?.workspace;
    Ok((index, guest, place))
}

fn expiration(synced: &SyncedApp, guest: &Person, place: usize, at: i64) -> Change {
    let team = synced.workspace(place);
    let body = json!({"user_id": guest.id, "team_id": team, "expiration_ts": at});
    Change::Provider("admin.users.setExpiration", body)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn guests_must_expire(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let (index, guest, place) = guest(&synced)?;
    let now = synced.app.clock.now().unix_timestamp();
    let ends = |at| expiration(&synced, &guest, place, at);
    synced.make(&[ends(now + 10 * DAY_S)]).await?;
    let now = synced.app.clock.now().unix_timestamp();
    Scenario {
        kind: "guests_must_expire",
        parameters: json!({"within_days": 30}),
        edge: vec![ends(now + CHANGE_S + 30 * DAY_S)],
        begin: vec![ends(0)],
        subject: ("user", &guest.id),
        summary: "does not end",
        end: vec![ends(now + 20 * DAY_S)],
        fix: vec!["user.expire"],
        is_fixed: &|org| {
            let left = org.people()[index].expires() - now;
            left > 29 * DAY_S && left < 31 * DAY_S
        },
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_expiration_one_second_too_late_violates_the_policy(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let (_, guest, place) = guest(&synced)?;
    let latest = || synced.app.clock.now().unix_timestamp() + CHANGE_S + 30 * DAY_S;
    synced.make(&[expiration(&synced, &guest, place, latest())]).await?;
    let parameters = json!({"within_days": 30});
    synced.policy("guests_must_expire", parameters, json!({})).await?;
    let query = format!("&user_id={}", guest.id);
    assert!(synced.drift(&query).await?.is_empty());
    synced.make(&[expiration(&synced, &guest, place, latest() + 1)]).await?;
    let open = synced.only_drift(&query).await?;
    let summary = open["evidence"]["summary"].as_str().context("no summary")?;
    assert!(summary.contains("ends in more than 30 days"), "{summary}");
    // A day later the expiration is near enough: the next run finds that.
    synced.app.clock.advance(Duration::days(1));
    synced.synced().await?;
    synced.evaluate().await?;
    assert_eq!(synced.only_drift(&query).await?["status"], "resolved");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn guest_limits_of_workspaces(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let (index, guest, place) = guest(&synced)?;
    let other = (place + 1) % 3;
    let channel = synced.app.sandbox.with_org(|org| org.workspaces[other].channels[0].id.clone());
    let team = synced.workspace(other);
    let joined = json!({"user_id": guest.id, "team_id": team, "is_restricted": true,
        "channel_ids": [channel]});
    Scenario {
        kind: "guest_limits",
        parameters: json!({"max_workspaces": 1}),
        // Every guest is in one workspace.
        edge: Vec::new(),
        begin: vec![Change::Provider("admin.users.assign", joined)],
        subject: ("user", &guest.id),
        summary: "is in 2 workspaces; at most 1 are allowed",
        end: vec![Change::level("admin.users.remove", &guest.id, &team)],
        fix: vec!["workspace_member.remove"],
        is_fixed: &|org| {
            let person = &org.people()[index];
            person.membership(place).is_some() && person.memberships.len() == 1
        },
    }
    .run(&synced)
    .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn guest_limits_of_the_directory(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let (_, guest, _) = guest(&synced)?;
    let most = synced.people(|one| one.guest_level().is_some()).len() - 1;
    synced.make(&[Change::set(&guest.id, "active", false)]).await?;
    Scenario {
        kind: "guest_limits",
        parameters: json!({"max_guests": most}),
        // The number of guests is at the limit.
        edge: Vec::new(),
        begin: vec![Change::set(&guest.id, "active", true)],
        subject: ("user_type", "guest"),
        summary: &format!("has {} guests; at most {most} are allowed", most + 1),
        end: vec![Change::set(&guest.id, "active", false)],
        fix: Vec::new(),
        is_fixed: NOT_FIXED,
    }
    .run(&synced)
    .await
}
