//! What limits plans of rule sets: the request, other plans, and what was taken within a day.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::planned::Organization;
use super::rule_sets::rule;
use crate::sync::{SyncedApp, id_of};

/// Returns the ids of members who are not in a workspace.
async fn outside(organization: &Organization, place: &str) -> anyhow::Result<Vec<String>> {
    let members = organization.members().await?;
    let is_outside =
        |user: &Value| !super::planned::ids(&user["workspaces"]).contains(&place.to_owned());
    let ids =
        members.values().filter(|user| is_outside(user)).filter_map(|user| user["id"].as_str());
    Ok(ids.map(str::to_owned).collect())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_mode_of_a_request_has_precedence_over_that_of_the_rule_set(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let (one, two) = (synced.place(0).0, synced.place(1).0);
    let rules = json!([rule("No such department", json!({"workspaces": [one, two]}))]);
    let set = synced.rule_set(rules, json!({"mode": "authoritative"})).await?;
    let removals = async |options: Value| -> anyhow::Result<(u64, bool)> {
        let mut body = json!({"rule_set_id": set});
        body.as_object_mut()
            .context("no object")?
            .extend(options.as_object().cloned().unwrap_or_default());
        let requested = synced.api.post("reconciliations", &body).await?;
        synced.work().await?;
        let plan = organization.read(&id_of(&requested.body)?).await?;
        let count = plan["removals"]["removals"].as_u64().context("no plan")?;
        let steps = organization.steps(&plan).await?;
        Ok((count, steps.iter().any(|step| step["operation"]["workspace_id"] == *one)))
    };
    assert!(removals(json!({})).await?.0 > 0);
    assert_eq!(removals(json!({"mode": "additive"})).await?.0, 0);
    let scope = json!({"scope": {"workspaces": [{"id": one, "mode": "additive"}]}});
    let (count, is_of_one) = removals(scope).await?;
    assert!(count > 0 && !is_of_one);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_automatic_plan_waits_for_the_plan_that_is_under_way(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let place = synced.place(0).0;
    let rules = json!([rule("Waiting room", json!({"workspaces": [place]}))]);
    synced.rule_set(rules, json!({"auto": true})).await?;
    let user = outside(&organization, &place).await?.into_iter().next().context("nobody")?;
    let members = organization.members().await?;
    let other = members.iter().find(|(_, one)| one["id"] != *user).context("nobody else")?.0;
    let manual = organization
        .plan(&json!({"users": [{"email": other, "title": "Paused"}]}), &json!({}))
        .await?;
    let id = manual["id"].as_str().context("no id")?;
    let control = async |what: &str, body: Value| -> anyhow::Result<()> {
        let done = synced.api.post(&format!("reconciliations/{id}/{what}"), &body).await?;
        anyhow::ensure!(done.status < 300, "{}", done.text);
        Ok(())
    };
    control("apply", json!({"hash": manual["hash"]})).await?;
    control("pause", json!({})).await?;
    synced.work().await?;
    assert_eq!(organization.read(id).await?["status"], "paused");

    synced.set_department(&user, "Waiting room").await?;
    synced.apply_rule_sets().await?;
    let newest = synced.reconciliations().await?.remove(0);
    assert_eq!(newest["status"], "planning", "{newest}");
    assert!(!synced.workspaces_of(&user).await?.contains(&place));

    control("resume", json!({})).await?;
    synced.work().await?;
    sqlx::query("UPDATE jobs SET run_at = clock_timestamp() WHERE ended_at IS NULL")
        .execute(&synced.app.pool)
        .await?;
    synced.work().await?;
    let newest = synced.reconciliations().await?.remove(0);
    assert_eq!(newest["status"], "applied", "{newest}");
    assert!(synced.workspaces_of(&user).await?.contains(&place));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn many_small_automatic_plans_take_no_more_than_a_large_one(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let mut place = String::new();
    for index in 0..3 {
        place = synced.place(index).0;
        if outside(&organization, &place).await?.len() > 1 {
            break;
        }
    }
    let rules = json!([rule("Waiting room", json!({"workspaces": [place]}))]);
    let limited = json!({"auto": true, "mode": "authoritative",
        "guards": {"max_removals": {"count": 1, "percent": 0}}});
    synced.rule_set(rules, limited).await?;
    let users = outside(&organization, &place).await?;
    let [one, two, ..] = &*users else { anyhow::bail!("too few") };
    for user in [one, two] {
        synced.set_department(user, "Waiting room").await?;
        synced.apply_rule_sets().await?;
        assert!(synced.workspaces_of(user).await?.contains(&place));
    }
    for (user, status, is_member) in [(one, "applied", false), (two, "planned", true)] {
        synced.set_department(user, "Elsewhere").await?;
        synced.apply_rule_sets().await?;
        let newest = synced.reconciliations().await?.remove(0);
        assert_eq!(newest["status"], status, "{newest}");
        assert_eq!(synced.workspaces_of(user).await?.contains(&place), is_member);
    }
    let newest = synced.reconciliations().await?.remove(0);
    assert_eq!(newest["removals"], json!({"removals": 1, "allowed": 0, "override_removals": 1}));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn nobody_desired_is_no_reason_to_deactivate_everybody(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let refused = synced.upload("prune=true", super::CSV, "email,title\n").await?;
    refused.problem(422, "invalid_desired_state");
    let listed = json!({"desired": {"users": []}, "prune": true});
    synced.api.post("reconciliations", &listed).await?.problem(422, "invalid_desired_state");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_automatic_plan_that_waits_follows_the_rule_set_as_it_is_then(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let place = synced.place(0).0;
    let rules = json!([rule("Waiting room", json!({"workspaces": [place]}))]);
    let set = synced.rule_set(rules, json!({"auto": true})).await?;
    let user = outside(&organization, &place).await?.into_iter().next().context("nobody")?;
    // The plan of an event is requested, and not made yet.
    synced.set_department(&user, "Waiting room").await?;
    synced.request_automatic_plans().await?;
    let path = format!("rule-sets/{set}");
    let guards = json!({"guards": {"protected": [user]}});
    synced.app.home.admin.patch(&path, &guards).await?.success()?;
    synced.work().await?;
    let newest = synced.reconciliations().await?.remove(0);
    let steps = organization.steps(&newest).await?;
    assert!(steps[0]["detail"].to_string().contains("protected"), "{newest}: {steps:#?}");

    synced.app.home.admin.patch(&path, &json!({"guards": {}})).await?.success()?;
    synced.set_department(&user, "Elsewhere").await?;
    synced.set_department(&user, "Waiting room").await?;
    synced.request_automatic_plans().await?;
    synced.app.home.admin.patch(&path, &json!({"auto": false})).await?.success()?;
    synced.work().await?;
    let newest = synced.reconciliations().await?.remove(0);
    let code = &newest["problem"]["code"];
    assert_eq!((&newest["status"], code), (&json!("failed"), &json!("rule_set_not_automatic")));
    assert!(!synced.workspaces_of(&user).await?.contains(&place));
    Ok(())
}
