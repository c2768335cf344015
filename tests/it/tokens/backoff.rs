//! Backoff that all callers share while a provider issues no new token.

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use time::Duration;

use super::refresh_failures::replace_secret;
use super::{advance, provider_errors};
use crate::support::{ApiResponse, TestApp};

const REFRESH: &str = "oauth.v2.access";
const CALL: &str = "users?limit=1";

/// Takes the provider down for as long as the test needs.
fn take_down(app: &TestApp) {
    app.sandbox.add_fault(Fault::for_next_calls(REFRESH, FaultKind::ServerError, 1_000));
}

/// Returns the `Retry-After` of a response, in seconds.
fn retry_after(response: &ApiResponse) -> anyhow::Result<i64> {
    response.problem(502, "provider_error");
    Ok(response.header("retry-after").parse()?)
}

/// Returns how many of the provider's responses had this error.
fn count(app: &TestApp, error: &str) -> usize {
    provider_errors(app).iter().filter(|refusal| *refusal == error).count()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn all_gateways_share_a_growing_backoff_while_a_provider_is_down(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let here = app.linked_client().await?;
    let there = here.clone().at(app.second_gateway(&app.config).await?.0);
    advance(&app, Duration::hours(13));
    take_down(&app);
    let called = app.calls(REFRESH);
    for (round, longest) in (1..).zip([1, 2, 4, 8]) {
        let callers = [&here, &there].into_iter().cycle().take(40);
        let mut pause = 0;
        for response in join_all(callers.map(|api| api.get(CALL))).await {
            pause = retry_after(&response?)?;
            assert!(pause >= longest / 2 && (1..=longest).contains(&pause), "{pause} of {longest}");
        }
        assert_eq!(
            retry_after(&there.get(CALL).await?)?,
            pause,
            "every caller gets the same pause"
        );
        assert_eq!(
            app.calls(REFRESH) - called,
            3 * round,
            "one of them sent the refresh, three times"
        );
        advance(&app, Duration::seconds(pause));
    }
    app.sandbox.clear_faults();
    for api in [&there, &here] {
        api.get(CALL).await?.success()?;
    }
    assert_eq!(app.sandbox.stats().refreshes, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_invalid_token_is_not_sent_again_while_the_provider_is_down(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let here = app.linked_client().await?;
    let there = here.clone().at(app.second_gateway(&app.config).await?.0);
    // The gateway considers it valid.
    app.sandbox.advance_clock(Duration::hours(13));
    take_down(&app);
    for api in [&here, &there, &here] {
        retry_after(&api.get(CALL).await?)?;
    }
    assert_eq!(count(&app, "token_expired"), 2, "by a call, and by the token check");
    advance(&app, Duration::seconds(1));
    app.sandbox.clear_faults();
    there.get(CALL).await?.success()?;
    assert_eq!(count(&app, "token_expired"), 2);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_last_minute_of_a_token_is_used_while_the_provider_is_down(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    advance(&app, Duration::hours(12) - Duration::seconds(50));
    take_down(&app);
    let called = app.calls(REFRESH);
    for _ in 0..5 {
        api.get(CALL).await?.success()?;
    }
    assert_eq!(app.calls(REFRESH) - called, 3);
    advance(&app, Duration::seconds(20));
    api.get(CALL).await?.success()?;
    assert_eq!(app.calls(REFRESH) - called, 6, "the pause was over");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_link_ends_the_backoff_immediately(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    advance(&app, Duration::hours(13));
    app.sandbox.add_fault(Fault::for_next_calls(REFRESH, FaultKind::ServerError, 3));
    retry_after(&api.get(CALL).await?)?;
    app.relink("acme", &account).await?;
    api.get(CALL).await?.success()?;
    app.home
        .api
        .post(&format!("integrated-accounts/{account}/refresh"), &json!({}))
        .await?
        .success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_long_outage_leaves_few_rows(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    replace_secret(&app, "changed-secret").await?;
    advance(&app, Duration::hours(13));
    for _ in 0..50 {
        api.get(CALL).await?.problem(409, "provider_app_refused");
        advance(&app, Duration::seconds(60));
    }
    let (rows, last): (i64, i32) =
        sqlx::query_as("select count(*), max(attempt) from credential_refreshes")
            .fetch_one(&app.pool)
            .await?;
    assert_eq!((rows, last), (12, 50));
    Ok(())
}
