//! The provider calls that a plan announces are those that applying it takes.

use serde_json::json;
use sqlx::PgPool;

use super::mixture::Mixture;
use super::planned::Organization;
use crate::sync::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_planned_calls_are_those_of_the_application(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| setup.sandbox.users = 120).await?;
    let organization = Organization::of(synced).await?;
    let mixture = Mixture::of(&organization).await?;
    let whole = mixture.desired(0)?;
    let mut desired = vec![json!({"workspaces": whole["workspaces"], "users": []})];
    for user in whole["users"].as_array().into_iter().flatten() {
        desired.push(json!({"users": [user]}));
    }
    desired.push(mixture.desired(1)?);
    let mut differences = Vec::new();
    for desired in desired {
        let plan = organization.plan(&desired, &json!({})).await?;
        let counts = || organization.synced.app.sandbox.requests(None).counts;
        let before = counts();
        let applied = organization.apply(&plan).await?;
        assert_eq!(applied["status"], "applied", "{:#?}", organization.steps(&plan).await?);
        let made: Vec<(String, u64)> = counts()
            .into_iter()
            .map(|(method, count)| {
                let earlier = before.get(&method).copied().unwrap_or_default();
                (method, count - earlier)
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        let sum: u64 = made.iter().map(|(_, count)| count).sum();
        if plan["provider_calls"] != sum {
            let types: Vec<String> = organization
                .steps(&plan)
                .await?
                .iter()
                .map(|step| format!("{}={}", step["operation"]["type"], step["provider_calls"]))
                .collect();
            differences.push(format!(
                "{types:?}: planned {}, made {sum}: {made:?}",
                plan["provider_calls"]
            ));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
    Ok(())
}
