//! Tokens renewed before they end, by a task that looks for them.

use std::sync::Arc;

use futures_util::future::join_all;
use sqlx::PgPool;
use switchboard::sandbox::{DEFAULT_CLIENT_ID, DEFAULT_CLIENT_SECRET, Fault, FaultKind};
use switchboard::vault::{Ahead, Looked, Refresher, Tokens};
use time::Duration;
use tokio_util::task::TaskTracker;

use super::{pass, status};
use crate::support::TestApp;

const NOTHING: Looked = Looked { renewed: 0, failed: 0 };
const LEAD: Duration = Duration::minutes(30);

/// What looks for tokens that end soon, in a gateway.
fn ahead(app: &TestApp) -> Ahead {
    let state = &app.state;
    Ahead::new(state.store.clone(), state.tokens.clone(), Arc::new(app.clock.clone()), LEAD)
}

/// The same in another gateway on the same database.
fn ahead_elsewhere(app: &TestApp) -> Ahead {
    let state = &app.state;
    let tokens = Tokens::new(
        state.store.clone(),
        state.vault.clone(),
        Arc::clone(&state.registry) as Arc<dyn Refresher>,
        Arc::clone(&state.clock),
        Arc::clone(&state.entropy),
        state.metrics.clone(),
        TaskTracker::new(),
    );
    Ahead::new(state.store.clone(), tokens, Arc::new(app.clock.clone()), LEAD)
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn tokens_that_end_soon_are_renewed_once_by_several_gateways(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    let gateways = [ahead(&app), ahead_elsewhere(&app), ahead_elsewhere(&app)];
    for before in 0..3 {
        pass(&app, Duration::hours(11) + Duration::minutes(29));
        assert_eq!(gateways[0].tick().await?, NOTHING, "it is too early");
        pass(&app, Duration::minutes(17));
        for looked in join_all(gateways.iter().map(Ahead::tick)).await {
            assert_eq!(looked?.failed, 0);
        }
        assert_eq!(app.sandbox.state().refreshes, before + 1);
        assert_eq!(gateways[1].tick().await?, NOTHING);
    }
    api.get("users?limit=1").await?.okay()?;
    assert_eq!(app.sandbox.state().refreshes, 3);
    assert_eq!(super::refusals(&app), Vec::<String>::new());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn accounts_that_were_linked_together_are_not_renewed_together(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    for tenant in 0..12 {
        app.link(&format!("tenant-{tenant}")).await?;
    }
    let ahead = ahead(&app);
    pass(&app, Duration::hours(11) + Duration::minutes(30));
    let mut waves = Vec::new();
    for _ in 0..15 {
        pass(&app, Duration::minutes(1));
        let looked = ahead.tick().await?;
        assert_eq!(looked.failed, 0);
        waves.push(looked.renewed);
    }
    assert_eq!(waves.iter().sum::<usize>(), 12, "{waves:?}");
    assert!(waves.iter().all(|wave| *wave <= 5), "{waves:?}");
    Ok(())
}

/// Whether the provider is being asked.
async fn is_being_renewed(app: &TestApp) -> sqlx::Result<bool> {
    sqlx::query_scalar("select exists (select from credential_refreshes where finished_at is null)")
        .fetch_one(&app.pool)
        .await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn calls_go_on_with_the_living_token_while_it_is_renewed(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    pass(&app, Duration::hours(11) + Duration::minutes(50));
    let slow = Fault::next("oauth.v2.access", FaultKind::Latency, 1);
    app.sandbox.add_fault(Fault { seconds: Some(3.0), ..slow });
    let ahead = ahead(&app);
    let renewing = TaskTracker::new().spawn(async move { ahead.tick().await });
    while !is_being_renewed(&app).await? {
        tokio::task::yield_now().await;
    }
    let answers = join_all((0..20).map(|_| api.get("users?limit=1"))).await;
    for answer in answers {
        answer?.okay()?;
    }
    assert!(!renewing.is_finished(), "nobody waited for it");
    assert_eq!(renewing.await??, Looked { renewed: 1, failed: 0 });
    api.get("users?limit=1").await?.okay()?;
    assert_eq!(super::refusals(&app), Vec::<String>::new());
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_provider_that_is_down_is_left_alone_longer_and_longer(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    let ahead = ahead(&app);
    pass(&app, Duration::hours(11) + Duration::minutes(46));
    app.sandbox.add_fault(Fault::next("oauth.v2.access", FaultKind::ServerError, 1_000));
    let mut tried = Vec::new();
    for minute in 0..8 {
        let looked = ahead.tick().await?;
        assert_eq!(looked.renewed, 0);
        if looked.failed > 0 {
            tried.push(minute);
        }
        // Another gateway knows of the attempt.
        assert_eq!(ahead_elsewhere(&app).tick().await?, NOTHING);
        api.get("users?limit=1").await?.okay()?;
        pass(&app, Duration::minutes(1));
    }
    assert_eq!(tried, [0, 1, 3, 7]);
    assert_eq!(status(&app, &account).await?, "active");
    app.sandbox.clear_faults();
    pass(&app, Duration::minutes(7));
    assert_eq!(ahead.tick().await?, Looked { renewed: 1, failed: 0 }, "it is not given up");
    assert_eq!(super::refusals(&app).len(), 12);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_lost_grant_is_noticed_ahead_of_time_and_not_asked_about_again(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let form = format!("client_id={DEFAULT_CLIENT_ID}&client_secret={DEFAULT_CLIENT_SECRET}");
    let kind = "application/x-www-form-urlencoded";
    let path = "proxy/api/apps.uninstall";
    app.on(&account)?.send(http::Method::POST, path, Some((kind, &form))).await?.okay()?;
    pass(&app, Duration::hours(11) + Duration::minutes(50));
    let ahead = ahead(&app);
    assert_eq!(ahead.tick().await?, Looked { renewed: 0, failed: 1 });
    assert_eq!(status(&app, &account).await?, "needs_reauth");
    pass(&app, Duration::hours(2));
    assert_eq!(ahead.tick().await?, NOTHING);
    Ok(())
}
