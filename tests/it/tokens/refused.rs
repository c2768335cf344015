//! A token that is not taken for one call may live: it is tried before a grant is spent or given up.

use anyhow::Context as _;
use serde_json::{Value, json};
use sqlx::PgPool;
use switchboard::sandbox::{App, Fault};

use super::status;
use crate::support::{Client, TestApp};

/// An account of an app with these scopes, whose tokens rotate or don't.
async fn linked(
    pool: PgPool,
    scopes: &[&str],
    rotation: bool,
) -> anyhow::Result<(TestApp, String)> {
    let app = TestApp::new(pool).await?;
    app.sandbox.register_app(App { rotation, ..App::default_app() });
    let apps = app.home.admin.get("provider-apps").await?.okay()?;
    let id = apps.pointer("/result/0/id").and_then(Value::as_str).context("no app")?;
    let wish = json!({"scopes": scopes});
    app.home.admin.patch(&format!("provider-apps/{id}"), &wish).await?.okay()?;
    let account = app.link("acme").await?;
    Ok((app, account))
}

const WEB_ALONE: &[&str] = &[
    "admin.users:read",
    "admin.teams:read",
    "admin.roles:read",
    "users:read",
    "users:read.email",
    "team:read",
];

/// The account works, and nothing was spent.
async fn is_as_before(app: &TestApp, account: &str) -> anyhow::Result<()> {
    assert_eq!(status(app, account).await?, "active");
    assert_eq!(app.sandbox.state().refreshes, 0);
    app.on(account)?.get("users?limit=1").await?.okay()?;
    Ok(())
}

