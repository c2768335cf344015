//! A token that is rejected for one call may be valid: it is checked before a refresh or the end of the account.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{Fault, SlackApp};

use super::status;
use crate::support::{Client, TestApp};

/// Links an account of an app with these scopes, with or without token rotation.
async fn linked(
    pool: PgPool,
    scopes: &[&str],
    rotation: bool,
) -> anyhow::Result<(TestApp, String)> {
    let app = TestApp::new(pool).await?;
    app.sandbox.register_app(SlackApp { rotation, ..SlackApp::default_app() });
    let apps = app.home.admin.get("provider-apps").await?.success()?;
    let id = apps.pointer("/result/0/id").and_then(Value::as_str).context("no app")?;
    let body = json!({"scopes": scopes});
    app.home.admin.patch(&format!("provider-apps/{id}"), &body).await?.success()?;
    let account = app.link("acme").await?;
    Ok((app, account))
}

const WEB_SCOPES: &[&str] = &[
    "admin.users:read",
    "admin.teams:read",
    "admin.roles:read",
    "users:read",
    "users:read.email",
    "team:read",
];

/// Checks that the account is active, and that no refresh token was used.
async fn check_grant_unused(app: &TestApp, account: &str) -> anyhow::Result<()> {
    assert_eq!(status(app, account).await?, "active");
    assert_eq!(app.sandbox.stats().refreshes, 0);
    app.client_for(account)?.get("users?limit=1").await?.success()?;
    Ok(())
}

