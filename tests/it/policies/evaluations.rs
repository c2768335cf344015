//! `GET /policies/evaluations`: when the policies of each account were evaluated, and which could not be.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::Fault;
use time::Duration;

use super::kinds::Change;
use crate::support::{Client, bearer};
use crate::sync::SyncedApp;

impl SyncedApp {
    /// Returns the evaluation of the account.
    async fn evaluation(&self) -> anyhow::Result<Value> {
        let path = format!("policies/evaluations?integrated_account_id={}", self.account);
        let list = self.app.home.api.get(&path).await?.success()?;
        let [only] = list["result"].as_array().map(Vec::as_slice).context("no list")? else {
            anyhow::bail!("not one: {list}");
        };
        assert_eq!(only["integrated_account_id"], self.account);
        Ok(only.clone())
    }

    /// Returns the policies and the codes of the problems.
    async fn problems(&self) -> anyhow::Result<Vec<(Value, Value)>> {
        let evaluation = self.evaluation().await?;
        let problems = evaluation["problems"].as_array().context("no problems")?;
        Ok(problems.iter().map(|one| (one["policy_id"].clone(), one["code"].clone())).collect())
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn policies_that_could_not_be_evaluated_are_listed(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"resources": ["users", "workspaces"]})).await?;
    let list = synced.app.home.api.get("policies/evaluations").await?.success()?;
    assert_eq!(list["result"], json!([]));
    synced.synced().await?;
    synced.follow().await?;
    let [(_, user), (_, other), ..] = &*synced.plain_members() else {
        anyhow::bail!("no members");
    };
    // Neither true nor false for one person.
    let expression = format!("id = '{}' ? title : true", user.id);
    let failing = synced.policy("expression", json!({"expression": "true"}), json!({})).await?;
    assert_eq!(synced.problems().await?, [(failing["id"].clone(), json!("resource_not_synced"))]);
    let detail = &synced.evaluation().await?["problems"][0]["detail"];
    assert!(
        detail.as_str().is_some_and(|text| text.contains("no complete synced copy")),
        "{detail}"
    );

    // All resources are copied now.
    let path = format!("integrated-accounts/{}", synced.account);
    let resources = json!(["users", "workspaces", "groups", "role_assignments"]);
    let sync = json!({"sync": {"enabled": true, "resources": resources}});
    synced.app.home.api.patch(&path, &sync).await?.success()?;
    synced.synced().await?;
    synced.evaluate().await?;
    let evaluated = synced.evaluation().await?;
    assert_eq!(evaluated["problems"], json!([]), "{evaluated}");

    let path = format!("policies/{}", failing["id"].as_str().context("no id")?);
    let change = json!({"parameters": {"expression": expression}});
    synced.app.home.admin.patch(&path, &change).await?.success()?;
    synced.app.clock.advance(Duration::seconds(1));
    synced.evaluate().await?;
    let expected = [(failing["id"].clone(), json!("expression_failed"))];
    assert_eq!(synced.problems().await?, expected);
    let later = synced.evaluation().await?;
    assert!(later["evaluated_at"].as_str() > evaluated["evaluated_at"].as_str(), "{later}");

    // An event about another person does not end the problem, and a run over everybody does.
    synced.make(&[Change::set(&other.id, "title", "Cartographer")]).await?;
    assert!(synced.evaluation().await?["evaluated_at"].as_str() > later["evaluated_at"].as_str());
    assert_eq!(synced.problems().await?, expected);
    let change = json!({"parameters": {"expression": "true"}});
    synced.app.home.admin.patch(&path, &change).await?.success()?;
    synced.evaluate().await?;
    assert_eq!(synced.problems().await?, []);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn evaluations_are_listed_in_pages_and_by_account(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let second = synced.app.link("globex").await?;
    let path = format!("integrated-accounts/{second}");
    synced.app.home.api.patch(&path, &json!({"sync": {"enabled": true}})).await?.success()?;
    let run = synced.app.home.api.post("syncs", &json!({"integrated_account_id": second})).await?;
    assert_eq!(run.status, 202, "{}", run.text);
    synced.work().await?;
    synced.policy("duplicate_emails", json!({}), json!({})).await?;
    let (rows, pages) = synced.app.home.api.all("policies/evaluations?limit=1").await?;
    let mut ids: Vec<&Value> = rows.iter().map(|row| &row["integrated_account_id"]).collect();
    ids.sort_by_key(ToString::to_string);
    let mut expected = [json!(second), json!(synced.account)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!((ids, pages), (expected.iter().collect(), 2));

    let tokens = format!("integrated-accounts/{second}/tokens");
    let token = synced.app.home.api.post(&tokens, &json!({"scopes": ["read"]})).await?.created()?;
    let token = token.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    let token = Client::new(synced.app.base_url.clone())?.with("authorization", &bearer(token))?;
    let own = token.get("policies/evaluations").await?.success()?;
    assert_eq!(own["result"].as_array().map(Vec::len), Some(1), "{own}");
    assert_eq!(own["result"][0]["integrated_account_id"], second);
    let path = format!("policies/evaluations?integrated_account_id={}", synced.account);
    token.get(&path).await?.problem(404, "account_not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_partial_run_is_evaluated(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.policy("guests_must_expire", json!({"within_days": 30}), json!({})).await?;
    let owners = json!({"role_ids": ["org:owner"]});
    let owners = synced.policy("two_factor_required", owners, json!({})).await?;
    synced.app.sandbox.add_fault(Fault::refused("admin.roles.listAssignments", "missing_scope", 9));
    let run = synced.run().await?;
    assert_eq!(run["status"], "partial", "{run}");
    synced.evaluate().await?;
    assert!(!synced.drift("&status=open").await?.is_empty());
    assert_eq!(synced.problems().await?, [(owners["id"].clone(), json!("resource_not_synced"))]);
    Ok(())
}