async fn first_user(api: &Client) -> anyhow::Result<String> {
    let users = api.get("users?limit=1").await?.okay()?;
    let id = users.pointer("/result/0/id").and_then(Value::as_str);
    Ok(id.context("nobody")?.to_owned())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_scope_that_was_not_granted_costs_no_grant(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_ALONE, false).await?;
    let api = app.on(&account)?;
    let answer = api.get("proxy/audit/v1/logs?limit=1").await?;
    assert_eq!((answer.status, &answer.body["error"]), (401, &json!("invalid_authentication")));
    // SCIM adds to a person what it may: without its scope the rest is there.
    let user = api.get(&format!("users/{}", first_user(&api).await?)).await?.okay()?;
    assert!(user.pointer("/result/name").is_some_and(Value::is_string), "{user}");
    let change = json!({"title": "Detective"});
    let refused = api.patch(&format!("users/{}", first_user(&api).await?), &change).await?;
    refused.problem(403, "provider_forbidden");
    is_as_before(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn tokens_that_rotate_are_not_spent_on_it_either(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_ALONE, true).await?;
    let api = app.on(&account)?;
    for _ in 0..3 {
        assert_eq!(api.get("proxy/audit/v1/logs?limit=1").await?.status, 401);
    }
    is_as_before(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_method_that_is_not_for_the_token_is_told_as_it_is(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_ALONE, false).await?;
    let api = app.on(&account)?;
    let tried = app.calls("auth.test");
    for code in ["invalid_auth", "not_authed"] {
        app.sandbox.add_fault(Fault::refusal("team.info", code, 1));
        let answer = api.get("proxy/api/team.info").await?.okay()?;
        assert_eq!(answer, json!({"ok": false, "error": code}));
    }
    assert_eq!(app.calls("auth.test") - tried, 1, "once for all that are refused");
    app.sandbox.add_fault(Fault::refusal("admin.users.list", "invalid_auth", 1));
    let refused = api.get("users?limit=1").await?;
    let problem = refused.problem(403, "provider_forbidden");
    assert_eq!(problem.pointer("/provider/error"), Some(&json!("invalid_auth")));
    is_as_before(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn whoever_can_not_try_it_gives_nothing_up(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_ALONE, false).await?;
    let api = app.on(&account)?;
    for trouble in ["internal_error", "ratelimited"] {
        app.sandbox.add_fault(Fault::refusal("team.info", "invalid_auth", 1));
        app.sandbox.add_fault(Fault::refusal("auth.test", trouble, 1));
        api.get("proxy/api/team.info").await?.okay()?;
    }
    is_as_before(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn no_grant_is_spent_on_a_refusal_that_nobody_confirms(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_ALONE, true).await?;
    for (code, of_trial) in [
        ("invalid_auth", "internal_error"),
        ("token_expired", "ratelimited"),
        ("token_revoked", "fatal_error"),
    ] {
        app.sandbox.add_fault(Fault::refusal("team.info", code, 1));
        app.sandbox.add_fault(Fault::refusal("auth.test", of_trial, 1));
        let answer = app.on(&account)?.get("proxy/api/team.info").await?.okay()?;
        assert_eq!(answer, json!({"ok": false, "error": code}));
    }
    is_as_before(&app, &account).await
}

/// Makes the provider say that a valid token is invalid.
async fn echo(pool: PgPool, rotation: bool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_ALONE, rotation).await?;
    let api = app.on(&account)?;
    let tried = app.calls("auth.test");
    for code in ["token_revoked", "token_expired", "account_inactive", "user_removed_from_team"] {
        let echo = api.get(&format!("proxy/api/api.test?error={code}")).await?.okay()?;
        let said = (echo.get("ok"), echo.get("error"));
        assert_eq!(said, (Some(&json!(false)), Some(&json!(code))));
    }
    assert_eq!(app.calls("auth.test") - tried, 1, "asked once a while for a method");
    app.sandbox.add_fault(Fault::refusal("admin.users.list", "token_revoked", 1));
    api.get("users?limit=1").await?.problem(403, "provider_forbidden");
    is_as_before(&app, &account).await?;
    // The echo hides no real loss.
    api.get("proxy/api/api.test?error=token_revoked").await?.okay()?;
    app.uninstall(&account).await?;
    api.get("users?limit=1").await?.problem(409, "account_needs_reauth");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_a_caller_makes_the_provider_say_is_no_evidence(pool: PgPool) -> anyhow::Result<()> {
    echo(pool, false).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn what_a_caller_makes_the_provider_say_spends_no_grant(pool: PgPool) -> anyhow::Result<()> {
    echo(pool, true).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refusal_that_a_valid_token_can_meet_ends_no_account(pool: PgPool) -> anyhow::Result<()> {
    // As from an address that the organization does not admit.
    let (app, account) = linked(pool, WEB_ALONE, false).await?;
    let api = app.on(&account)?;
    for method in ["team.info", "admin.users.list", "auth.test"] {
        app.sandbox.add_fault(Fault::refusal(method, "invalid_auth", 100));
    }
    assert_eq!(api.get("proxy/api/team.info").await?.okay()?["error"], "invalid_auth");
    api.get("users?limit=1").await?.problem(403, "provider_forbidden");
    app.sandbox.clear_faults();
    is_as_before(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refresh_without_a_refresh_token_changes_nothing(pool: PgPool) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_ALONE, false).await?;
    let path = format!("integrated-accounts/{account}/refresh");
    for _ in 0..2 {
        app.home.api.post(&path, &json!({})).await?.problem(409, "no_refresh_token");
    }
    is_as_before(&app, &account).await?;
    app.uninstall(&account).await?;
    app.on(&account)?.get("users?limit=1").await?.problem(409, "account_needs_reauth");
    app.home.api.post(&path, &json!({})).await?.problem(409, "account_needs_reauth");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_that_the_trial_shows_dead_is_given_up_or_renewed(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_ALONE, true).await?;
    let api = app.on(&account)?;
    for method in ["team.info", "auth.test"] {
        app.sandbox.add_fault(Fault::refusal(method, "invalid_auth", 1));
    }
    assert_eq!(api.get("proxy/api/team.info").await?.okay()?["ok"], true);
    assert_eq!(app.sandbox.state().refreshes, 1);
    app.uninstall(&account).await?;
    api.get("users?limit=1").await?.problem(409, "account_needs_reauth");
    assert_eq!(status(&app, &account).await?, "needs_reauth");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_workspace_that_is_closed_to_the_app_is_told_and_hides_nobody(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (app, account) = linked(pool, WEB_ALONE, false).await?;
    let api = app.on(&account)?;
    app.sandbox.add_fault(Fault::refusal("users.list", "team_access_not_granted", 1));
    let refused = api.get("users?status=invited&limit=100").await?;
    let problem = refused.problem(403, "provider_forbidden");
    assert_eq!(problem.pointer("/provider/error"), Some(&json!("team_access_not_granted")));
    is_as_before(&app, &account).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_new_pair_that_is_refused_too_is_not_renewed_again_and_again(
    pool: PgPool,
) -> anyhow::Result<()> {
    // As when the gateway's address is none that the app admits.
    let (app, account) = linked(pool, WEB_ALONE, true).await?;
    let api = app.on(&account)?;
    for method in ["team.info", "auth.test"] {
        app.sandbox.add_fault(Fault::refusal(method, "invalid_auth", 100));
    }
    for _ in 0..5 {
        let answer = api.get("proxy/api/team.info").await?.okay()?;
        assert_eq!(answer["error"], "invalid_auth");
    }
    assert_eq!(app.sandbox.state().refreshes, 1);
    assert_eq!(status(&app, &account).await?, "active");
    app.sandbox.clear_faults();
    api.get("proxy/api/team.info").await?.okay()?;
    Ok(())
}
