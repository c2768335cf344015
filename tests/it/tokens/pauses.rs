//! The pause that all callers share while a provider gives no new token.

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use time::Duration;

use super::failures::replace_secret;
use super::{pass, refusals};
use crate::support::{Answer, TestApp};

const REFRESH: &str = "oauth.v2.access";
const CALL: &str = "users?limit=1";

/// The provider is down, for as long as the test wants.
fn take_down(app: &TestApp) {
    app.sandbox.add_fault(Fault::next(REFRESH, FaultKind::ServerError, 1_000));
}

/// How long a caller is told to wait, in seconds.
fn pause_of(answer: &Answer) -> anyhow::Result<i64> {
    answer.problem(502, "provider_error");
    Ok(answer.header("retry-after").parse()?)
}

/// How many of the provider's answers had this error.
fn count(app: &TestApp, error: &str) -> usize {
    refusals(app).iter().filter(|refusal| *refusal == error).count()
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn while_a_provider_is_down_the_callers_of_all_gateways_share_a_growing_pause(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let here = app.linked().await?;
    let there = here.clone().at(app.beside(&app.config).await?.0);
    pass(&app, Duration::hours(13));
    take_down(&app);
    let asked = app.calls(REFRESH);
    for (round, longest) in (1..).zip([1, 2, 4, 8]) {
        let callers = [&here, &there].into_iter().cycle().take(40);
        let mut pause = 0;
        for answer in join_all(callers.map(|api| api.get(CALL))).await {
            pause = pause_of(&answer?)?;
            assert!(pause >= longest / 2 && (1..=longest).contains(&pause), "{pause} of {longest}");
        }
        assert_eq!(pause_of(&there.get(CALL).await?)?, pause, "nobody is told another pause");
        assert_eq!(app.calls(REFRESH) - asked, 3 * round, "one of them asked, three times");
        pass(&app, Duration::seconds(pause));
    }
    app.sandbox.clear_faults();
    for api in [&there, &here] {
        api.get(CALL).await?.okay()?;
    }
    assert_eq!(app.sandbox.state().refreshes, 1);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_found_dead_is_not_sent_again_while_the_provider_is_down(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let here = app.linked().await?;
    let there = here.clone().at(app.beside(&app.config).await?.0);
    // The gateway believes that it lives.
    app.sandbox.advance_clock(Duration::hours(13));
    take_down(&app);
    for api in [&here, &there, &here] {
        pause_of(&api.get(CALL).await?)?;
    }
    assert_eq!(count(&app, "token_expired"), 2, "by a call, and by the known path");
    pass(&app, Duration::seconds(1));
    app.sandbox.clear_faults();
    there.get(CALL).await?.okay()?;
    assert_eq!(count(&app, "token_expired"), 2);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_last_minute_of_a_token_is_used_while_the_provider_is_down(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    pass(&app, Duration::hours(12) - Duration::seconds(50));
    take_down(&app);
    let asked = app.calls(REFRESH);
    for _ in 0..5 {
        api.get(CALL).await?.okay()?;
    }
    assert_eq!(app.calls(REFRESH) - asked, 3);
    pass(&app, Duration::seconds(20));
    api.get(CALL).await?.okay()?;
    assert_eq!(app.calls(REFRESH) - asked, 6, "the pause was over");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_link_ends_the_pause_at_once(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    pass(&app, Duration::hours(13));
    app.sandbox.add_fault(Fault::next(REFRESH, FaultKind::ServerError, 3));
    pause_of(&api.get(CALL).await?)?;
    app.link_again("acme", &account).await?;
    api.get(CALL).await?.okay()?;
    app.home
        .api
        .post(&format!("integrated-accounts/{account}/refresh"), &json!({}))
        .await?
        .okay()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn long_trouble_leaves_few_rows(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    replace_secret(&app, "somebody changed it").await?;
    pass(&app, Duration::hours(13));
    for _ in 0..50 {
        api.get(CALL).await?.problem(409, "provider_app_refused");
        pass(&app, Duration::seconds(60));
    }
    let (rows, last): (i64, i32) =
        sqlx::query_as("select count(*), max(attempt) from credential_refreshes")
            .fetch_one(&app.pool)
            .await?;
    assert_eq!((rows, last), (12, 50));
    Ok(())
}
