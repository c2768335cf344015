//! What a policy may say: validation with pointers, evaluation without storing, and the starter set.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use super::kinds::Change;
use crate::support::{Client, TestApp};
use crate::sync::SyncedApp;

/// Returns a policy about the owners of the organization.
pub(super) fn policy(more: Value) -> Value {
    let mut policy = json!({"name": "At most one owner", "kind": "max_holders",
        "parameters": {"role_ids": ["org:owner"], "count": 1}});
    if let (Some(policy), Value::Object(more)) = (policy.as_object_mut(), more) {
        policy.extend(more);
    }
    policy
}

/// Returns a policy of another kind.
pub(super) fn of_kind(kind: &str, parameters: Value) -> Value {
    let mut more = json!({"kind": kind});
    more["parameters"] = parameters;
    policy(more)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_invalid_policy_is_rejected_with_the_pointer_of_each_error(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let other = synced.app.tenant("other").await?;
    let foreign = synced.app.link_in(&other, "acme").await?;
    let workspace = synced.workspace(0);
    let of = of_kind;
    let when = |when: Value| {
        of("forbidden_workspaces", json!({"when": when, "workspace_ids": [workspace]}))
    };
    let field = |field: &str, op: &str, value: Value| {
        when(json!({"field": field, "op": op, "value": value}))
    };
    let holders = |more: Value| {
        let mut parameters = json!({"role_ids": ["org:owner"], "count": 1});
        if let (Some(parameters), Value::Object(more)) = (parameters.as_object_mut(), more) {
            parameters.extend(more);
        }
        parameters
    };
    let invalid_jsonata = "$sum(";
    let nested = json!({"all": [{"field": "title", "op": "eq", "value": "x"},
        {"not": {"expression": invalid_jsonata}}]});
    let deep = (0..8).fold(json!({"expression": "true"}), |inner, _| json!({ "not": inner }));
    let cases = [
        (policy(json!({"name": " "})), vec!["/name"]),
        (policy(json!({"name": "x".repeat(201)})), vec!["/name"]),
        (policy(json!({"grace_s": 7_776_001})), vec!["/grace_s"]),
        (policy(json!({"severity": "fatal"})), vec!["/severity"]),
        (policy(json!({"mode": "delete"})), vec!["/mode"]),
        (policy(json!({"integrated_account_ids": []})), vec!["/integrated_account_ids"]),
        (
            policy(json!({"integrated_account_ids": [synced.account, foreign]})),
            vec!["/integrated_account_ids/1"],
        ),
        (policy(json!({"integrated_account_ids": ["acc_x"]})), vec!["/integrated_account_ids/0"]),
        (of("min_owners", json!({})), vec!["/kind"]),
        (policy(json!({"kind": "no", "name": ""})), vec!["/name", "/kind"]),
        (of("duplicate_emails", json!({"domains": []})), vec!["/parameters/domains"]),
        (of("max_holders", json!(7)), vec!["/parameters"]),
        (
            of("max_holders", holders(json!({"role_ids": ["org:owner", "org:king"]}))),
            vec!["/parameters/role_ids/1"],
        ),
        (of("max_holders", holders(json!({"role_ids": []}))), vec!["/parameters/role_ids"]),
        (
            of("max_holders", holders(json!({"workspace_ids": []}))),
            vec!["/parameters/workspace_ids"],
        ),
        (
            of("max_holders", holders(json!({"workspace_ids": [workspace, "T0"]}))),
            vec!["/parameters/workspace_ids/1"],
        ),
        (of("max_holders", holders(json!({"count": 1_000_001}))), vec!["/parameters/count"]),
        (of("max_holders", holders(json!({"count": -1}))), vec!["/parameters/count"]),
        (of("min_holders", holders(json!({"count": 0}))), vec!["/parameters/count"]),
        (
            of("min_holders", json!({"role_ids": [], "count": 0})),
            vec!["/parameters/role_ids", "/parameters/count"],
        ),
        (of("separation_of_duties", json!({"role_ids": ["Rl01"]})), vec!["/parameters/role_ids"]),
        (
            of("separation_of_duties", json!({"role_ids": ["Rl01", "Rl01"]})),
            vec!["/parameters/role_ids"],
        ),
        (
            of("role_holders", json!({"role_ids": ["org:owner"], "allowed": {}})),
            vec!["/parameters/allowed"],
        ),
        (
            of("role_holders", json!({"role_ids": ["org:owner"], "allowed": {"names": ["Ada"]}})),
            vec!["/parameters/allowed/names"],
        ),
        (
            of(
                "role_holders",
                json!({"role_ids": ["org:owner"], "allowed": {"expression": invalid_jsonata}}),
            ),
            vec!["/parameters/allowed/expression"],
        ),
        (of("allowed_email_domains", json!({"domains": []})), vec!["/parameters/domains"]),
        (
            of("allowed_email_domains", json!({"domains": ["a.example", "@b.example"]})),
            vec!["/parameters/domains/1"],
        ),
        (
            of("allowed_email_domains", json!({"domains": ["a.example"], "user_types": []})),
            vec!["/parameters/user_types"],
        ),
        (
            of("allowed_email_domains", json!({"domains": ["a.example"], "user_types": ["robot"]})),
            vec!["/parameters/user_types/0"],
        ),
        (of("guests_must_expire", json!({"within_days": 0})), vec!["/parameters/within_days"]),
        (of("guests_must_expire", json!({"within_days": 3_651})), vec!["/parameters/within_days"]),
        (of("inactive_users", json!({"days": 0})), vec!["/parameters/days"]),
        (of("inactive_users", json!({"days": -1})), vec!["/parameters/days"]),
        (
            of("max_holders", json!({"role_ids": ["org:owner"], "count": 1.5})),
            vec!["/parameters/count"],
        ),
        (of("guest_limits", json!({})), vec!["/parameters"]),
        (of("guest_limits", json!({"max_workspaces": 0})), vec!["/parameters/max_workspaces"]),
        (of("two_factor_required", json!({"role_ids": []})), vec!["/parameters/role_ids"]),
        (of("two_factor_required", json!({"users": []})), vec!["/parameters/users"]),
        (of("sso_required", json!({"role_ids": ["org:king"]})), vec!["/parameters/role_ids/0"]),
        (of("unmanaged_change", json!({"role_ids": []})), vec!["/parameters/role_ids"]),
        (of("unmanaged_change", json!({"since": "yesterday"})), vec!["/parameters/since"]),
        (of("expression", json!({"expression": ""})), vec!["/parameters/expression"]),
        (of("expression", json!({"expression": invalid_jsonata})), vec!["/parameters/expression"]),
        (of("required_workspaces", json!({"workspace_ids": [workspace]})), vec!["/parameters"]),
        (field("shoe_size", "eq", json!(44)), vec!["/parameters/when"]),
        (field("title", "like", json!("x")), vec!["/parameters/when"]),
        (field("title", "eq", json!(["x"])), vec!["/parameters/when"]),
        (field("title", "in", json!([])), vec!["/parameters/when"]),
        (field("title", "contains", json!(7)), vec!["/parameters/when"]),
        (field("title", "exists", json!("yes")), vec!["/parameters/when"]),
        (when(json!({"all": []})), vec!["/parameters/when"]),
        (
            when(json!({"all": [{"expression": "true"}], "any": [{"expression": "true"}]})),
            vec!["/parameters/when"],
        ),
        (when(deep), vec!["/parameters/when"]),
        (when(nested), vec!["/parameters/when/all/1/not/expression"]),
    ];
    let admin = &synced.app.home.admin;
    for (body, pointers) in &cases {
        let refused = admin.post("policies", body).await?;
        refused.problem(422, "invalid_body");
        assert_eq!(refused.pointers(), *pointers, "{body}: {}", refused.text);
        assert!(
            !refused.text.contains("u32"),
            "no type of a programming language: {}",
            refused.text
        );
        // The same for an evaluation, and for a change.
        let unsaved = json!({"policy": body, "integrated_account_id": synced.account});
        let refused = admin.post("policies/evaluate", &unsaved).await?;
        refused.problem(422, "invalid_body");
        let within: Vec<String> = pointers.iter().map(|one| format!("/policy{one}")).collect();
        assert_eq!(refused.pointers(), within, "{body}: {}", refused.text);
    }
    assert_eq!(admin.get("policies").await?.success()?["result"], json!([]));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_is_validated_as_a_new_policy(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let admin = &app.home.admin;
    let created = admin.post("policies", &policy(json!({}))).await?.created()?;
    let path = format!("policies/{}", created["result"]["id"].as_str().context("no id")?);
    for (change, pointer) in [
        (json!({"name": ""}), "/name"),
        (json!({"parameters": {"role_ids": ["org:owner"]}}), "/parameters"),
        (json!({"integrated_account_ids": []}), "/integrated_account_ids"),
        (json!({"kind": "min_holders"}), "/kind"),
        (json!({"grace_s": 7_776_001}), "/grace_s"),
    ] {
        let refused = admin.patch(&path, &change).await?;
        refused.problem(422, "invalid_body");
        assert_eq!(refused.pointers(), [pointer], "{change}: {}", refused.text);
    }
    assert_eq!(admin.get(&path).await?.success()?["result"], created["result"]);
    app.clock.advance(Duration::seconds(1));
    let account = app.link("acme").await?;
    let change = json!({"name": "Renamed", "severity": "critical", "grace_s": 60, "mode": "fix",
        "integrated_account_ids": [account]});
    let changed = admin.patch(&path, &change).await?.success()?;
    for (field, value) in change.as_object().context("no fields")? {
        assert_eq!(changed["result"][field], *value);
    }
    assert!(changed["result"]["updated_at"].as_str() > created["result"]["updated_at"].as_str());
    let everywhere = admin.patch(&path, &json!({"integrated_account_ids": null})).await?;
    assert_eq!(everywhere.success()?["result"]["integrated_account_ids"], Value::Null);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_evaluation_stores_nothing_and_knows_the_past(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let [(_, user), ..] = &*synced.plain_members() else { anyhow::bail!("no members") };
    let workspace = synced.workspace(0);
    let before = synced.app.clock.now().format(&Rfc3339)?;
    synced.app.clock.advance(Duration::seconds(1));
    synced.make(&[Change::level("admin.users.setAdmin", &user.id, &workspace)]).await?;
    synced.app.clock.advance(Duration::seconds(1));
    let count = synced.events().await?.len();
    let allowed = json!({"role_ids": ["ws:admin"], "allowed": {"user_ids": ["nobody"]}});
    let evaluated = async |client: &Client, as_of: Option<&str>| {
        let body = json!({"integrated_account_id": synced.account, "as_of": as_of,
            "policy": of_kind("role_holders", allowed.clone())});
        let found = client.post("policies/evaluate", &body).await?.success()?;
        let found = found["result"]["findings"].as_array().context("no findings")?.clone();
        anyhow::Ok(found.iter().any(|one| one["subject"]["id"] == user.id))
    };
    let api = &synced.app.home.api;
    assert!(evaluated(api, None).await?);
    assert!(!evaluated(api, Some(&before)).await?);
    let now = synced.app.clock.now().format(&Rfc3339)?;
    assert!(evaluated(api, Some(&now)).await?);
    assert_eq!(synced.events().await?.len(), count);
    assert_eq!(synced.drift("").await?, Vec::<Value>::new());
    assert_eq!(api.get("policies").await?.success()?["result"], json!([]));
    // A stored policy, in the past.
    let stored =
        synced.policy("role_holders", allowed.clone(), json!({"is_active": false})).await?;
    let path = format!("policies/{}/evaluate", stored["id"].as_str().context("no id")?);
    for (as_of, is_found) in [(&before, false), (&now, true)] {
        let found = synced.api.post(&path, &json!({ "as_of": as_of })).await?.success()?;
        assert_eq!(found["result"]["integrated_account_id"], synced.account);
        let found = found["result"]["findings"].as_array().context("no findings")?;
        assert_eq!(found.iter().any(|one| one["subject"]["id"] == user.id), is_found, "{as_of}");
    }
    let body = json!({"as_of": "2020-01-01T00:00:00Z"});
    synced.api.post(&path, &body).await?.problem(400, "as_of_out_of_range");
    let copied = synced.app.link("globex").await?;
    let body = json!({"integrated_account_id": copied});
    synced.app.home.api.post(&path, &body).await?.problem(409, "not_synced");
    synced.app.home.api.post(&path, &json!({})).await?.problem(400, "account_required");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_starter_policies_are_created_once(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let admin = &synced.app.home.admin;
    let first = admin.post("policies/starter", &json!({})).await?.created()?;
    let created = first["result"].as_array().context("no policies")?;
    assert_eq!(created.len(), 7);
    assert!(created.iter().all(|one| one["mode"] == "alert" && one["is_active"] == true));
    let again = admin.post("policies/starter", &json!({})).await?.created()?;
    assert_eq!(again["result"], json!([]));
    let path = format!("policies/{}", created[0]["id"].as_str().context("no id")?);
    admin.delete(&path).await?.success()?;
    let again = admin.post("policies/starter", &json!({})).await?.created()?;
    assert_eq!(again["result_count"], 1);
    assert_eq!(again["result"][0]["name"], created[0]["name"]);
    // All of them can be evaluated.
    synced.evaluate().await?;
    let problem = "SELECT count(*) FROM policy_evaluations WHERE problem IS NOT NULL";
    let problems: i64 = sqlx::query_scalar(problem).fetch_one(&synced.app.pool).await?;
    assert_eq!(problems, 0);
    let log = admin.get("audit-log?action=policy.created").await?.success()?;
    assert_eq!(log["result_count"], 8);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_change_retains_what_others_change_at_the_same_time(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let created = app.home.admin.post("policies", &policy(json!({}))).await?.created()?;
    let path = format!("policies/{}", created["result"]["id"].as_str().context("no id")?);
    let mut other = app.pool.begin().await?;
    let update = "UPDATE policies SET severity = 'critical', grace_s = 60";
    sqlx::query(update).execute(&mut *other).await?;
    let body = json!({"name": "x"});
    let change = app.home.admin.patch(&path, &body);
    let commit = async {
        // The change was made to the policy as it was before, and waits for the other one.
        let waiting = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.pool).await? == 0 {
            tokio::task::yield_now().await;
        }
        Ok(other.commit().await?)
    };
    let (changed, ()) = tokio::try_join!(change, commit)?;
    let changed = changed.success()?;
    for policy in [&changed, &app.home.admin.get(&path).await?.success()?] {
        let policy = &policy["result"];
        assert_eq!(policy["name"], "x", "{policy}");
        assert_eq!((&policy["severity"], &policy["grace_s"]), (&json!("critical"), &json!(60)));
    }
    Ok(())
}
