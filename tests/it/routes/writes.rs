//! Single changes: roles, memberships, accounts switched off. What the provider holds afterwards is the
//! judge.

use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;
use switchboard::sandbox::org::{Level, OrgLevel, Organization, Person};

use crate::support::TestApp;

/// A full member without rank, a workspace where they are and one where they are not.
fn member(org: &Organization) -> anyhow::Result<(String, String, String)> {
    let is_plain = |person: &&Person| {
        let member = person.memberships.iter().all(|one| one.level == Level::Member);
        let some = (1..org.workspaces.len()).contains(&person.memberships.len());
        let ranks = person.org_level != OrgLevel::Member;
        person.is_active() && !person.is_bot() && member && some && !ranks
    };
    let person = org.people().iter().find(is_plain).context("nobody is plain")?;
    let team = |there: bool| {
        let mut teams = org.workspaces.iter().enumerate();
        let found = teams.find(|(number, _)| person.membership(*number).is_some() == there);
        found.map(|(_, team)| team.id.clone()).context("no such workspace")
    };
    Ok((person.id.clone(), team(true)?, team(false)?))
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_role_of_each_family_is_given_and_taken_away(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let (user, team, _) = member(&app.sandbox.snapshot())?;
    for (role, place) in
        [("org:admin", None), ("ws:admin", Some(&team)), ("Rl01", Some(&team)), ("Rl04", None)]
    {
        let wish = json!({"user_id": user, "role_id": role, "workspace_id": place});
        let given = api.post("role-assignments", &wish).await?.created()?;
        assert_eq!(given["result"]["role_id"], role, "{given}");
        assert_eq!(given["result"]["workspace_id"], json!(place), "{given}");
        let id = given["result"]["id"].as_str().context("no id")?;
        let path = format!("role-assignments/{id}");
        assert_eq!(api.get(&path).await?.okay()?["result"]["user_id"], user);
        let taken = api.delete(&path).await?.okay()?;
        assert_eq!(taken["result"], json!({"id": id, "outcome": "done"}));
        api.get(&path).await?.problem(404, "not_found");
    }
    let again = format!("role-assignments/ws:admin.{user}.{team}");
    let taken = api.delete(&again).await?.okay()?;
    assert_eq!(taken["result"]["outcome"], "already");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_cannot_be_given_is_refused_before_anything_is_sent(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let (user, team, _) = member(&app.sandbox.snapshot())?;
    let before = app.sandbox.requests(None).counts;
    for (role, place) in [
        ("org:primary_owner", None),
        ("ws:guest_multi_channel", Some(&team)),
        ("ws:admin", None),
        ("king", None),
    ] {
        let wish = json!({"user_id": user, "role_id": role, "workspace_id": place});
        let answer = api.post("role-assignments", &wish).await?;
        let problem = answer.problem(422, "role_not_assignable");
        assert_eq!(problem["provider"], serde_json::Value::Null, "{problem}");
        assert_eq!(answer.pointers(), ["/role_id"]);
    }
    let both =
        json!({"user_id": user, "role_id": "Rl0A", "workspace_id": team, "channel_id": "C1"});
    let answer = api.post("role-assignments", &both).await?;
    answer.problem(422, "invalid_body");
    assert_eq!(answer.pointers(), ["/workspace_id", "/channel_id"]);
    assert_eq!(app.sandbox.requests(None).counts, before);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_reason_for_a_rejected_holder_reaches_the_caller(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let guest = app.sandbox.with_org(|org| {
        let guest = org.people().iter().find(|one| one.guest().is_some() && one.is_active());
        guest.map(|one| one.id.clone())
    });
    let wish = json!({"user_id": guest, "role_id": "Rl01"});
    let answer = api.post("role-assignments", &wish).await?;
    let problem = answer.problem(422, "provider_invalid_argument");
    assert_eq!(problem["provider"]["error"], "user_is_restricted", "{problem}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_member_comes_into_a_workspace_and_leaves_it(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let (user, _, team) = member(&app.sandbox.snapshot())?;
    let members = format!("workspaces/{team}/members");
    let is_there = || {
        app.sandbox.with_org(|org| {
            let number = org.workspace(&team).map(|(number, _)| number)?;
            Some(org.find(&user)?.1.membership(number).is_some())
        })
    };
    for outcome in ["done", "already"] {
        let added = api.post(&members, &json!({"user_id": user})).await?.created()?;
        assert_eq!(added["result"], json!({"id": user, "outcome": outcome}));
        assert_eq!(is_there(), Some(true));
    }
    let guest = json!({"user_id": user, "user_type": "guest_multi_channel"});
    let answer = api.post(&members, &guest).await?;
    answer.problem(422, "invalid_body");
    assert_eq!(answer.pointers(), ["/channel_ids"]);
    let path = format!("{members}/{user}");
    let removed = api.delete(&path).await?.okay()?;
    assert_eq!(removed["result"]["outcome"], "done");
    assert_eq!(is_there(), Some(false));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_user_is_switched_off_everywhere_and_signed_out(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let (user, ..) = member(&app.sandbox.snapshot())?;
    let path = format!("users/{user}?sign_out=true");
    let gone = api.delete(&path).await?.okay()?;
    assert_eq!(gone["result"]["status"], "inactive", "{gone}");
    assert_eq!(app.calls("admin.users.session.reset"), 1);
    let owner = app.sandbox.with_org(|org| org.primary_owner().map(|one| one.id.clone()));
    let path = format!("users/{}", owner.context("no owner")?);
    let answer = api.delete(&path).await?;
    answer.problem(409, "provider_conflict");
    Ok(())
}
