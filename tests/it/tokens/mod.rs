//! Tokens that age: renewed once, in time, and told when they are lost.

mod ahead;
mod destination;
pub(crate) mod endpoint;
mod failures;
mod hangs;
mod model;
mod odd_responses;
mod pace;
mod pauses;
mod refused;
mod scim;
mod states;

use futures_util::future::join_all;
use serde_json::Value;
use sqlx::PgPool;
use switchboard::sandbox::{Fault, FaultKind};
use time::Duration;

use crate::support::TestApp;

/// The errors that the provider answered, oldest first.
fn refusals(app: &TestApp) -> Vec<String> {
    app.sandbox.requests(None).requests.into_iter().filter_map(|request| request.error).collect()
}

/// Time passes for both sides.
fn pass(app: &TestApp, by: Duration) {
    app.clock.advance(by);
    app.sandbox.advance_clock(by);
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn many_calls_on_a_dead_token_are_one_refresh(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    app.sandbox.advance_clock(Duration::hours(13));
    let answers = join_all((0..200).map(|_| api.get("users?limit=1"))).await;
    for answer in answers {
        answer?.okay()?;
    }
    assert_eq!(app.sandbox.state().refreshes, 1);
    let log = "audit-log?action=credentials.renewed&actor=refresh&outcome=done";
    let told = app.home.admin.get(log).await?.okay()?;
    assert_eq!(told["result_count"], 1, "{told}");
    assert!(refusals(&app).iter().all(|error| error == "token_expired"), "{:?}", refusals(&app));
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_token_at_its_end_is_renewed_before_it_is_sent(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    pass(&app, Duration::hours(12) - Duration::minutes(5));
    api.get("users?limit=1").await?.okay()?;
    assert_eq!(app.sandbox.state().refreshes, 0, "it lives for five minutes yet");
    pass(&app, Duration::minutes(6));
    let answers = join_all((0..50).map(|_| api.get("users?limit=1"))).await;
    for answer in answers {
        answer?.okay()?;
    }
    assert_eq!(app.sandbox.state().refreshes, 1);
    pass(&app, Duration::days(30));
    api.get("users?limit=1").await?.okay()?;
    assert_eq!(app.sandbox.state().refreshes, 2);
    assert_eq!(refusals(&app), Vec::<String>::new(), "no dead token was sent");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refresh_whose_answer_was_lost_is_asked_for_again(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let api = app.linked().await?;
    for kind in [FaultKind::LostAnswer, FaultKind::CutBody, FaultKind::ServerError] {
        let before = app.calls("oauth.v2.access");
        app.sandbox.add_fault(Fault::next("oauth.v2.access", kind, 1));
        app.sandbox.advance_clock(Duration::hours(13));
        for _ in 0..2 {
            api.get("users?limit=1").await?.okay()?;
        }
        let calls = app.calls("oauth.v2.access") - before;
        assert_eq!(calls, 2, "{kind:?}: the one that was lost and its repetition");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_provider_that_can_not_refresh_now_loses_no_account(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    app.sandbox.advance_clock(Duration::hours(13));
    app.sandbox.add_fault(Fault::next("oauth.v2.access", FaultKind::Html, 1_000));
    api.get("users?limit=1").await?.problem(502, "provider_error");
    assert_eq!(status(&app, &account).await?, "active");
    app.sandbox.clear_faults();
    pass(&app, Duration::seconds(1));
    api.get("users?limit=1").await?.okay()?;
    Ok(())
}

async fn status(app: &TestApp, account: &str) -> anyhow::Result<Value> {
    let path = format!("integrated-accounts/{account}");
    let account = app.home.api.get(&path).await?.okay()?;
    Ok(account.pointer("/result/status").cloned().unwrap_or_default())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_lost_grant_is_told_once_noted_and_mended_by_a_link(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    app.uninstall(&account).await?;
    let answers = join_all((0..20).map(|_| api.get("users?limit=1"))).await;
    for answer in answers {
        let answer = answer?;
        let problem = answer.problem(409, "account_needs_reauth");
        let detail = problem["detail"].as_str().unwrap_or_default();
        assert!(detail.contains("invalid_refresh_token"), "{detail}");
    }
    assert_eq!(app.calls("oauth.v2.access"), 2, "the link, and one refused refresh");
    assert_eq!(status(&app, &account).await?, "needs_reauth");
    let noted: i64 = sqlx::query_scalar(
        "select count(*) from audit_log where action = 'integrated_account.needs_reauth'",
    )
    .fetch_one(&app.pool)
    .await?;
    assert_eq!(noted, 1);

    let asked = app.sandbox.requests(None).requests.len();
    for path in ["users", "roles", "workspaces/T1", "role-assignments", "proxy/api/auth.test"] {
        api.get(path).await?.refused(409, "account_needs_reauth");
    }
    assert_eq!(app.sandbox.requests(None).requests.len(), asked, "the provider is not asked");

    app.link_again("acme", &account).await?;
    assert_eq!(status(&app, &account).await?, "active");
    api.get("users?limit=1").await?.okay()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_refresh_token_used_up_elsewhere_is_a_lost_grant(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool, |setup| setup.sandbox.refresh_grace_s = 0).await?;
    let account = app.link("acme").await?;
    let api = app.on(&account)?;
    app.sandbox.advance_clock(Duration::hours(13));
    // The provider renews, the answer is lost, and there is no grace to ask again in.
    app.sandbox.add_fault(Fault::next("oauth.v2.access", FaultKind::LostAnswer, 1));
    api.get("users?limit=1").await?.problem(409, "account_needs_reauth");
    assert_eq!(status(&app, &account).await?, "needs_reauth");
    Ok(())
}
