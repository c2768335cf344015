//! Proactive refresh: tokens are refreshed before they expire, by a background task.

use std::sync::Arc;

use futures_util::future::join_all;
use sqlx::PgPool;
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Fault, FaultKind};
use switchboard::vault::{AccessTokens, RefreshPass, RefreshScheduler, Refresher};
use time::Duration;
use tokio_util::task::TaskTracker;

use super::{advance, status};
use crate::support::TestApp;

const NO_REFRESHES: RefreshPass = RefreshPass { refreshed: 0, failed: 0 };
const LEAD: Duration = Duration::minutes(30);

/// Returns the scheduler of refreshes of a gateway.
fn scheduler(app: &TestApp) -> RefreshScheduler {
    let state = &app.state;
    RefreshScheduler::new(
        state.store.clone(),
        state.tokens.clone(),
        Arc::new(app.clock.clone()),
        LEAD,
    )
}

/// Returns the scheduler of another gateway on the same database.
fn scheduler_of_another_gateway(app: &TestApp) -> RefreshScheduler {
    let state = &app.state;
    let tokens = AccessTokens::new(
        state.store.clone(),
        state.vault.clone(),
        Arc::clone(&state.registry) as Arc<dyn Refresher>,
        Arc::clone(&state.clock),
        Arc::clone(&state.entropy),
        state.metrics.clone(),
        TaskTracker::new(),
    );
    RefreshScheduler::new(state.store.clone(), tokens, Arc::new(app.clock.clone()), LEAD)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn several_gateways_refresh_expiring_tokens_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    let gateways =
        [scheduler(&app), scheduler_of_another_gateway(&app), scheduler_of_another_gateway(&app)];
    for before in 0..3 {
        advance(&app, Duration::hours(11) + Duration::minutes(29));
        assert_eq!(gateways[0].run_once().await?, NO_REFRESHES, "it is too early");
        advance(&app, Duration::minutes(17));
        for pass in join_all(gateways.iter().map(RefreshScheduler::run_once)).await {
            assert_eq!(pass?.failed, 0);
        }
        assert_eq!(app.sandbox.stats().refreshes, before + 1);
        assert_eq!(gateways[1].run_once().await?, NO_REFRESHES);
    }
    api.get("users?limit=1").await?.success()?;
    assert_eq!(app.sandbox.stats().refreshes, 3);
    assert_eq!(super::provider_errors(&app), Vec::<String>::new());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn refreshes_of_accounts_linked_together_are_spread(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    for tenant in 0..12 {
        app.link(&format!("tenant-{tenant}")).await?;
    }
    let scheduler = scheduler(&app);
    advance(&app, Duration::hours(11) + Duration::minutes(30));
    let mut waves = Vec::new();
    for _ in 0..15 {
        advance(&app, Duration::minutes(1));
        let pass = scheduler.run_once().await?;
        assert_eq!(pass.failed, 0);
        waves.push(pass.refreshed);
    }
    assert_eq!(waves.iter().sum::<usize>(), 12, "{waves:?}");
    assert!(waves.iter().all(|wave| *wave <= 5), "{waves:?}");
    Ok(())
}

/// Waits until the provider receives the refresh.
async fn wait_for_refresh_request(app: &TestApp) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from credential_refreshes where finished_at is null)")
        .fetch_one(&app.pool)
        .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn calls_use_the_valid_token_while_it_is_refreshed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked_client().await?;
    advance(&app, Duration::hours(11) + Duration::minutes(50));
    let slow = Fault::for_next_calls("oauth.v2.access", FaultKind::Latency, 1);
    app.sandbox.add_fault(Fault { seconds: Some(3.0), ..slow });
    let scheduler = scheduler(&app);
    let renewing = TaskTracker::new().spawn(async move { scheduler.run_once().await });
    while !wait_for_refresh_request(&app).await? {
        tokio::task::yield_now().await;
    }
    let responses = join_all((0..20).map(|_| api.get("users?limit=1"))).await;
    for response in responses {
        response?.success()?;
    }
    assert!(!renewing.is_finished(), "no caller waited for it");
    assert_eq!(renewing.await??, RefreshPass { refreshed: 1, failed: 0 });
    api.get("users?limit=1").await?.success()?;
    assert_eq!(super::provider_errors(&app), Vec::<String>::new());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn backs_off_exponentially_while_a_provider_is_down(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?;
    let scheduler = scheduler(&app);
    advance(&app, Duration::hours(11) + Duration::minutes(46));
    app.sandbox.add_fault(Fault::for_next_calls("oauth.v2.access", FaultKind::ServerError, 1_000));
    let mut tried = Vec::new();
    for minute in 0..8 {
        let pass = scheduler.run_once().await?;
        assert_eq!(pass.refreshed, 0);
        if pass.failed > 0 {
            tried.push(minute);
        }
        // Another gateway sees the attempt.
        assert_eq!(scheduler_of_another_gateway(&app).run_once().await?, NO_REFRESHES);
        api.get("users?limit=1").await?.success()?;
        advance(&app, Duration::minutes(1));
    }
    assert_eq!(tried, [0, 1, 3, 7]);
    assert_eq!(status(&app, &account).await?, "active");
    app.sandbox.clear_faults();
    advance(&app, Duration::minutes(7));
    assert_eq!(
        scheduler.run_once().await?,
        RefreshPass { refreshed: 1, failed: 0 },
        "it is not given up"
    );
    assert_eq!(super::provider_errors(&app).len(), 12);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_lost_grant_is_detected_proactively_and_not_retried(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let form = format!("client_id={DEFAULT_CLIENT_ID}&client_secret={DEFAULT_CLIENT_SECRET}");
    let kind = "application/x-www-form-urlencoded";
    let path = "proxy/api/apps.uninstall";
    app.client_for(&account)?
        .send(http::Method::POST, path, Some((kind, &form)))
        .await?
        .success()?;
    advance(&app, Duration::hours(11) + Duration::minutes(50));
    let scheduler = scheduler(&app);
    assert_eq!(scheduler.run_once().await?, RefreshPass { refreshed: 0, failed: 1 });
    assert_eq!(status(&app, &account).await?, "needs_reauth");
    advance(&app, Duration::hours(2));
    assert_eq!(scheduler.run_once().await?, NO_REFRESHES);
    Ok(())
}
