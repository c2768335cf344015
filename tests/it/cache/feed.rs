//! The invalidation feed counts as live only while notifications of another connection are delivered.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use switchboard::store::DatabaseTimeouts;

use super::db_proxy::DbProxy;
use super::{MAX_DELAY, eventually, fill_cache, with_token};
use crate::support::{ApiResponse, Client, PgBouncer, TestApp};

/// Revokes a token without a notification.
async fn revoke_without_notification(pool: &PgPool, path: &str) -> anyhow::Result<()> {
    let id = path.rsplit('/').next().unwrap_or_default();
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("alter table account_tokens disable trigger user").execute(&mut *tx).await?;
    sqlx::query("update account_tokens set revoked_at = now() where account_token_id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql("alter table account_tokens enable always trigger account_tokens_change")
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

/// Calls until a revoked token is rejected.
async fn rejected_within(client: &Client, limit: Duration) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    while client.get("proxy/api/auth.test").await?.status != 401 {
        anyhow::ensure!(began.elapsed() < limit, "accepted after {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// Returns the first response that is not 503: such a pooler may deliver one client's notifications to another, whose
/// connection is unusable after that.
async fn first_response(client: &Client) -> anyhow::Result<ApiResponse> {
    for _ in 0..20 {
        let response = client.get("proxy/api/auth.test").await?;
        if response.status != 503 {
            return Ok(response);
        }
    }
    anyhow::bail!("unavailable again and again")
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn caches_nothing_behind_a_transaction_pooler(pool: PgPool) -> anyhow::Result<()> {
    let Some(bouncer) = PgBouncer::start(&pool, "transaction").await? else { return Ok(()) };
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let over = DatabaseTimeouts::default().pool(3).connect_lazy_with(bouncer.connect_options());
    let (url, state) = app.second_gateway_on(over, &app.config).await?;
    let changing = app.home.admin.clone();
    for _ in 0..10 {
        let (token, path) = with_token(&changing, &app, &account).await?;
        let there = token.at(url.clone());
        first_response(&there).await?.success()?;
        changing.delete(&path).await?.success()?;
        // The very next request, because nothing is cached.
        first_response(&there).await?.api_error(401, "unauthorized");
    }
    assert!(
        state.store.cache_stats().iter().all(|cache| cache.rows == 0),
        "{:?}",
        state.store.cache_stats()
    );
    assert!(!state.store.delivers_notifications(MAX_DELAY).await?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn receives_changes_behind_a_session_pooler(pool: PgPool) -> anyhow::Result<()> {
    let Some(bouncer) = PgBouncer::start(&pool, "session").await? else { return Ok(()) };
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let over = DatabaseTimeouts::default().pool(3).connect_lazy_with(bouncer.connect_options());
    let (url, state) = app.second_gateway_on(over, &app.config).await?;
    let changing = app.home.admin.clone();
    let (token, path) = with_token(&changing, &app, &account).await?;
    let there = token.at(url);
    fill_cache(&app, &there, &["proxy/api/auth.test"]).await?;
    changing.delete(&path).await?.success()?;
    eventually(&there, "proxy/api/auth.test", |status, _| status == 401).await?;
    assert!(state.store.delivers_notifications(MAX_DELAY).await?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn detects_that_it_listens_to_another_server_than_its_connections(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (db_proxy, over) = DbProxy::start(&pool)?;
    let options = pool.connect_options();
    let old = options.get_database().unwrap_or_default().to_owned();
    // Notifications are per database: another one is equivalent to another server.
    let new = format!("{}x", &old[..old.len() - 1]);
    let mut direct = PgConnection::connect_with(&options).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("create database \"{new}\""))).execute(&mut direct).await?;
    let app = TestApp::new(over).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    fill_cache(&app, &token, &["proxy/api/auth.test"]).await?;
    db_proxy.divert(&old, &new)?;
    revoke_without_notification(&pool, &path).await?;
    rejected_within(&token, Duration::from_secs(8)).await?;
    drop(db_proxy);
    let removed = format!("drop database \"{new}\" with (force)");
    sqlx::raw_sql(AssertSqlSafe(removed)).execute(&mut direct).await?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_cached_row_is_read_again_at_its_maximum_age(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::with(pool.clone(), |setup| setup.config.cache.max_age_s = 0.4).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    token.get("proxy/api/auth.test").await?.success()?;
    revoke_without_notification(&pool, &path).await?;
    rejected_within(&token, Duration::from_secs(2)).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn receives_changes_applied_by_replication(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    fill_cache(&app, &token, &["proxy/api/auth.test"]).await?;
    let id = path.rsplit('/').next().unwrap_or_default();
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("set local session_replication_role = replica").execute(&mut *tx).await?;
    sqlx::query("update account_tokens set revoked_at = now() where account_token_id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    eventually(&token, "proxy/api/auth.test", |status, _| status == 401).await?;
    let others: Vec<String> = sqlx::query_scalar(
        "select tgname::text from pg_trigger where not tgisinternal and tgenabled <> 'A'",
    )
    .fetch_all(&pool)
    .await?;
    assert!(others.is_empty(), "not enabled for replication: {others:?}");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_feed_that_can_not_connect_does_not_make_the_database_unavailable(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (db_proxy, over) = DbProxy::start(&pool)?;
    let app = TestApp::new(over).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    fill_cache(&app, &token, &["proxy/api/auth.test"]).await?;
    // The connections of the calls continue; the feed loses its own and gets no other.
    db_proxy.refuse()?;
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()
         and (query like 'LISTEN%' or query like 'NOTIFY%') and pid <> pg_backend_pid()",
    )
    .execute(&pool)
    .await?;
    let id = path.rsplit('/').next().unwrap_or_default();
    sqlx::query("update account_tokens set revoked_at = now() where account_token_id = $1")
        .bind(id)
        .execute(&pool)
        .await?;
    eventually(&token, "proxy/api/auth.test", |status, _| status == 401).await
}
