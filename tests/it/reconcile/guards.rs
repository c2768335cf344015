//! Each guard, and what tries to get past it.

use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use super::planned::{Organization, outline};
use crate::scim::sync::synced as scim_synced;
use crate::scim::writes::set;
use crate::support::scim_server::{ScimOptions, ScimServer};
use crate::sync::SyncedApp;

/// Returns the reason why each step is skipped, by the subject's key.
fn skipped(steps: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let skipped = steps.iter().filter(|step| step["outcome"] == "skipped");
    skipped.map(|step| (text(&step["subject"]["key"]), text(&step["detail"]))).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_plan_with_too_many_removals_needs_the_exact_number(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let leavers: Vec<Value> = members
        .keys()
        .take(25)
        .map(|email| json!({"email": email, "status": "inactive"}))
        .collect();
    let desired = json!({"users": leavers});
    let plan = organization.plan(&desired, &json!({})).await?;
    assert_eq!(
        plan["removals"],
        json!({"removals": 25, "allowed": 20, "override_removals": 25}),
        "{plan}"
    );
    let path = format!("reconciliations/{}/apply", plan["id"].as_str().unwrap_or_default());
    let api = &organization.synced.api;
    let hash = &plan["hash"];
    for (body, problem) in [
        (json!({"hash": hash}), "too_many_removals"),
        (json!({"hash": hash, "override_removals": 24}), "too_many_removals"),
        (json!({"hash": hash, "override_removals": 26}), "too_many_removals"),
        (json!({"hash": "0".repeat(64), "override_removals": 25}), "plan_hash_mismatch"),
    ] {
        api.post(&path, &body).await?.problem(409, problem);
    }
    for leaver in members.values().take(25) {
        assert_ne!(organization.live(leaver).await?["status"], "inactive");
    }

    let applied = organization.apply_with(&plan, &json!({"override_removals": 25})).await?;
    assert_eq!(applied["status"], "applied", "{applied}");
    assert_eq!(applied["counts"]["applied"], 25);
    let audit = organization.synced.app.home.admin.get("audit-log?limit=200").await?.success()?;
    assert!(audit.to_string().contains("override_removals=25"), "{audit}");
    // It was for this plan alone.
    api.post(&path, &json!({"hash": hash, "override_removals": 25}))
        .await?
        .problem(409, "reconciliation_wrong_status");

    // A plan within the limit takes no override.
    let one = json!({"users": [{"email": members.keys().nth(30), "status": "inactive"}]});
    let plan = organization.plan(&one, &json!({})).await?;
    let path = format!("reconciliations/{}/apply", plan["id"].as_str().unwrap_or_default());
    let body = json!({"hash": plan["hash"], "override_removals": 1});
    api.post(&path, &body).await?.problem(409, "too_many_removals");
    // It expires.
    organization.synced.app.clock.advance(Duration::hours(25));
    let body = json!({"hash": plan["hash"]});
    api.post(&path, &body).await?.problem(409, "reconciliation_wrong_status");
    let id = plan["id"].as_str().unwrap_or_default();
    assert_eq!(organization.read(id).await?["status"], "expired");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_person_of_the_token_and_protected_people_are_skipped(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let me = synced.api.get("me").await?.success()?;
    let me = me.pointer("/result/user/id").cloned().unwrap_or_default();
    let users = synced.all("users?source=synced&limit=1000").await?;
    let email = |id: &Value| {
        let user = users.get(id.as_str().unwrap_or_default());
        user.and_then(|user| user.pointer("/emails/0/email")).cloned().unwrap_or_default()
    };
    let protected = organization.members().await?.into_keys().next().unwrap_or_default();
    let desired = json!({"users": [
        {"email": email(&me), "status": "inactive"},
        {"email": protected, "title": "Other", "status": "active"},
    ]});
    let guards = json!({"guards": {"protected": [protected.to_uppercase()]}});
    let plan = organization.plan(&desired, &guards).await?;
    let steps = organization.steps(&plan).await?;
    let skipped = skipped(&steps);
    let expected = [(email(&me), "token"), (json!(protected), "protected")];
    for (who, why) in expected {
        let found = skipped.iter().any(|(key, detail)| {
            who.as_str().is_some_and(|who| who.eq_ignore_ascii_case(key)) && detail.contains(why)
        });
        assert!(found, "{who} {why}: {steps:#?}");
    }
    assert!(outline(&steps).iter().all(|(.., outcome)| outcome == "skipped"), "{steps:#?}");
    assert_eq!(
        (&plan["summary"]["skip"], &plan["removals"]["removals"]),
        (&json!(steps.len()), &json!(0))
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_people_who_are_not_desired_lose_depends_on_the_scope(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let [workspace, ..] = &*organization.workspaces else { anyhow::bail!("no workspaces") };
    let (email, _) = members.iter().next().expect("a member");
    let desired = json!({"users": [{"email": email, "workspaces": [workspace]}]});
    let plan = organization.plan(&desired, &json!({})).await?;
    assert_eq!(plan["removals"]["removals"], 0, "additive: {plan}");

    let path = format!("workspaces/{workspace}/members?source=synced&limit=1000");
    let inside = organization.synced.api.get(&path).await?.success()?;
    let inside = inside["result"].as_array().map_or(0, Vec::len) as u64;
    let scope = json!({"scope": {"workspaces": [{"id": workspace, "mode": "authoritative"}]}});
    let plan = organization.plan(&desired, &scope).await?;
    let steps = organization.steps(&plan).await?;
    let removals =
        steps.iter().filter(|step| step["operation"]["type"] == "workspace_member.remove");
    assert!(removals.count() as u64 >= inside.saturating_sub(2), "{inside}: {steps:#?}");
    assert!(steps.iter().all(|step| {
        let place = &step["operation"]["workspace_id"];
        place.is_null() || place == workspace.as_str()
    }));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn people_of_rows_that_are_left_out_lose_nothing(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let mut people = members.keys();
    let (one, other) = (people.next(), people.next());
    // The group is unknown to the directory, which is found when the plan is made.
    let desired = json!({"users": [{"email": one, "title": "Kept"},
        {"email": other, "groups": ["no such group"]}]});
    let pruned = json!({"skip_bad_rows": true, "prune": true});
    let plan = organization.plan(&desired, &pruned).await?;
    assert_eq!(
        (&plan["status"], &plan["problem"]["code"]),
        (&json!("failed"), &json!("invalid_desired_state")),
        "{plan}"
    );
    let plan = organization.plan(&desired, &json!({"skip_bad_rows": true})).await?;
    assert_eq!(
        (&plan["status"], &plan["summary"]["update"]),
        (&json!("planned"), &json!(1)),
        "{plan}"
    );
    assert_eq!(plan["row_errors"][0]["row"], 2, "{plan}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_plan_deletes_a_user(pool: PgPool) -> anyhow::Result<()> {
    let server = ScimServer::start(ScimOptions::default()).await?;
    server.add_users(3);
    let synced = scim_synced(pool, &server, &json!({"delete_user": "deactivate"})).await?;
    synced.synced().await?;
    let users = synced.all("users?source=synced&limit=100").await?;
    let emails: Vec<&Value> = users.values().map(|user| &user["emails"][0]["email"]).collect();
    let [one, two, ..] = *emails else { anyhow::bail!("no users") };
    // Its groups are no workspaces.
    let organization = Organization { synced, workspaces: Vec::new() };
    let leaves = |email: &Value| json!({"users": [{"email": email, "status": "inactive"}]});
    let planned = organization.plan(&leaves(one), &json!({})).await?;
    // Deactivations become deletions after the plan was made, and before the next one.
    set(&organization.synced.app, "acme", &json!({"delete_user": "delete"})).await?;
    let applied = organization.apply(&planned).await?;
    let steps = organization.steps(&applied).await?;
    assert_eq!(steps[0]["outcome"], "skipped", "{steps:#?}");
    let plan = organization.plan(&leaves(two), &json!({})).await?;
    let reasons = skipped(&organization.steps(&plan).await?);
    assert!(reasons.iter().all(|(_, why)| why.contains("`delete_user`")), "{reasons:?}");
    assert_eq!((reasons.len(), &plan["removals"]["removals"]), (1, &json!(0)), "{plan}");
    assert_eq!(server.users().len(), 3);
    Ok(())
}
