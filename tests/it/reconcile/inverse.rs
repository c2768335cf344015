//! Plans that undo others: reviewed as any plan, and under the same guards.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::planned::{Organization, ids};
use crate::sync::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_inverse_is_not_applied_without_a_request_to(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let email = members.keys().next().context("no member")?;
    let desired = json!({"users": [{"email": email, "title": "Approved"}]});
    let applied = organization.plan(&desired, &json!({"approve": "if_no_removals"})).await?;
    assert_eq!(applied["status"], "applied", "{applied}");
    assert_eq!(organization.inverse(&applied).await?["status"], "planned");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_an_inverse_takes_is_counted(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let emails: Vec<&String> = members.keys().take(3).collect();
    let all = |fields: Value| {
        let people = emails.iter().map(|email| {
            let mut person = fields.clone();
            person["email"] = json!(email);
            person
        });
        json!({"users": people.collect::<Vec<Value>>()})
    };
    organization.bring(&all(json!({"status": "inactive"})), &json!({})).await?;
    let back = all(json!({"status": "active", "title": "Back"}));
    let reactivated = organization.bring(&back, &json!({})).await?;
    let inverse = organization.inverse(&reactivated).await?;
    assert_eq!(inverse["removals"]["removals"], 3, "{inverse}");
    assert_eq!(inverse["summary"]["deactivate"], 3, "{inverse}");
    assert_eq!(organization.apply(&inverse).await?["status"], "applied");
    for email in &emails {
        let live = organization.live(&members[*email]).await?;
        assert_eq!(live["status"], "inactive", "{live}");
        assert_eq!(live["title"], members[*email]["title"]);
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_person_of_the_token_is_not_deactivated_by_an_inverse(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let (email, user) = members.iter().next().context("no member")?;
    for status in ["inactive", "active"] {
        let desired = json!({"users": [{"email": email, "status": status}]});
        organization.bring(&desired, &json!({})).await?;
    }
    let newest = organization.synced.api.get("reconciliations?limit=1").await?.success()?;
    // The account is linked again, as the person who was reactivated.
    let relinked = "update integrated_accounts set installer_id = $1";
    let id = user["id"].as_str();
    sqlx::query(relinked).bind(id).execute(&organization.synced.app.pool).await?;
    let inverse = organization.inverse(&newest["result"][0]).await?;
    let steps = organization.steps(&inverse).await?;
    assert_eq!(steps[0]["outcome"], "skipped", "{steps:#?}");
    assert!(steps[0]["detail"].to_string().contains("token"), "{steps:#?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_role_that_was_lost_with_a_workspace_is_given_back(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let placed = members.iter().find(|(_, user)| ids(&user["workspaces"]).len() > 1);
    let (email, user) = placed.context("no member of several workspaces")?;
    let places = ids(&user["workspaces"]);
    let [place, rest @ ..] = &*places else { anyhow::bail!("no workspace") };
    let admin = json!([{"id": "ws:admin", "workspace_id": place}]);
    organization.bring(&json!({"users": [{"email": email, "roles": admin}]}), &json!({})).await?;
    // The others of the workspace are desired as they are.
    let mut people: Vec<Value> = organization
        .synced
        .all("users?source=synced&limit=1000")
        .await?
        .into_values()
        .filter(|other| other["user_type"] != "bot")
        .filter_map(|other| other.pointer("/emails/0/email").cloned())
        .filter(|other| *other != json!(email))
        .map(|other| json!({"email": other}))
        .collect();
    people.push(json!({"email": email, "workspaces": rest}));
    let scope = json!({"scope": {"workspaces": [{"id": place, "mode": "authoritative"}]}});
    let left = organization.bring(&json!({"users": people}), &scope).await?;
    assert_eq!(organization.roles(user, "ws:admin").await?, 0);
    let inverse = organization.inverse(&left).await?;
    assert_eq!(organization.apply(&inverse).await?["status"], "applied", "{inverse}");
    assert_eq!(organization.roles(user, "ws:admin").await?, 1);
    assert_eq!(ids(&organization.live(user).await?["workspaces"]), places);
    Ok(())
}

/// Moves the last step behind 1,000 copies of the first one that are about people who are gone.
const SEPARATE: [&str; 2] = [
    "update reconciliation_steps set position = position + 5000 where reconciliation_id = $1
        and position = (select max(position) from reconciliation_steps where reconciliation_id = $1)",
    "insert into reconciliation_steps (environment_id, integrated_account_id, reconciliation_id, position, phase,
        operation, operation_type, subject, before, after, reason, is_removal, provider_calls, outcome)
     select environment_id, integrated_account_id, reconciliation_id, position + number, phase, operation,
        operation_type, jsonb_build_object('id', 'UGONE' || number, 'key', number || '@example.com', 'name', null),
        before, after, reason, is_removal, provider_calls, outcome
     from reconciliation_steps, generate_series(1, 1000) as numbers (number) where reconciliation_id = $1
        and position = (select min(position) from reconciliation_steps where reconciliation_id = $1)",
];

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_last_of_many_steps_is_undone_first(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let placed = members.iter().find(|(_, user)| ids(&user["workspaces"]).len() > 1);
    let (email, user) = placed.context("no member of several workspaces")?;
    let admin: Vec<Value> = ids(&user["workspaces"])
        .iter()
        .take(2)
        .map(|place| json!({"id": "ws:admin", "workspace_id": place}))
        .collect();
    let desired = json!({"users": [{"email": email, "roles": admin}]});
    let given = organization.bring(&desired, &json!({})).await?;
    let places = |steps: Vec<Value>, kind: &str, outcome: &str| -> Vec<String> {
        let of = |step: &&Value| {
            step["operation"]["type"] == kind
                && step["outcome"] == outcome
                && step["subject"]["key"] == *email
        };
        let place = |step: &Value| step["operation"]["workspace_id"].to_string();
        steps.iter().filter(of).map(place).collect()
    };
    let steps = organization.steps(&given).await?;
    let mut expected = places(steps, "role_assignment.grant", "applied");
    assert_eq!(expected.len(), 2, "{given}");
    expected.reverse();
    for statement in SEPARATE {
        let pool = &organization.synced.app.pool;
        sqlx::query(statement).bind(given["id"].as_str()).execute(pool).await?;
    }
    let inverse = organization.inverse(&given).await?;
    let steps = organization.steps(&inverse).await?;
    assert!(steps.len() > 1_000, "{}", steps.len());
    assert_eq!(places(steps, "role_assignment.revoke", "pending"), expected);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn another_manager_is_planned_and_the_former_one_is_restored(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let managed = members.iter().find(|(_, user)| user["manager"]["id"].is_string());
    let (email, user) = managed.context("nobody has a manager")?;
    let is_other =
        |other: &&Value| other["id"] != user["manager"]["id"] && other["id"] != user["id"];
    let other = members.values().find(is_other).context("no other member")?;
    let desired = json!({"users": [{"email": email, "manager": {"id": other["id"]},
        "department": "Cartography"}]});
    let applied = organization.bring(&desired, &json!({})).await?;
    assert_eq!(organization.live(user).await?["manager"]["id"], other["id"]);
    assert_eq!(organization.plan(&desired, &json!({})).await?["summary"]["update"], 0);
    let inverse = organization.inverse(&applied).await?;
    assert_eq!(organization.apply(&inverse).await?["status"], "applied", "{inverse}");
    let live = organization.live(user).await?;
    assert_eq!(live["manager"]["id"], user["manager"]["id"]);
    assert_eq!(live["department"], user["department"]);
    Ok(())
}
