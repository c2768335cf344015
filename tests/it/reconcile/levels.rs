//! Levels, of which a person holds one in each place, and what is named twice.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::planned::{Organization, ids};
use super::rule_sets::rule;
use crate::sync::SyncedApp;

/// Returns a member with a workspace of the member: the e-mail address, the user, and the workspace.
async fn member(organization: &Organization) -> anyhow::Result<(String, Value, String)> {
    let members = organization.members().await?;
    let mut placed = members.into_iter().filter_map(|(email, user)| {
        let place = ids(&user["workspaces"]).into_iter().next()?;
        Some((email, user, place))
    });
    placed.next().context("no member")
}

fn with_level(email: &str, level: &str, place: &str) -> Value {
    json!({"users": [{"email": email, "roles": [{"id": level, "workspace_id": place}]}]})
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_additive_plan_lowers_no_level(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let (email, user, place) = member(&organization).await?;
    organization.bring(&with_level(&email, "ws:owner", &place), &json!({})).await?;
    for level in ["ws:admin", "ws:member"] {
        let plan = organization.plan(&with_level(&email, level, &place), &json!({})).await?;
        let steps = organization.steps(&plan).await?;
        assert_eq!(plan["removals"]["removals"], 0, "{plan}");
        assert_eq!(organization.open_steps(&plan, &email).await?, Vec::<String>::new());
        assert!(steps[0]["detail"].to_string().contains("higher level"), "{steps:#?}");
    }
    let scope = json!({"scope": {"roles": [
        {"id": "ws:owner", "workspace_id": place, "mode": "authoritative"}]},
        "guards": {"max_removals": {"count": 1000, "percent": 100}}});
    let lowered = with_level(&email, "ws:admin", &place);
    let plan = organization.plan(&lowered, &scope).await?;
    let steps = organization.steps(&plan).await?;
    let step = steps.iter().find(|step| step["subject"]["key"] == *email).context("no step")?;
    assert_eq!(step["is_removal"], true, "{step}");
    assert_eq!(step["operation"]["type"], "role_assignment.grant", "one change");
    organization.apply(&plan).await?;
    assert_eq!(organization.roles(&user, "ws:admin").await?, 1);
    assert_eq!(
        organization.open_steps(&organization.plan(&lowered, &scope).await?, &email).await?.len(),
        0
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn two_levels_in_one_place_contradict_each_other(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let (email, user, place) = member(&organization).await?;
    let [admin, owner] =
        ["ws:admin", "ws:owner"].map(|id| json!({"id": id, "workspace_id": place}));
    let desired = json!({"users": [{"email": email, "roles": [admin, owner]}]});
    let plan = organization.plan(&desired, &json!({})).await?;
    assert_eq!(
        (&plan["status"], &plan["row_errors"][0]["column"]),
        (&json!("failed"), &json!("roles"))
    );

    // Of rules, a person gets the highest.
    let synced = &organization.synced;
    let department = user["department"].as_str().context("no department")?;
    let rules = json!([
        rule(department, json!({"roles": [owner]})),
        rule(department, json!({"roles": [admin]}))
    ]);
    let set = synced
        .rule_set(rules, json!({"guards": {"max_removals": {"count": 1000, "percent": 100}}}))
        .await?;
    let request = json!({"rule_set_id": set});
    for expected in [vec!["role_assignment.grant".to_owned()], Vec::new()] {
        let requested = synced.api.post("reconciliations", &request).await?;
        synced.work().await?;
        let plan = organization.read(&crate::sync::id_of(&requested.body)?).await?;
        assert_eq!(organization.open_steps(&plan, &email).await?, expected, "{plan}");
        if !expected.is_empty() {
            organization.apply(&plan).await?;
        }
    }
    assert_eq!(organization.roles(&user, "ws:owner").await?, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_is_named_twice_is_done_once(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let groups = synced.all("groups?source=synced&limit=100").await?;
    let (group, named) = groups.iter().next().context("no group")?;
    let (workspace, name) = synced.place(1);
    let members = organization.members().await?;
    let (email, _) = members
        .iter()
        .find(|(_, user)| !ids(&user["workspaces"]).contains(&workspace))
        .context("everybody is there")?;
    let desired = json!({"users": [{"email": email, "workspaces": [workspace, name],
        "groups": [group, named["name"]],
        "roles": [{"id": "ws:admin", "workspace_id": name}, {"id": "ws:admin", "workspace_id": workspace}]}]});
    let plan = organization.plan(&desired, &json!({})).await?;
    let mut open = organization.open_steps(&plan, email).await?;
    open.sort();
    open.retain(|kind| kind != "group_member.add");
    assert_eq!(open, ["role_assignment.grant", "workspace_member.add"]);
    let steps = organization.steps(&plan).await?;
    let added = steps.iter().filter(|step| step["operation"]["type"] == "group_member.add");
    assert!(added.count() <= 1, "{steps:#?}");
    assert_eq!(organization.apply(&plan).await?["status"], "applied");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_level_that_others_changed_is_a_conflict(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let (email, user, place) = member(&organization).await?;
    organization.bring(&with_level(&email, "ws:admin", &place), &json!({})).await?;
    let options = json!({"scope": {"roles": [
        {"id": "ws:admin", "workspace_id": place, "mode": "authoritative"}]},
        "guards": {"max_removals": {"count": 1000, "percent": 100}}});
    let desired = json!({"users": [{"email": email, "roles": []}]});
    let plan = organization.plan(&desired, &options).await?;
    assert_eq!(organization.open_steps(&plan, &email).await?, ["role_assignment.revoke"]);
    let raised = json!({"team_id": place, "user_id": user["id"]});
    organization.synced.outside("admin.users.setOwner", &raised).await?;
    let applied = organization.apply(&plan).await?;
    let steps = organization.steps(&plan).await?;
    let step = steps.iter().find(|step| step["subject"]["key"] == *email).context("no step")?;
    assert_eq!(step["outcome"], "conflict", "{step}");
    assert_eq!(applied["status"], "partially_applied");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_level_is_given_while_it_is_unknown_which_one_is_held(
    pool: PgPool,
) -> anyhow::Result<()> {
    let resources = json!({"resources": ["users", "workspaces", "groups"]});
    let organization = Organization::of(SyncedApp::new(pool, resources).await?).await?;
    let path = "users?source=synced&user_type=member&status=active&limit=1000";
    let users = organization.synced.all(path).await?;
    let user = users.values().find(|user| user["workspaces"][0]["id"].is_string());
    let user = user.context("no member of a workspace")?;
    let email = user["emails"][0]["email"].as_str().context("no address")?;
    let place = user["workspaces"][0]["id"].as_str().context("no workspace")?;
    let plan = organization.plan(&with_level(email, "ws:admin", place), &json!({})).await?;
    let steps = organization.steps(&plan).await?;
    assert_eq!((steps.len(), &steps[0]["outcome"]), (1, &json!("skipped")), "{steps:#?}");
    assert!(steps[0]["detail"].to_string().contains("`role_assignments`"), "{steps:#?}");
    Ok(())
}
