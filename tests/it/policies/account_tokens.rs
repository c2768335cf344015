//! What an account token sees of policies and violations, and what it may do.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use time::Duration;
use time::format_description::well_known::Rfc3339;

use super::input::policy;
use crate::support::{Client, bearer};
use crate::sync::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_sees_the_policies_and_violations_of_its_account(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::followed(pool).await?;
    let admin = &synced.app.home.admin;
    let other = synced.app.link("globex").await?;
    let of_account = |ids: Value| json!({"integrated_account_ids": ids});
    let parameters = json!({"role_ids": ["ws:admin"], "allowed": {"user_ids": ["nobody"]}});
    let everywhere = synced.policy("role_holders", parameters, json!({})).await?;
    synced.app.clock.advance(Duration::seconds(1));
    let both = admin.post("policies", &policy(of_account(json!([other, synced.account])))).await?;
    let both = both.created()?["result"].clone();
    let theirs = admin.post("policies", &policy(of_account(json!([other])))).await?.created()?;
    let theirs = theirs["result"]["id"].as_str().context("no id")?.to_owned();

    let token = async |account: &str, scopes: Value| {
        let path = format!("integrated-accounts/{account}/tokens");
        let token =
            synced.app.home.api.post(&path, &json!({ "scopes": scopes })).await?.created()?;
        let token = token.pointer("/result/token").and_then(Value::as_str).context("no token")?;
        Client::new(synced.app.base_url.clone())?.with("authorization", &bearer(token))
    };
    let own = token(&synced.account, json!(["read", "write"])).await?;
    let foreign = token(&other, json!(["read", "write"])).await?;
    let listed = own.get("policies").await?.success()?;
    let ids: Vec<&Value> =
        listed["result"].as_array().context("no list")?.iter().map(|one| &one["id"]).collect();
    assert_eq!(ids, [&everywhere["id"], &both["id"]]);
    assert!(!listed.to_string().contains(&other), "{listed}");
    let path = format!("policies/{}", both["id"].as_str().context("no id")?);
    let read = own.get(&path).await?.success()?;
    assert_eq!(read["result"]["integrated_account_ids"], json!([synced.account]));
    own.get(&format!("policies/{theirs}")).await?.problem(404, "not_found");
    let evaluate = format!("policies/{theirs}/evaluate");
    own.post(&evaluate, &json!({})).await?.problem(404, "not_found");

    // It changes none.
    own.post("policies", &policy(json!({}))).await?.problem(403, "insufficient_scope");
    own.post("policies/starter", &json!({})).await?.problem(403, "insufficient_scope");
    own.patch(&path, &json!({"name": "x"})).await?.problem(403, "insufficient_scope");
    own.delete(&path).await?.problem(403, "insufficient_scope");

    // Violations, and what can be done with them.
    let found = own.get("drift").await?.success()?;
    let found = found["result"].as_array().context("no list")?;
    assert!(!found.is_empty());
    let violation = format!("drift/{}", found[0]["id"].as_str().context("no id")?);
    own.get(&violation).await?.success()?;
    assert_eq!(foreign.get("drift").await?.success()?["result"], json!([]));
    foreign.get(&violation).await?.problem(404, "not_found");
    let until = (synced.app.clock.now() + Duration::hours(1)).format(&Rfc3339)?;
    let reason = json!({"reason": "x", "expires_at": until});
    let acknowledge = format!("{violation}/acknowledge");
    foreign.post(&acknowledge, &reason).await?.problem(404, "not_found");
    foreign.post(&format!("{violation}/fix"), &json!({})).await?.problem(404, "not_found");
    own.post(&acknowledge, &reason).await?.success()?;
    let fixed = own.post(&format!("{violation}/fix"), &json!({})).await?.success()?;
    assert_eq!(fixed["result"]["last_fix"]["operations"][0]["outcome"], "applied");

    // An evaluation of a policy that is not stored shows nothing of another account.
    let place = synced.workspace(0);
    let unsaved = |more: Value| json!({"policy": policy(more)});
    let named = json!({"kind": "forbidden_workspaces", "parameters":
        {"when": {"expression": "true"}, "workspace_ids": [place]}});
    own.post("policies/evaluate", &unsaved(named.clone())).await?.success()?;
    let path = format!("integrated-accounts/{other}");
    synced.app.home.api.patch(&path, &json!({"sync": {"enabled": true}})).await?.success()?;
    let naming = unsaved(of_account(json!([synced.account])));
    let refused = foreign.post("policies/evaluate", &naming).await?;
    refused.problem(422, "invalid_body");
    assert_eq!(refused.pointers(), ["/policy/integrated_account_ids/0"]);
    let unknown = unsaved(of_account(json!(["acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T"])));
    let same = foreign.post("policies/evaluate", &unknown).await?;
    assert_eq!(same.body["errors"], refused.body["errors"]);
    Ok(())
}
