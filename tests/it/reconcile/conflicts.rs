//! What others change after the plan was made, what the provider refuses, and what is paused, cancelled or interrupted.

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::app;
use tokio_util::sync::CancellationToken;

use super::planned::{Organization, ids, outline};
use crate::sync::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_whom_others_changed_is_a_conflict_and_does_not_stop_the_rest(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let [(one, one_user), (two, two_user), (three, three_user)] =
        &*members.iter().take(3).collect::<Vec<_>>()
    else {
        anyhow::bail!("no members")
    };
    let desired = json!({"users": [
        {"email": one, "department": "Planned"},
        {"email": two, "department": "Planned"},
        {"email": three, "department": "Planned"},
    ]});
    let plan = organization.plan(&desired, &json!({})).await?;
    // Others change the same field, and make the planned change themselves.
    for (user, department) in [(one_user, "Other"), (two_user, "Planned")] {
        let id = user["id"].as_str().unwrap_or_default();
        let body = json!({"department": department});
        organization
            .synced
            .app
            .home
            .api
            .patch(
                &format!("users/{id}?integrated_account_id={}", organization.synced.account),
                &body,
            )
            .await?
            .success()?;
    }
    let applied = organization.apply(&plan).await?;
    let steps = organization.steps(&plan).await?;
    assert_eq!(applied["status"], "partially_applied", "{steps:#?}");
    let mut outcomes: Vec<String> =
        outline(&steps).into_iter().map(|(_, key, outcome)| format!("{key} {outcome}")).collect();
    outcomes.sort();
    let mut expected =
        vec![format!("{one} conflict"), format!("{two} unchanged"), format!("{three} applied")];
    expected.sort();
    assert_eq!(outcomes, expected, "{steps:#?}");
    assert_eq!(organization.live(one_user).await?["department"], "Other");
    assert_eq!(organization.live(three_user).await?["department"], "Planned");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_plan_creates_the_workspace_that_its_people_join(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let (email, user) = members.iter().next().expect("a member");
    let desired = json!({
        "workspaces": [{"name": "Night Shift", "domain": "night-shift"}],
        "users": [{"email": email, "workspaces": ["night shift"]},
            {"email": "new.night@example.com", "name": "Nia Night", "workspaces": ["Night Shift"]}],
    });
    let plan = organization.plan(&desired, &json!({})).await?;
    let steps = organization.steps(&plan).await?;
    assert_eq!(steps[0]["operation"]["type"], "workspace.create", "{steps:#?}");
    let applied = organization.apply(&plan).await?;
    let steps = organization.steps(&plan).await?;
    assert_eq!(applied["status"], "applied", "{steps:#?}");
    let before = ids(&user["workspaces"]).len();
    assert_eq!(ids(&organization.live(user).await?["workspaces"]).len(), before + 1);
    let again = organization.plan(&desired, &json!({})).await?;
    assert_eq!(organization.steps(&again).await?, Vec::<Value>::new(), "{again}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_the_provider_can_not_do_is_skipped_with_the_reason(
    pool: PgPool,
) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let [workspace, ..] = &*organization.workspaces else { anyhow::bail!("no workspaces") };
    let channel = organization.synced.app.sandbox.with_org(|org| {
        let team = org.workspaces.iter().find(|team| team.id == *workspace)?;
        team.channels.first().map(|channel| channel.id.clone())
    });
    let desired = json!({"users": [
        {"email": "guest.admin@example.com", "name": "Gus Guest", "user_type": "guest_multi_channel",
            "workspaces": [{"id": workspace, "channel_ids": [channel]}],
            "roles": [{"id": "ws:admin", "workspace_id": workspace}]},
        {"email": "no.channel@example.com", "name": "Nora Channel", "user_type": "guest_multi_channel",
            "workspaces": [workspace]},
    ]});
    let plan = organization.plan(&desired, &json!({})).await?;
    let steps = organization.steps(&plan).await?;
    let of = |key: &str, kind: &str| {
        steps.iter().find(|step| step["subject"]["key"] == key && step["operation"]["type"] == kind)
    };
    let admin = of("guest.admin@example.com", "role_assignment.grant").expect("a step");
    assert!(admin["detail"].as_str().is_some_and(|why| why.contains("guest")), "{admin}");
    let created = of("guest.admin@example.com", "user.create").expect("a step");
    assert_eq!(created["outcome"], "pending", "{created}");
    let refused = of("no.channel@example.com", "user.create").expect("a step");
    assert!(refused["detail"].as_str().is_some_and(|why| why.contains("channel")), "{refused}");
    let applied = organization.apply(&plan).await?;
    assert_eq!(applied["status"], "applied", "{:#?}", organization.steps(&plan).await?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_reconciliation_is_paused_resumed_and_cancelled(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let people: Vec<Value> =
        members.keys().take(6).map(|email| json!({"email": email, "title": "Planned"})).collect();
    let plan = organization.plan(&json!({"users": people}), &json!({})).await?;
    let id = plan["id"].as_str().unwrap_or_default();
    let api = &organization.synced.api;
    let control =
        async |what: &str| api.post(&format!("reconciliations/{id}/{what}"), &json!({})).await;
    control("pause").await?.problem(409, "reconciliation_wrong_status");
    let body = json!({"hash": plan["hash"]});
    assert_eq!(api.post(&format!("reconciliations/{id}/apply"), &body).await?.status, 202);
    // Another plan of the account waits.
    let other = organization.plan(&json!({"users": [people[0]]}), &json!({})).await;
    let _ = other?;
    let paused = organization.read(id).await?;
    assert_eq!(paused["status"], "applied", "{paused}");

    let people: Vec<Value> =
        members.keys().take(6).map(|email| json!({"email": email, "title": "Again"})).collect();
    let plan = organization.plan(&json!({"users": people}), &json!({})).await?;
    let id = plan["id"].as_str().unwrap_or_default();
    let control =
        async |what: &str| api.post(&format!("reconciliations/{id}/{what}"), &json!({})).await;
    let body = json!({"hash": plan["hash"]});
    assert_eq!(api.post(&format!("reconciliations/{id}/apply"), &body).await?.status, 202);
    control("pause").await?.success()?;
    organization.synced.work().await?;
    let paused = organization.read(id).await?;
    assert_eq!((&paused["status"], &paused["counts"]["pending"]), (&json!("paused"), &json!(6)));
    control("resume").await?.success()?;
    control("cancel").await?.success()?;
    organization.synced.work().await?;
    let cancelled = organization.read(id).await?;
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    assert_eq!(cancelled["counts"]["pending"], 6);
    control("resume").await?.problem(409, "reconciliation_wrong_status");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn another_process_continues_without_doing_a_step_twice(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let members = organization.members().await?;
    let [_, second, ..] = &*organization.workspaces else { anyhow::bail!("no workspaces") };
    let mut people: Vec<Value> = members
        .keys()
        .take(8)
        .map(|email| json!({"email": email, "title": "Once", "workspaces": [second]}))
        .collect();
    people.push(json!({"email": "once@example.com", "name": "On Ce", "workspaces": [second]}));
    let desired = json!({"users": people});
    let plan = organization.plan(&desired, &json!({})).await?;
    let id = plan["id"].as_str().unwrap_or_default();
    let body = json!({"hash": plan["hash"]});
    let path = format!("reconciliations/{id}/apply");
    assert_eq!(synced.api.post(&path, &body).await?.status, 202);

    // The process ends in the middle of a write, once three were made.
    let stop = CancellationToken::new();
    let before = synced.app.calls("scim.users.update");
    tokio::select! {
        worked = synced.app.jobs.work_once(&stop) => { worked?; }
        () = async {
            while synced.app.calls("scim.users.update") < before + 3 {
                tokio::task::yield_now().await;
            }
        } => {}
    }
    let expired = "UPDATE jobs SET lease_until = clock_timestamp() - interval '1 second'
        WHERE status = 'running' AND lease_until IS NOT NULL";
    sqlx::query(expired).execute(&synced.app.pool).await?;
    let (_, other) = synced.app.second_gateway(&synced.app.config).await?;
    let lease = synced.app.config.sync.lease();
    let successor = app::job_worker(&other.policies, "successor".to_owned(), lease);
    synced.work_by(&successor).await?;
    let ended = organization.read(id).await?;
    assert_eq!(ended["status"], "applied", "{:#?}", organization.steps(&plan).await?);
    // One write each: a step that was done is found done.
    assert!(synced.app.calls("scim.users.update") - before <= 8 + 1);
    let again = organization.plan(&desired, &json!({})).await?;
    assert_eq!(organization.steps(&again).await?, Vec::<Value>::new(), "{again}");
    Ok(())
}

/// Pauses a reconciliation as soon as one of its steps begins.
const PAUSE_AT_FIRST_STEP: [&str; 2] = [
    "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         UPDATE reconciliations SET control = 'pause' WHERE reconciliation_id = NEW.reconciliation_id;
         RETURN NEW; END $$",
    "CREATE TRIGGER pause AFTER UPDATE OF started_at ON reconciliation_steps
         FOR EACH ROW WHEN (OLD.started_at IS NULL) EXECUTE FUNCTION pause()",
];

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_step_that_was_sent_before_a_pause_has_its_outcome(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let (email, place) = organization.member_elsewhere().await?;
    let desired = json!({"users": [{"email": email, "title": "Sent", "workspaces": [place]}]});
    let plan = organization.plan(&desired, &json!({})).await?;
    for statement in PAUSE_AT_FIRST_STEP {
        sqlx::query(statement).execute(&synced.app.pool).await?;
    }
    let paused = organization.apply(&plan).await?;
    let steps = organization.steps(&plan).await?;
    let outcomes: Vec<String> = outline(&steps).into_iter().map(|(.., outcome)| outcome).collect();
    assert_eq!(
        (&paused["status"], &*outcomes),
        (&json!("paused"), &["applied".to_owned(), "pending".to_owned()][..])
    );

    sqlx::query("DROP TRIGGER pause ON reconciliation_steps").execute(&synced.app.pool).await?;
    let id = plan["id"].as_str().unwrap_or_default();
    let path = format!("reconciliations/{id}/resume");
    synced.api.post(&path, &json!({})).await?.success()?;
    synced.work().await?;
    let ended = organization.read(id).await?;
    assert_eq!((&ended["status"], &ended["counts"]["applied"]), (&json!("applied"), &json!(2)));
    Ok(())
}

/// Cancels a reconciliation when its last step that was sent has an outcome: others were told to pause before.
const CANCEL_AT_FIRST_OUTCOME: [&str; 2] = [
    "CREATE FUNCTION cancel() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         UPDATE reconciliations SET control = 'cancel' WHERE reconciliation_id = NEW.reconciliation_id;
         RETURN NEW; END $$",
    "CREATE CONSTRAINT TRIGGER cancel AFTER UPDATE OF ended_at ON reconciliation_steps
         DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION cancel()",
];

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_plan_that_is_cancelled_while_it_pauses_is_cancelled(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let (email, place) = organization.member_elsewhere().await?;
    // The second step is told to pause before the first one, which was sent, has its outcome.
    let desired = json!({"users": [{"email": email, "title": "Sent", "workspaces": [place]}]});
    let plan = organization.plan(&desired, &json!({})).await?;
    for statement in PAUSE_AT_FIRST_STEP.into_iter().chain(CANCEL_AT_FIRST_OUTCOME) {
        sqlx::query(statement).execute(&synced.app.pool).await?;
    }
    let cancelled = organization.apply(&plan).await?;
    assert_eq!(cancelled["status"], "cancelled", "{cancelled}");
    assert!(cancelled["ended_at"].is_string(), "{cancelled}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_who_got_a_role_meanwhile_is_not_deactivated(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let placed = members.iter().find(|(_, user)| user["workspaces"][0]["id"].is_string());
    let Some((email, user)) = placed else { anyhow::bail!("no member of a workspace") };
    let desired = json!({"users": [{"email": email, "status": "inactive"}]});
    let plan = organization.plan(&desired, &json!({})).await?;
    let role = json!({"user_id": user["id"], "role_id": "ws:owner",
        "workspace_id": user["workspaces"][0]["id"]});
    organization.synced.api.post("role-assignments", &role).await?.created()?;
    organization.apply(&plan).await?;
    let steps = organization.steps(&plan).await?;
    assert_eq!(steps[0]["outcome"], "conflict", "{steps:#?}");
    assert!(steps[0]["detail"].to_string().contains("the roles"), "{steps:#?}");
    assert_eq!(organization.live(user).await?["status"], "active");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_person_who_is_reactivated_joins_workspaces(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let members = organization.members().await?;
    let Some((email, user)) = members.iter().next() else { anyhow::bail!("no member") };
    let [workspace, ..] = &*organization.workspaces else { anyhow::bail!("no workspaces") };
    let leaves = json!({"users": [{"email": email, "status": "inactive"}]});
    organization.bring(&leaves, &json!({})).await?;
    let back = json!({"users": [{"email": email, "status": "active", "workspaces": [workspace],
        "roles": [{"id": "ws:admin", "workspace_id": workspace}]}]});
    organization.bring(&back, &json!({})).await?;
    let live = organization.live(user).await?;
    assert_eq!(live["status"], "active", "{live}");
    assert!(ids(&live["workspaces"]).contains(workspace), "{live}");
    Ok(())
}
