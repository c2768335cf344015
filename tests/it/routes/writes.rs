//! Single changes: roles, memberships, deactivation, checked against the state at the provider.

use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;
use switchboard::sandbox::org::{GridOrganization, OrgLevel, Person, WorkspaceLevel};

use crate::support::TestApp;

/// Returns a member without admin rights, a workspace with them and one without.
fn member(org: &GridOrganization) -> anyhow::Result<(String, String, String)> {
    let is_plain = |person: &&Person| {
        let member = person.memberships.iter().all(|one| one.level == WorkspaceLevel::Member);
        let some = (1..org.workspaces.len()).contains(&person.memberships.len());
        let ranks = person.org_level != OrgLevel::Member;
        person.is_active() && !person.is_bot() && member && some && !ranks
    };
    let person = org.people().iter().find(is_plain).context("no user is without admin rights")?;
    let team = |there: bool| {
        let mut teams = org.workspaces.iter().enumerate();
        let found = teams.find(|(number, _)| person.membership(*number).is_some() == there);
        found.map(|(_, team)| team.id.clone()).context("no such workspace")
    };
    Ok((person.id.clone(), team(true)?, team(false)?))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_role_of_each_family_is_assigned_and_removed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let (user, team, _) = member(&app.sandbox.snapshot())?;
    for (role, place) in
        [("org:admin", None), ("ws:admin", Some(&team)), ("Rl01", Some(&team)), ("Rl04", None)]
    {
        let body = json!({"user_id": user, "role_id": role, "workspace_id": place});
        let given = api.post("role-assignments", &body).await?.created()?;
        assert_eq!(given["result"]["role_id"], role, "{given}");
        assert_eq!(given["result"]["workspace_id"], json!(place), "{given}");
        let id = given["result"]["id"].as_str().context("no id")?;
        let path = format!("role-assignments/{id}");
        assert_eq!(api.get(&path).await?.success()?["result"]["user_id"], user);
        let taken = api.delete(&path).await?.success()?;
        assert_eq!(taken["result"], json!({"id": id, "outcome": "applied"}));
        api.get(&path).await?.problem(404, "not_found");
    }
    let again = format!("role-assignments/ws:admin.{user}.{team}");
    let taken = api.delete(&again).await?.success()?;
    assert_eq!(taken["result"]["outcome"], "unchanged");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_an_invalid_assignment_before_any_call(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let (user, team, _) = member(&app.sandbox.snapshot())?;
    let before = app.sandbox.requests(None).counts;
    for (role, place, pointer) in [
        ("org:primary_owner", None, "/role_id"),
        ("ws:guest_multi_channel", Some(&team), "/role_id"),
        ("ws:admin", None, "/workspace_id"),
        ("org:admin", Some(&team), "/workspace_id"),
        ("king", None, "/role_id"),
    ] {
        let body = json!({"user_id": user, "role_id": role, "workspace_id": place});
        let response = api.post("role-assignments", &body).await?;
        let problem = response.problem(422, "role_not_assignable");
        assert_eq!(problem["provider"], serde_json::Value::Null, "{problem}");
        assert_eq!(response.pointers(), [pointer], "{role}");
    }
    let both =
        json!({"user_id": user, "role_id": "Rl0A", "workspace_id": team, "channel_id": "C1"});
    let response = api.post("role-assignments", &both).await?;
    response.problem(422, "invalid_body");
    assert_eq!(response.pointers(), ["/workspace_id", "/channel_id"]);
    assert_eq!(app.sandbox.requests(None).counts, before);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_reason_for_a_rejected_holder_reaches_the_caller(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let guest = app.sandbox.with_org(|org| {
        let guest = org.people().iter().find(|one| one.guest_level().is_some() && one.is_active());
        guest.map(|one| one.id.clone())
    });
    let body = json!({"user_id": guest, "role_id": "Rl01"});
    let response = api.post("role-assignments", &body).await?;
    let problem = response.problem(422, "provider_invalid_argument");
    assert_eq!(problem["provider"]["error"], "user_is_restricted", "{problem}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_member_is_added_to_a_workspace_and_removed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let (user, _, team) = member(&app.sandbox.snapshot())?;
    let members = format!("workspaces/{team}/members");
    let is_there = || {
        app.sandbox.with_org(|org| {
            let number = org.workspace(&team).map(|(number, _)| number)?;
            Some(org.find(&user)?.1.membership(number).is_some())
        })
    };
    for outcome in ["applied", "unchanged"] {
        let added = api.post(&members, &json!({"user_id": user})).await?.created()?;
        assert_eq!(added["result"], json!({"id": user, "outcome": outcome}));
        assert_eq!(is_there(), Some(true));
    }
    let guest = json!({"user_id": user, "user_type": "guest_multi_channel"});
    let response = api.post(&members, &guest).await?;
    response.problem(422, "invalid_body");
    assert_eq!(response.pointers(), ["/channel_ids"]);
    let path = format!("{members}/{user}");
    let removed = api.delete(&path).await?.success()?;
    assert_eq!(removed["result"]["outcome"], "applied");
    assert_eq!(is_there(), Some(false));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_user_is_deactivated_everywhere_and_signed_out(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let (user, ..) = member(&app.sandbox.snapshot())?;
    let path = format!("users/{user}?sign_out=true");
    let removed = api.delete(&path).await?.success()?;
    assert_eq!(removed["result"]["status"], "inactive", "{removed}");
    assert_eq!(app.calls("admin.users.session.reset"), 1);
    let owner = app.sandbox.with_org(|org| org.primary_owner().map(|one| one.id.clone()));
    let path = format!("users/{}", owner.context("no owner")?);
    let response = api.delete(&path).await?;
    response.problem(409, "provider_conflict");
    Ok(())
}
