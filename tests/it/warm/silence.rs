//! A database that stops answering without closing its connections, and locks that others hold: calls fail in
//! time, and nothing stays behind.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;
use switchboard::store::Deadlines;

use super::wire::{Wire, set};
use super::{soon, warmed, with_token};
use crate::support::TestApp;

const SHORT: Deadlines = Deadlines {
    acquire: Duration::from_millis(600),
    statement: Duration::from_millis(600),
    lock: Duration::from_millis(200),
};
/// A connection, a statement, the second that we wait longer than the server, and a busy machine.
const LIMIT: Duration = Duration::from_secs(6);

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn calls_fail_in_time_while_the_database_is_silent_and_work_after_it(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (mut wire, over) = Wire::within(&pool, SHORT)?;
    let app = TestApp::with(over, |setup| set(&mut setup.config, SHORT)).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    warmed(&app, &token, &["proxy/api/auth.test"]).await?;

    // In the middle of a statement: a lock holds it until the host is silent.
    let mut holder = pool.begin().await?;
    sqlx::query("select from account_tokens for update").execute(&mut *holder).await?;
    let began = Instant::now();
    let deleted = app.home.admin.delete(&path);
    let silent = async {
        while app.state.store.connections_now().0 == 0 {
            tokio::task::yield_now().await;
        }
        wire.silence();
    };
    let (deleted, ()) = tokio::join!(deleted, silent);
    let deleted = deleted?;
    deleted.problem(503, "unavailable");
    assert_ne!(deleted.header("retry-after"), "");
    holder.rollback().await?;

    // More callers than connections: some are answered, some hang up while they wait.
    let tokens = format!("integrated-accounts/{account}/tokens");
    let body = json!({"expires_in_s": 60});
    let create = || app.home.admin.post(&tokens, &body);
    let patient = join_all((0..8).map(|_| create()));
    let hasty = join_all((0..8).map(|_| tokio::time::timeout(Duration::from_millis(50), create())));
    let warm = async {
        let mut calls = Vec::new();
        for _ in 0..20 {
            calls.push(token.get("proxy/api/auth.test").await?.status);
        }
        anyhow::Ok(calls)
    };
    let (patient, hasty, calls) = tokio::join!(patient, hasty, warm);
    for failed in patient {
        failed?.problem(503, "unavailable");
    }
    assert!(hasty.iter().all(Result::is_err), "nobody hung up");
    assert_eq!(calls?, [200; 20], "what is in memory serves");
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());

    // The connections that fell silent stay open, and hold no place of the new ones.
    wire.mend()?;
    soon(&app.home.admin, &tokens, |status, _| status == 200).await?;
    for created in join_all((0..8).map(|_| create())).await {
        created?.created()?;
    }
    app.home.admin.delete(&path).await?.okay()?;
    soon(&token, "proxy/api/auth.test", |status, _| status == 401).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_call_that_waits_for_a_lock_is_answered_503_with_retry_after(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (_wire, over) = Wire::within(&pool, SHORT)?;
    let app = TestApp::with(over, |setup| set(&mut setup.config, SHORT)).await?;
    let account = app.link("acme").await?;
    let (_, token) = with_token(&app.home.admin, &app, &account).await?;
    let mapping = json!({"provider": "slack_enterprise", "resource": "users", "field": "tag",
        "expression": "'one'"});
    app.home.admin.post("mappings", &mapping).await?.created()?;
    let mut holder = pool.begin().await?;
    for table in ["account_tokens", "mappings", "account_credentials", "integrated_accounts"] {
        let lock = format!("lock table {table} in exclusive mode");
        sqlx::raw_sql(sqlx::AssertSqlSafe(lock)).execute(&mut *holder).await?;
    }
    let admin = &app.home.admin;
    let tokens = format!("integrated-accounts/{account}/tokens");
    let account = format!("integrated-accounts/{account}");
    let body = json!({"expires_in_s": 60});
    let refresh = format!("{account}/refresh");
    let nothing = json!({});
    let other = json!({"field": "other", "provider": "slack_enterprise", "resource": "users",
        "expression": "'two'"});
    let (deleted, created, mapped, disconnected, refreshed) = tokio::join!(
        admin.delete(&token),
        admin.post(&tokens, &body),
        admin.post("mappings", &other),
        admin.delete(&account),
        admin.post(&refresh, &nothing)
    );
    for (what, refused) in [
        ("delete a token", deleted?),
        ("create a token", created?),
        ("create a mapping", mapped?),
        ("disconnect", disconnected?),
        ("refresh", refreshed?),
    ] {
        assert_eq!(refused.status, 503, "{what}: {}", refused.text);
        refused.problem(503, "unavailable");
        assert_ne!(refused.header("retry-after"), "");
    }
    // Those that don't need the rows are not disturbed.
    admin.get(&tokens).await?.okay()?;
    holder.rollback().await?;
    admin.delete(&token).await?.okay()?;
    Ok(())
}
