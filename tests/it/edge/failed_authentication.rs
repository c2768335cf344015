//! Throttling of failed authentication: an address that guesses keys is throttled, and no other.

use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::domain::access::Scope;

use crate::support::{Client, TestApp, bearer};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn throttles_an_address_that_guesses_keys(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.config.server.failed_auth_per_minute = 5;
        "127.0.0.1".clone_into(&mut setup.config.server.trusted_proxies);
    })
    .await?;
    let from = |address: &str, key: &str| {
        let client = app.anonymous()?.with("x-forwarded-for", address)?;
        client.with("authorization", &bearer(key))
    };
    let good = app.home.api.clone().with("x-forwarded-for", "192.0.2.1")?;
    good.get("integrated-accounts").await?.success()?;
    for guess in 0..5 {
        let guess = from("192.0.2.1", &format!("sb_live_{guess}"))?;
        guess.get("integrated-accounts").await?.problem(401, "unauthorized");
    }
    for key in ["sb_live_5", "sb_acct_6"] {
        let rejected = from("192.0.2.1", key)?.get("integrated-accounts").await?;
        rejected.problem(429, "too_many_wrong_keys");
        let pause: u64 = rejected.header("retry-after").parse()?;
        assert!((1..=12).contains(&pause), "{pause}");
    }
    // Keys that authenticated before still work, without a delay.
    good.get("integrated-accounts").await?.success()?;
    let neighbour = from("192.0.2.2", "sb_live_7")?;
    neighbour.get("integrated-accounts").await?.problem(401, "unauthorized");
    let admin = app.home.admin.clone().with("x-forwarded-for", "192.0.2.2")?;
    admin.get("api-keys").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn failed_authentication_from_an_address_blocks_no_valid_key(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.failed_auth_per_minute = 3).await?;
    let account = app.link("acme").await?;
    let path = format!("integrated-accounts/{account}/tokens");
    let token = app.home.api.post(&path, &json!({})).await?.created()?;
    let token = token.pointer("/result/token").and_then(Value::as_str).unwrap_or_default();
    let unused = app.client(app.home.environment_id, &[Scope::Read]).await?;
    let request = json!({"name": "ci", "scopes": ["read"]});
    let revoked = app.home.admin.post("api-keys", &request).await?.created()?;
    let id = revoked.pointer("/result/id").and_then(Value::as_str).unwrap_or_default();
    app.home.admin.delete(&format!("api-keys/{id}")).await?.success()?;
    // A gateway that has just started has seen no key.
    let (base_url, _) = app.second_gateway(&app.config).await?;
    let with_key = |key: &str| Client::new(base_url.clone())?.with("authorization", &bearer(key));
    for guess in 0..3 {
        let guess = with_key(&format!("sb_live_{guess}"))?;
        guess.get("integrated-accounts").await?.problem(401, "unauthorized");
    }
    let guess = with_key("sb_live_v1_AAAA")?;
    guess.get("integrated-accounts").await?.problem(429, "too_many_wrong_keys");
    unused.at(base_url.clone()).get("integrated-accounts").await?.success()?;
    with_key(token)?.get("me").await?.success()?;

    // A revoked key counts only against itself.
    let revoked = revoked.pointer("/result/key").and_then(Value::as_str).unwrap_or_default();
    for _ in 0..3 {
        let revoked = with_key(revoked)?.get("integrated-accounts").await?;
        revoked.problem(401, "unauthorized");
    }
    with_key(revoked)?.get("integrated-accounts").await?.problem(429, "too_many_wrong_keys");
    app.home.admin.clone().at(base_url.clone()).get("api-keys").await?.success()?;
    Ok(())
}
