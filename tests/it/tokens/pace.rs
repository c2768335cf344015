//! Refreshes that a caller asks for, and how often it may.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use time::Duration;

use super::pass;
use crate::support::{TestApp, bearer};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_account_token_forces_one_refresh_a_minute(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let made = app.home.api.post(&tokens, &json!({"expires_in_s": 7200})).await?.created()?;
    let token = made.pointer("/result/token").and_then(Value::as_str).context("no token")?;
    let client = app.nobody()?.with("authorization", &bearer(token))?;
    let refresh = format!("integrated-accounts/{account}/refresh");
    let refreshes = || app.sandbox.state().refreshes;
    let log = "audit-log?action=integrated_account.refreshed";
    let entries =
        async || anyhow::Ok(app.home.admin.get(log).await?.okay()?["result_count"].clone());

    client.post(&refresh, &json!({})).await?.problem(429, "refresh_too_soon");
    assert_eq!(refreshes(), 0, "the account was linked a moment ago");
    pass(&app, Duration::minutes(1));
    client.post(&refresh, &json!({})).await?.okay()?;
    assert_eq!(refreshes(), 1);
    pass(&app, Duration::seconds(20));
    let before = entries().await?;
    for _ in 0..5 {
        let refused = client.post(&refresh, &json!({})).await?;
        refused.problem(429, "refresh_too_soon");
        assert_eq!(refused.header("retry-after"), "40");
        let by_id = json!({"id": account});
        let compat = client.post("integrated-account/refresh-credentials", &by_id).await?;
        assert_eq!(
            (compat.status, &compat.body["type"]),
            (429, &json!("/problems/refresh_too_soon"))
        );
    }
    assert_eq!((refreshes(), entries().await?), (1, before), "nothing was done or noted");
    client.get("users?limit=1").await?.okay()?;
    // An API key is the SaaS's own.
    app.home.api.post(&refresh, &json!({})).await?.okay()?;
    assert_eq!(refreshes(), 2);
    pass(&app, Duration::minutes(1));
    client.post(&refresh, &json!({})).await?.okay()?;
    assert_eq!(refreshes(), 3);
    Ok(())
}
