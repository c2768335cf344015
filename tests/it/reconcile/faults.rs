//! A provider that fails at every step: no write is made twice, and each step has its true outcome.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};

use super::mixture::{Mixture, WRITES, writes_of};
use super::planned::Organization;
use crate::sync::SyncedApp;

/// The keys of steps whose outcome is one of these.
fn keys(steps: &[Value], outcomes: &[&str]) -> BTreeSet<String> {
    let of = steps.iter().filter(|step| outcomes.iter().any(|one| step["outcome"] == *one));
    of.map(|step| step["subject"]["key"].to_string()).collect()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn each_write_is_made_once_and_has_its_true_outcome(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| {
        setup.sandbox.users = 120;
        setup.config.upstream.response_timeout_s = 0.3;
    })
    .await?;
    let organization = Organization::of(synced).await?;
    let mixture = Mixture::of(&organization).await?;
    let kinds = [
        FaultKind::LostResponse,
        FaultKind::CutBody,
        FaultKind::ServerError,
        FaultKind::Html,
        FaultKind::RateLimited,
        FaultKind::Timeout,
    ];
    for (round, kind) in kinds.into_iter().enumerate() {
        let desired = mixture.desired(round)?;
        let plan = organization.plan(&desired, &json!({"max_errors": 100})).await?;
        let planned = writes_of(&organization.steps(&plan).await?);
        let before = organization.all_carried_out();
        for method in WRITES {
            let seconds = (kind == FaultKind::Timeout).then_some(0.5);
            let fault = Fault { seconds, ..Fault::for_next_calls(method, kind, 1) };
            organization.synced.app.sandbox.add_fault(fault);
        }
        let applied = organization.apply(&plan).await?;
        organization.synced.app.sandbox.clear_faults();
        let steps = organization.steps(&plan).await?;
        assert_eq!(applied["counts"]["pending"], 0, "{kind:?}: {applied}");
        for (method, count) in organization.all_carried_out() {
            let made = count - before[method];
            assert!(made <= planned[method], "{kind:?} {method}: {made} > {planned:?} {steps:#?}");
        }
        // What is reported as applied is done, and what is left is what failed.
        organization.synced.synced().await?;
        let again = organization.plan(&desired, &json!({})).await?;
        let left = keys(&organization.steps(&again).await?, &["pending"]);
        let not_done = keys(&steps, &["failed", "conflict", "skipped"]);
        assert_eq!(left, not_done, "{kind:?}: {steps:#?}");
        organization.bring(&desired, &json!({})).await?;
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_holder_who_can_not_be_read_is_no_holder(pool: PgPool) -> anyhow::Result<()> {
    let organization = Organization::of(SyncedApp::new(pool, json!({})).await?).await?;
    let synced = &organization.synced;
    let members = organization.members().await?;
    let (place, _) = synced.place(0);
    let admins: Vec<&String> = members.keys().take(2).collect();
    let with = |roles: Value| -> Value {
        let people = admins
            .iter()
            .map(|email| json!({"email": email, "workspaces": [place], "roles": roles}));
        json!({"users": people.collect::<Vec<Value>>()})
    };
    organization
        .bring(&with(json!([{"id": "ws:admin", "workspace_id": place}])), &json!({}))
        .await?;
    let protected: Vec<Value> = synced
        .all("users?source=synced&limit=1000")
        .await?
        .into_values()
        .filter_map(|user| user.pointer("/emails/0/email").cloned())
        .filter(|email| !admins.iter().any(|admin| *email == json!(admin)))
        .collect();
    let options = json!({"scope": {"roles": [{"id": "ws:admin", "workspace_id": place, "mode": "authoritative"}]},
        "guards": {"protected": protected}});
    let plan = organization.plan(&with(json!([])), &options).await?;
    let open = organization.steps(&plan).await?;
    assert_eq!(open.iter().filter(|step| step["outcome"] == "pending").count(), 2, "{open:#?}");
    // After the plan was made, one of the present admins is required.
    let path = format!("role-assignments?source=synced&role[id]=ws:admin&workspace[id]={place}");
    let held = synced.api.get(&path).await?.success()?;
    let present = held["result"].as_array().map_or(0, Vec::len);
    let policy = json!({"name": "Admins", "kind": "min_holders", "severity": "critical",
        "parameters": {"role_ids": ["ws:admin"], "workspace_ids": [place], "count": present - 1}});
    synced.app.home.admin.post("policies", &policy).await?.created()?;
    // The first removal takes effect, and the person can't be read after it.
    let sandbox = synced.app.sandbox.clone();
    let before = synced.app.calls("admin.users.setRegular");
    let path = format!("reconciliations/{}/apply", plan["id"].as_str().unwrap_or_default());
    let requested = synced.api.post(&path, &json!({"hash": plan["hash"]})).await?;
    assert_eq!(requested.status, 202, "{}", requested.text);
    let failing = async {
        while synced.app.calls("admin.users.setRegular") == before {
            tokio::task::yield_now().await;
        }
        sandbox.add_fault(Fault::for_next_calls("scim.users.get", FaultKind::ServerError, 1_000));
        std::future::pending::<()>().await;
    };
    tokio::select! {
        worked = synced.work() => worked?,
        () = failing => {}
    }
    sandbox.clear_faults();
    let left = organization.roles(&members[admins[0]], "ws:admin").await?
        + organization.roles(&members[admins[1]], "ws:admin").await?;
    assert_eq!(left, 1, "{:#?}", organization.steps(&plan).await?);
    Ok(())
}
