//! Rate limit of refreshes that a caller forces.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use super::advance;
use crate::support::{TestApp, bearer};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_forces_one_refresh_a_minute(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let issued = app.home.api.post(&tokens, &json!({"expires_in_s": 7200})).await?.created()?;
    let token = issued.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    let client = app.anonymous()?.with("authorization", &bearer(token))?;
    let refresh = format!("integrated-accounts/{account}/refresh");
    let refreshes = || app.sandbox.stats().refreshes;
    let log = "audit-log?action=integrated_account.refreshed";
    let entries =
        async || anyhow::Ok(app.home.admin.get(log).await?.success()?["result_count"].clone());

    client.post(&refresh, &json!({})).await?.problem(429, "refresh_too_soon");
    assert_eq!(refreshes(), 0, "the account was linked a moment ago");
    advance(&app, Duration::minutes(1));
    client.post(&refresh, &json!({})).await?.success()?;
    assert_eq!(refreshes(), 1);
    advance(&app, Duration::seconds(20));
    let before = entries().await?;
    for _ in 0..5 {
        let rejected = client.post(&refresh, &json!({})).await?;
        rejected.problem(429, "refresh_too_soon");
        assert_eq!(rejected.header("retry-after"), "40");
        let by_id = json!({"id": account});
        let compat = client.post("integrated-account/refresh-credentials", &by_id).await?;
        assert_eq!(
            (compat.status, &compat.body["type"]),
            (429, &json!("/problems/refresh_too_soon"))
        );
    }
    assert_eq!((refreshes(), entries().await?), (1, before), "nothing was changed or recorded");
    client.get("users?limit=1").await?.success()?;
    // An API key belongs to the SaaS itself.
    app.home.api.post(&refresh, &json!({})).await?.success()?;
    assert_eq!(refreshes(), 2);
    advance(&app, Duration::minutes(1));
    client.post(&refresh, &json!({})).await?.success()?;
    assert_eq!(refreshes(), 3);
    Ok(())
}
