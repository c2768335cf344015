//! The feed of changes counts as live only while what another connection notifies is delivered.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection as _, PgConnection, PgPool};
use switchboard::store::Deadlines;

use super::wire::Wire;
use super::{SOON, soon, warmed, with_token};
use crate::support::{Answer, Client, PgBouncer, TestApp};

/// Revokes a token so that no trigger says so.
async fn revoke_unheard(pool: &PgPool, path: &str) -> anyhow::Result<()> {
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

/// Asks until a revoked token is refused.
async fn refused_within(client: &Client, limit: Duration) -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    while client.get("proxy/api/auth.test").await?.status != 401 {
        anyhow::ensure!(began.elapsed() < limit, "accepted after {limit:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

/// The first answer that is not 503: such a pooler may hand what one client listens to to another one, whose
/// connection is of no use after that.
async fn answered(client: &Client) -> anyhow::Result<Answer> {
    for _ in 0..20 {
        let answer = client.get("proxy/api/auth.test").await?;
        if answer.status != 503 {
            return Ok(answer);
        }
    }
    anyhow::bail!("unavailable again and again")
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn caches_nothing_behind_a_pooler_that_lends_by_the_transaction(
    pool: PgPool,
) -> anyhow::Result<()> {
    let Some(bouncer) = PgBouncer::start(&pool, "transaction").await? else { return Ok(()) };
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let over = Deadlines::default().pool(3).connect_lazy_with(bouncer.connect_options());
    let (url, state) = app.beside_over(over, &app.config).await?;
    let changing = app.home.admin.clone();
    for _ in 0..10 {
        let (token, path) = with_token(&changing, &app, &account).await?;
        let there = token.at(url.clone());
        answered(&there).await?.okay()?;
        changing.delete(&path).await?.okay()?;
        // The very next request, for nothing is in memory.
        answered(&there).await?.refused(401, "unauthorized");
    }
    assert!(state.store.kept().iter().all(|cache| cache.rows == 0), "{:?}", state.store.kept());
    assert!(!state.store.delivers_notifications(SOON).await?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn hears_of_changes_behind_a_pooler_that_keeps_sessions(pool: PgPool) -> anyhow::Result<()> {
    let Some(bouncer) = PgBouncer::start(&pool, "session").await? else { return Ok(()) };
    let app = TestApp::new(pool).await?;
    let account = app.link("acme").await?;
    let over = Deadlines::default().pool(3).connect_lazy_with(bouncer.connect_options());
    let (url, state) = app.beside_over(over, &app.config).await?;
    let changing = app.home.admin.clone();
    let (token, path) = with_token(&changing, &app, &account).await?;
    let there = token.at(url);
    warmed(&app, &there, &["proxy/api/auth.test"]).await?;
    changing.delete(&path).await?.okay()?;
    soon(&there, "proxy/api/auth.test", |status, _| status == 401).await?;
    assert!(state.store.delivers_notifications(SOON).await?);
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn notices_that_it_listens_to_a_server_that_new_connections_do_not_reach(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (wire, over) = Wire::to(&pool)?;
    let options = pool.connect_options();
    let old = options.get_database().unwrap_or_default().to_owned();
    // Notifications are a database's own: another one is as good as another server.
    let new = format!("{}x", &old[..old.len() - 1]);
    let mut direct = PgConnection::connect_with(&options).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("create database \"{new}\""))).execute(&mut direct).await?;
    let app = TestApp::new(over).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    warmed(&app, &token, &["proxy/api/auth.test"]).await?;
    wire.divert(&old, &new)?;
    revoke_unheard(&pool, &path).await?;
    refused_within(&token, Duration::from_secs(8)).await?;
    drop(wire);
    let gone = format!("drop database \"{new}\" with (force)");
    sqlx::raw_sql(AssertSqlSafe(gone)).execute(&mut direct).await?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_row_of_which_no_change_was_heard_is_read_again_at_its_age_limit(
    pool: PgPool,
) -> anyhow::Result<()> {
    let app = TestApp::with(pool.clone(), |setup| setup.config.cache.max_age_s = 0.4).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    token.get("proxy/api/auth.test").await?.okay()?;
    revoke_unheard(&pool, &path).await?;
    refused_within(&token, Duration::from_secs(2)).await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn hears_of_changes_that_a_replication_applies(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool.clone()).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    warmed(&app, &token, &["proxy/api/auth.test"]).await?;
    let id = path.rsplit('/').next().unwrap_or_default();
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("set local session_replication_role = replica").execute(&mut *tx).await?;
    sqlx::query("update account_tokens set revoked_at = now() where account_token_id = $1")
        .bind(id)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    soon(&token, "proxy/api/auth.test", |status, _| status == 401).await?;
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
    let (wire, over) = Wire::to(&pool)?;
    let app = TestApp::new(over).await?;
    let account = app.link("acme").await?;
    let (token, path) = with_token(&app.home.admin, &app, &account).await?;
    warmed(&app, &token, &["proxy/api/auth.test"]).await?;
    // The connections of the calls go on; the feed loses its own and gets no other.
    wire.refuse()?;
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
    soon(&token, "proxy/api/auth.test", |status, _| status == 401).await
}
