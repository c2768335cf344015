//! Rate limits and failures of the provider: waited for, retried, or reported.

mod fleet;
mod headers;
mod makespan;
mod redis_backend;
mod retry_after;
mod timeouts;

use futures_util::future::join_all;
use serde_json::Value;
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};

use crate::support::TestApp;

/// Multiple of Slack's rates: tier 3 is fifty calls a second.
const TIME_SCALE: f64 = 60.0;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn concurrent_calls_stay_within_the_providers_rate(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.sandbox.time_scale = TIME_SCALE;
        setup.config.limits.time_scale = TIME_SCALE;
    })
    .await?;
    let api = app.linked_client().await?;
    let responses = join_all((0..80).map(|_| api.get("workspaces?limit=1"))).await;
    for response in responses {
        response?.success()?;
    }
    let seen = app.sandbox.requests(None);
    assert_eq!(seen.counts.get("admin.teams.list"), Some(&80));
    assert!(seen.throttled.is_empty(), "{:?}", seen.throttled);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn two_accounts_of_one_organization_share_its_rate(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| {
        setup.sandbox.time_scale = TIME_SCALE;
        setup.config.limits.time_scale = TIME_SCALE;
    })
    .await?;
    let first = app.client_for(&app.link("acme").await?)?;
    let second = app.client_for(&app.link("globex").await?)?;
    let calls = (0..40).flat_map(|_| [&first, &second]);
    for response in join_all(calls.map(|api| api.get("workspaces?limit=1"))).await {
        response?.success()?;
    }
    let seen = app.sandbox.requests(None);
    assert!(seen.throttled.is_empty(), "{:?}", seen.throttled);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn respects_a_pause_that_the_provider_requests(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    app.sandbox.add_fault(Fault::for_next_calls("admin.users.list", FaultKind::RateLimited, 1));
    api.get("users?limit=1").await?.success()?;
    let seen = app.sandbox.requests(Some("admin.users.list")).requests;
    let (first, second) = (seen.first(), seen.get(1));
    let (Some(first), Some(second)) = (first, second) else {
        anyhow::bail!("it was not repeated: {seen:?}");
    };
    assert_eq!((first.status, second.status), (429, 200));
    assert!(second.at - first.at >= time::Duration::seconds(1), "{seen:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn rejects_a_call_that_would_wait_too_long_with_retry_after(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?.with("prefer", "wait=0")?;
    let fault = Fault::for_next_calls("admin.users.list", FaultKind::RateLimited, 1);
    app.sandbox.add_fault(Fault { seconds: Some(30.0), ..fault });
    for _ in 0..2 {
        let rejected = api.get("users?limit=1").await?;
        let problem = rejected.problem(429, "rate_limited");
        assert!((29..=30).contains(&problem["retry_after_s"].as_u64().unwrap_or(0)), "{problem}");
        assert_eq!(rejected.header("retry-after"), problem["retry_after_s"].to_string());
        assert_eq!(problem["provider"]["method"], "admin.users.list");
    }
    assert_eq!(app.calls("admin.users.list"), 1, "no call is sent during the pause");
    api.get("workspaces?limit=1").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn retries_a_read_after_a_server_error(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let accidents =
        [FaultKind::ServerError, FaultKind::Html, FaultKind::CutBody, FaultKind::LostResponse];
    for (kind, before) in accidents.into_iter().zip([0, 2, 4, 6]) {
        app.sandbox.add_fault(Fault::for_next_calls("admin.users.list", kind, 1));
        let page = api.get("users?limit=3").await?.success()?;
        assert_eq!(page["result_count"], 3, "{kind:?}");
        assert_eq!(app.calls("admin.users.list"), before + 2, "{kind:?}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_persistent_server_errors_as_bad_gateway(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for kind in [FaultKind::ServerError, FaultKind::Html, FaultKind::CutBody] {
        app.sandbox.clear_faults();
        app.sandbox.add_fault(Fault::for_next_calls("admin.users.list", kind, 1_000));
        let failed = api.get("users?limit=1").await?;
        let problem = failed.problem(502, "provider_error");
        assert_eq!(problem["provider"]["name"], "slack_enterprise", "{kind:?}");
        assert_eq!(problem["provider"]["method"], "admin.users.list", "{kind:?}");
        assert!(!failed.text.contains("<h1>"), "{}", failed.text);
    }
    assert_eq!(app.calls("admin.users.list"), 3 * 4, "four attempts each");
    app.sandbox.clear_faults();
    api.get("users?limit=1").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_an_unresponsive_provider_as_timeout(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.config.upstream.response_timeout_s = 0.1).await?;
    let api = app.linked_client().await?;
    let fault = Fault::for_next_calls("admin.users.list", FaultKind::Timeout, 1_000);
    app.sandbox.add_fault(Fault { seconds: Some(20.0), ..fault });
    let failed = api.get("users?limit=1").await?;
    failed.problem(504, "provider_timeout");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn does_not_retry_a_change_that_may_have_been_applied(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for (kind, status) in [(FaultKind::LostResponse, 502), (FaultKind::ServerError, 500)] {
        let before = app.calls("auth.revoke");
        app.sandbox.add_fault(Fault::for_next_calls("auth.revoke", kind, 1));
        let form = ("application/x-www-form-urlencoded", "test=true");
        let path = "proxy/api/auth.revoke";
        let response = api.send(http::Method::POST, path, Some(form)).await?;
        assert_eq!(response.status, status, "{kind:?}: {}", response.text);
        assert_eq!(app.calls("auth.revoke"), before + 1, "{kind:?}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn names_the_scope_that_the_account_lacks(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let poor = app.tenant("poor").await?;
    let client = serde_json::json!({"provider": "slack_enterprise", "client_id": "77.88",
        "client_secret": "another-secret", "scopes": ["users:read"]});
    app.sandbox.register_app(switchboard::sandbox::SlackApp::new(
        "77.88",
        "another-secret",
        "Poor",
    ));
    app.clock.advance(time::Duration::seconds(1)); // The newest client is used.
    poor.admin.post("provider-apps", &client).await?.created()?;
    let account = app.link_in(&poor, "acme").await?;
    let api = poor.api.clone().with("x-integrated-account-id", &account)?;
    let rejected = api.get("users").await?;
    let problem = rejected.problem(403, "provider_missing_scope");
    assert_eq!(problem["provider"]["needed_scope"], "admin.users:read");
    assert_eq!(problem["provider"]["provided_scope"], "users:read");
    assert_eq!(problem["provider"]["error"], "missing_scope");
    assert_ne!(problem["provider"]["request_id"], Value::Null);
    Ok(())
}