async fn first_user(api: &Client) -> anyhow::Result<String> {
    let users = api.get("users?limit=1").await?.success()?;
    let id = users.pointer("/result/0/id").and_then(Value::as_str);
    Ok(id.context("no user")?.to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_missing_scope_loses_no_grant(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_SCOPES, false).await?;
    let api = app.client_for(&account)?;
    let response = api.get("proxy/audit/v1/logs?limit=1").await?;
    assert_eq!((response.status, &response.body["error"]), (401, &json!("invalid_authentication")));
    // SCIM adds fields to a user: without its scope they are missing.
    let user = api.get(&format!("users/{}", first_user(&api).await?)).await?.success()?;
    assert!(user.pointer("/result/name").is_some_and(Value::is_string), "{user}");
    let change = json!({"title": "Detective"});
    let rejected = api.patch(&format!("users/{}", first_user(&api).await?), &change).await?;
    rejected.problem(403, "provider_forbidden");
    check_grant_unused(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_missing_scope_uses_no_rotating_refresh_token(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_SCOPES, true).await?;
    let api = app.client_for(&account)?;
    for _ in 0..3 {
        assert_eq!(api.get("proxy/audit/v1/logs?limit=1").await?.status, 401);
    }
    check_grant_unused(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_a_method_that_the_token_type_does_not_permit(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_SCOPES, false).await?;
    let api = app.client_for(&account)?;
    let tried = app.calls("auth.test");
    for code in ["invalid_auth", "not_authed"] {
        app.sandbox.add_fault(Fault::refused("team.info", code, 1));
        let response = api.get("proxy/api/team.info").await?.success()?;
        assert_eq!(response, json!({"ok": false, "error": code}));
    }
    assert_eq!(app.calls("auth.test") - tried, 1, "once for all that are rejected");
    app.sandbox.add_fault(Fault::refused("admin.users.list", "invalid_auth", 1));
    let rejected = api.get("users?limit=1").await?;
    let problem = rejected.problem(403, "provider_forbidden");
    assert_eq!(problem.pointer("/provider/error"), Some(&json!("invalid_auth")));
    check_grant_unused(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn loses_no_grant_when_the_token_check_is_unavailable(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_SCOPES, false).await?;
    let api = app.client_for(&account)?;
    for failure in ["internal_error", "ratelimited"] {
        app.sandbox.add_fault(Fault::refused("team.info", "invalid_auth", 1));
        app.sandbox.add_fault(Fault::refused("auth.test", failure, 1));
        api.get("proxy/api/team.info").await?.success()?;
    }
    check_grant_unused(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unconfirmed_rejection_uses_no_refresh_token(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_SCOPES, true).await?;
    for (code, of_trial) in [
        ("invalid_auth", "internal_error"),
        ("token_expired", "ratelimited"),
        ("token_revoked", "fatal_error"),
    ] {
        app.sandbox.add_fault(Fault::refused("team.info", code, 1));
        app.sandbox.add_fault(Fault::refused("auth.test", of_trial, 1));
        let response = app.client_for(&account)?.get("proxy/api/team.info").await?.success()?;
        assert_eq!(response, json!({"ok": false, "error": code}));
    }
    check_grant_unused(&app, &account).await
}

/// Makes the provider return that a valid token is invalid.
async fn echo(pool: PgPool, rotation: bool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_SCOPES, rotation).await?;
    let api = app.client_for(&account)?;
    let tried = app.calls("auth.test");
    for code in ["token_revoked", "token_expired", "account_inactive", "user_removed_from_team"] {
        let echo = api.get(&format!("proxy/api/api.test?error={code}")).await?.success()?;
        let output = (echo.get("ok"), echo.get("error"));
        assert_eq!(output, (Some(&json!(false)), Some(&json!(code))));
    }
    assert_eq!(app.calls("auth.test") - tried, 1, "checked once per interval for a method");
    app.sandbox.add_fault(Fault::refused("admin.users.list", "token_revoked", 1));
    api.get("users?limit=1").await?.problem(403, "provider_forbidden");
    check_grant_unused(&app, &account).await?;
    // The echo hides no real revocation.
    api.get("proxy/api/api.test?error=token_revoked").await?.success()?;
    app.uninstall(&account).await?;
    api.get("users?limit=1").await?.problem(409, "account_needs_reauth");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_error_echoed_from_the_caller_is_no_evidence(pool: PgPool) -> anyhow::Result<()> {
    echo(pool, false).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_error_echoed_from_the_caller_uses_no_refresh_token(pool: PgPool) -> anyhow::Result<()> {
    echo(pool, true).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_error_that_valid_tokens_get_invalidates_no_account(pool: PgPool) -> anyhow::Result<()> {
    // As from an address that the organization does not permit.
    let (app, account) = linked(pool, WEB_SCOPES, false).await?;
    let api = app.client_for(&account)?;
    for method in ["team.info", "admin.users.list", "auth.test"] {
        app.sandbox.add_fault(Fault::refused(method, "invalid_auth", 100));
    }
    assert_eq!(api.get("proxy/api/team.info").await?.success()?["error"], "invalid_auth");
    api.get("users?limit=1").await?.problem(403, "provider_forbidden");
    app.sandbox.clear_faults();
    check_grant_unused(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refresh_without_a_refresh_token_has_no_effect(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_SCOPES, false).await?;
    let path = format!("integrated-accounts/{account}/refresh");
    for _ in 0..2 {
        app.home.api.post(&path, &json!({})).await?.problem(409, "not_refreshable");
    }
    check_grant_unused(&app, &account).await?;
    app.uninstall(&account).await?;
    app.client_for(&account)?.get("users?limit=1").await?.problem(409, "account_needs_reauth");
    app.home.api.post(&path, &json!({})).await?.problem(409, "account_needs_reauth");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_that_the_check_finds_invalid_is_refreshed_or_needs_reauth(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_SCOPES, true).await?;
    let api = app.client_for(&account)?;
    for method in ["team.info", "auth.test"] {
        app.sandbox.add_fault(Fault::refused(method, "invalid_auth", 1));
    }
    assert_eq!(api.get("proxy/api/team.info").await?.success()?["ok"], true);
    assert_eq!(app.sandbox.stats().refreshes, 1);
    app.uninstall(&account).await?;
    api.get("users?limit=1").await?.problem(409, "account_needs_reauth");
    assert_eq!(status(&app, &account).await?, "needs_reauth");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_a_workspace_closed_to_the_app_and_hides_no_user(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_SCOPES, false).await?;
    let api = app.client_for(&account)?;
    app.sandbox.add_fault(Fault::refused("users.list", "team_access_not_granted", 1));
    let rejected = api.get("users?status=invited&limit=100").await?;
    let problem = rejected.problem(403, "provider_forbidden");
    assert_eq!(problem.pointer("/provider/error"), Some(&json!("team_access_not_granted")));
    check_grant_unused(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_rejected_new_pair_is_not_refreshed_repeatedly(pool: PgPool) -> anyhow::Result<()> {
    // As if the app did not permit the gateway's address.
    let (app, account) = linked(pool, WEB_SCOPES, true).await?;
    let api = app.client_for(&account)?;
    for method in ["team.info", "auth.test"] {
        app.sandbox.add_fault(Fault::refused(method, "invalid_auth", 100));
    }
    for _ in 0..5 {
        let response = api.get("proxy/api/team.info").await?.success()?;
        assert_eq!(response["error"], "invalid_auth");
    }
    assert_eq!(app.sandbox.stats().refreshes, 1);
    assert_eq!(status(&app, &account).await?, "active");
    app.sandbox.clear_faults();
    api.get("proxy/api/team.info").await?.success()?;
    Ok(())
}
