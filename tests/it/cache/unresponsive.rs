//! A database that stops responding without closing its connections, and locks that others hold: calls fail in
//! time, and no connection leaks.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;
use switchboard::store::DatabaseTimeouts;

use super::db_proxy::{DbProxy, set};
use super::{eventually, fill_cache, with_token};
use crate::support::TestApp;

const SHORT: DatabaseTimeouts = DatabaseTimeouts {
    acquire: Duration::from_millis(600),
    statement: Duration::from_millis(600),
    lock: Duration::from_millis(200),
};
/// A connection, a statement, the second that the client waits longer than the server, and a busy machine.
const MAX_CALL_TIME: Duration = Duration::from_secs(6);

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn calls_fail_in_time_while_the_database_is_unresponsive_and_recover(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (mut db_proxy, over) = DbProxy::with_deadlines(&pool, SHORT)?;
    let app = TestApp::with(over, |setup| set(&mut setup.config, SHORT)).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    fill_cache(&app, &token, &["proxy/api/auth.test"]).await?;

    // In the middle of a statement: a lock holds it until the host is unresponsive.
    let mut holder = pool.begin().await?;
    sqlx::query("select from account_tokens for update").execute(&mut *holder).await?;
    let began = Instant::now();
    let deleted = app.home.admin.delete(&path);
    let silent = async {
        while app.state.store.pool_usage().0 == 0 {
            tokio::task::yield_now().await;
        }
        db_proxy.stall();
    };
    let (deleted, ()) = tokio::join!(deleted, silent);
    let deleted = deleted?;
    deleted.problem(503, "unavailable");
    assert_ne!(deleted.header("retry-after"), "");
    holder.rollback().await?;

    // More callers than connections: some get a response, some hang up while they wait.
    let tokens = format!("integrated-accounts/{account}/tokens");
    let body = json!({"expires_in_s": 60});
    let create = || app.home.admin.post(&tokens, &body);
    let patient = join_all((0..8).map(|_| create()));
    let hasty = join_all((0..8).map(|_| tokio::time::timeout(Duration::from_millis(50), create())));
    let cached_calls = async {
        let mut calls = Vec::new();
        for _ in 0..20 {
            calls.push(token.get("proxy/api/auth.test").await?.status);
        }
        anyhow::Ok(calls)
    };
    let (patient, hasty, calls) = tokio::join!(patient, hasty, cached_calls);
    for failed in patient {
        failed?.problem(503, "unavailable");
    }
    assert!(hasty.iter().all(Result::is_err), "no caller hung up");
    assert_eq!(calls?, [200; 20], "what is in memory serves");
    assert!(began.elapsed() < MAX_CALL_TIME, "{:?}", began.elapsed());

    // The stalled connections stay open, and take no slot of the new ones.
    db_proxy.restore()?;
    eventually(&app.home.admin, &tokens, |status, _| status == 200).await?;
    for created in join_all((0..8).map(|_| create())).await {
        created?.created()?;
    }
    app.home.admin.delete(&path).await?.success()?;
    eventually(&token, "proxy/api/auth.test", |status, _| status == 401).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_call_that_waits_for_a_lock_returns_503_with_retry_after(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (_wire, over) = DbProxy::with_deadlines(&pool, SHORT)?;
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
    for (what, rejected) in [
        ("delete a token", deleted?),
        ("create a token", created?),
        ("create a mapping", mapped?),
        ("disconnect", disconnected?),
        ("refresh", refreshed?),
    ] {
        assert_eq!(rejected.status, 503, "{what}: {}", rejected.text);
        rejected.problem(503, "unavailable");
        assert_ne!(rejected.header("retry-after"), "");
    }
    // Callers that don't need the rows are not affected.
    admin.get(&tokens).await?.success()?;
    holder.rollback().await?;
    admin.delete(&token).await?.success()?;
    Ok(())
}
