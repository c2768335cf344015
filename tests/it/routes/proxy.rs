//! `/proxy/{path}`: the provider's own API, unchanged.

use anyhow::Context as _;
use http::Method;
use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::access::Scope;

use crate::support::TestApp;

const FORM: &str = "application/x-www-form-urlencoded";

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn passes_the_providers_response_unchanged(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let owner = app.sandbox.with_org(|org| org.primary_owner().map(|owner| owner.id.clone()));
    let owner = owner.context("no owner")?;
    let who = api.get("proxy/api/auth.test").await?.success()?;
    assert_eq!((&who["ok"], &who["user_id"]), (&json!(true), &json!(owner)));
    let info = api.get(&format!("proxy/api/users.info?user={owner}")).await?.success()?;
    assert_eq!(info["user"]["id"], owner);
    let scim = api.get(&format!("proxy/scim/v2/Users/{owner}")).await?;
    assert!(scim.header("content-type").contains("json"));
    assert_eq!(scim.success()?["id"], owner);
    let old = api.get(&format!("proxy/scim/v1/Users/{owner}")).await?.success()?;
    assert_eq!(old["id"], owner);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn passes_the_providers_error_unchanged(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let unknown = api.get("proxy/api/users.info?user=U0NOBODY").await?;
    assert_eq!(unknown.success()?, json!({"ok": false, "error": "user_not_found"}));
    let echo = api.get("proxy/api/api.test?error=my_own_error&foo=bar").await?.success()?;
    assert_eq!(echo["error"], "my_own_error");
    assert_eq!(echo["args"]["foo"], "bar");
    assert_eq!(api.get("proxy/api/no.such.method").await?.success()?["error"], "unknown_method");
    let missing = api.get("proxy/scim/v2/Users/U0NOBODY").await?;
    assert_eq!(missing.status, 404);
    assert_ne!(missing.header("content-type"), "application/problem+json");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn passes_form_and_json_bodies(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let long = "x".repeat(100_000);
    for (kind, body) in [
        (FORM, format!("foo=b%20r&long={long}")),
        ("application/json", json!({"foo": "b r", "long": long}).to_string()),
        ("application/json; charset=utf-8", json!({"foo": "b r", "long": long}).to_string()),
    ] {
        let echo = api.send(Method::POST, "proxy/api/api.test", Some((kind, &body))).await?;
        let echo = echo.success()?;
        assert_eq!(echo["args"]["foo"], "b r", "{kind}");
        assert_eq!(echo["args"]["long"], long, "{kind}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn streams_a_large_body(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.server.max_body_bytes = 1_000).await?;
    let api = app.linked_client().await?;
    let body = format!("long={}", "x".repeat(1_500_000));
    let echo =
        api.send(Method::POST, "proxy/api/api.test", Some((FORM, &body))).await?.success()?;
    assert_eq!(echo["args"]["long"].as_str().map(str::len), Some(1_500_000));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_caller_sees_no_token_and_the_provider_no_key(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let path = format!("proxy/api/api.test?integrated_account_id={account}&foo=bar");
    let echo = app.home.api.get(&path).await?.success()?;
    assert_eq!(echo["args"], json!({"foo": "bar"}), "our own parameter is not passed");
    let cookie =
        app.client_for(&account)?.with("cookie", "a=b")?.get("proxy/api/auth.test").await?;
    assert!(!cookie.text.contains("xox"));
    assert_eq!(cookie.header("set-cookie"), "");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_path_outside_of_the_provider(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let called = app.sandbox.requests(None).requests.len();
    for path in ["oauth/v2/authorize", "_sandbox/state", "api", "scim/v3/Users", "api/x%2F..", "x"]
    {
        let response = api.get(&format!("proxy/{path}")).await?;
        let detail = response.api_error(404, "unknown_provider_path");
        assert!(detail.contains("api/METHOD"), "{detail}");
    }
    assert_eq!(app.sandbox.requests(None).requests.len(), called);
    api.get("proxy").await?.problem(404, "route_not_found");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_sdk_needs_only_an_account_token(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let path = format!("integrated-accounts/{account}/tokens");
    let token = app.home.api.post(&path, &json!({"scopes": ["proxy"]})).await?.created()?;
    let token = token["result"]["token"].as_str().context("no token")?;
    let sdk = app.anonymous()?.with("authorization", &format!("Bearer {token}"))?;
    let who =
        sdk.send(Method::POST, "proxy/api/auth.test", Some((FORM, "a=b"))).await?.success()?;
    assert_eq!(who["ok"], true);
    sdk.get("users").await?.problem(403, "insufficient_scope");
    let reader = app.client(app.home.environment_id, &[Scope::Read, Scope::Write]).await?;
    let reader = reader.with("x-integrated-account-id", &account)?;
    reader.get("proxy/api/auth.test").await?.api_error(403, "insufficient_scope");
    Ok(())
}
