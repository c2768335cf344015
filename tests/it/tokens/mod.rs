//! Token refresh: once, in time, and reported when the grant is lost.

mod account_states;
mod backoff;
mod destination;
pub(crate) mod endpoint;
mod endpoint_timeouts;
mod forced_refresh;
mod malformed_responses;
mod model;
mod proactive_refresh;
mod refresh_failures;
mod rejected_tokens;
mod scim;

use futures_util::future::join_all;
use serde_json::Value;
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use time::Duration;

use crate::support::TestApp;

/// Returns the provider's errors, oldest first.
fn provider_errors(app: &TestApp) -> Vec<String> {
    app.sandbox.requests(None).requests.into_iter().filter_map(|request| request.error).collect()
}

/// Advances both clocks.
fn advance(app: &TestApp, by: Duration) {
    app.clock.advance(by);
    app.sandbox.advance_clock(by);
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn concurrent_calls_with_an_invalid_token_share_one_refresh(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    app.sandbox.advance_clock(Duration::hours(13));
    let responses = join_all((0..200).map(|_| api.get("users?limit=1"))).await;
    for response in responses {
        response?.success()?;
    }
    assert_eq!(app.sandbox.stats().refreshes, 1);
    let log = "audit-log?action=credentials.renewed&actor=refresh&outcome=done";
    let reported = app.home.admin.get(log).await?.success()?;
    assert_eq!(reported["result_count"], 1, "{reported}");
    assert!(
        provider_errors(&app).iter().all(|error| error == "token_expired"),
        "{:?}",
        provider_errors(&app)
    );
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_expiring_token_is_refreshed_before_it_is_sent(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    advance(&app, Duration::hours(12) - Duration::minutes(5));
    api.get("users?limit=1").await?.success()?;
    assert_eq!(app.sandbox.stats().refreshes, 0, "it is valid for five more minutes");
    advance(&app, Duration::minutes(6));
    let responses = join_all((0..50).map(|_| api.get("users?limit=1"))).await;
    for response in responses {
        response?.success()?;
    }
    assert_eq!(app.sandbox.stats().refreshes, 1);
    advance(&app, Duration::days(30));
    api.get("users?limit=1").await?.success()?;
    assert_eq!(app.sandbox.stats().refreshes, 2);
    assert_eq!(provider_errors(&app), Vec::<String>::new(), "no invalid token was sent");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn retries_a_refresh_whose_response_was_lost(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    for kind in [FaultKind::LostResponse, FaultKind::CutBody, FaultKind::ServerError] {
        let before = app.calls("oauth.v2.access");
        app.sandbox.add_fault(Fault::for_next_calls("oauth.v2.access", kind, 1));
        app.sandbox.advance_clock(Duration::hours(13));
        for _ in 0..2 {
            api.get("users?limit=1").await?.success()?;
        }
        let calls = app.calls("oauth.v2.access") - before;
        assert_eq!(calls, 2, "{kind:?}: the one that was lost and its repetition");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_failing_refresh_loses_no_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    app.sandbox.advance_clock(Duration::hours(13));
    app.sandbox.add_fault(Fault::for_next_calls("oauth.v2.access", FaultKind::Html, 1_000));
    api.get("users?limit=1").await?.problem(502, "provider_error");
    assert_eq!(status(&app, &account).await?, "active");
    app.sandbox.clear_faults();
    advance(&app, Duration::seconds(1));
    api.get("users?limit=1").await?.success()?;
    Ok(())
}

async fn status(app: &TestApp, account: &str) -> anyhow::Result<Value> {
    let path = format!("integrated-accounts/{account}");
    let account = app.home.api.get(&path).await?.success()?;
    Ok(account.pointer("/result/status").cloned().unwrap_or_default())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_lost_grant_is_reported_once_recorded_and_restored_by_a_link(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    app.uninstall(&account).await?;
    let responses = join_all((0..20).map(|_| api.get("users?limit=1"))).await;
    for response in responses {
        let response = response?;
        let problem = response.problem(409, "account_needs_reauth");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("invalid_refresh_token"), "{detail}");
    }
    assert_eq!(app.calls("oauth.v2.access"), 2, "the link, and one rejected refresh");
    assert_eq!(status(&app, &account).await?, "needs_reauth");
    let noted: i64 = sqlx::query_scalar(
        "select count(*) from audit_log where action = 'integrated_account.needs_reauth'",
    )
    .fetch_one(&app.pool)
    .await?;
    assert_eq!(noted, 1);

    let called = app.sandbox.requests(None).requests.len();
    for path in ["users", "roles", "workspaces/T1", "role-assignments", "proxy/api/auth.test"] {
        api.get(path).await?.api_error(409, "account_needs_reauth");
    }
    assert_eq!(app.sandbox.requests(None).requests.len(), called, "the provider is not called");

    app.relink("acme", &account).await?;
    assert_eq!(status(&app, &account).await?, "active");
    api.get("users?limit=1").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refresh_token_used_elsewhere_is_a_lost_grant(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.sandbox.refresh_grace_s = 0).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    app.sandbox.advance_clock(Duration::hours(13));
    // The provider refreshes, the response is lost, and there is no grace period for a retry.
    app.sandbox.add_fault(Fault::for_next_calls("oauth.v2.access", FaultKind::LostResponse, 1));
    api.get("users?limit=1").await?.problem(409, "account_needs_reauth");
    assert_eq!(status(&app, &account).await?, "needs_reauth");
    Ok(())
}
