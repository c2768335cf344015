//! A token pair that the provider has issued and the database can't store: it is the only copy, and must not be lost.

use anyhow::Context as _;
use serde_json::Value;
use sqlx::PgPool;
use std::time::Duration;
use switchboard::store::DatabaseTimeouts;

use super::db_proxy::{DbProxy, set};
use crate::tokens::endpoint::{Endpoint, account, return_to_callback};

const SHORT: DatabaseTimeouts = DatabaseTimeouts {
    acquire: Duration::from_millis(300),
    statement: Duration::from_millis(300),
    lock: Duration::from_millis(200),
};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn an_unsaved_pair_is_stored_when_the_database_responds_again(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (mut db_proxy, over) = DbProxy::with_deadlines(&pool, SHORT)?;
    let (app, endpoint) = Endpoint::start_with(over, |setup| set(&mut setup.config, SHORT)).await?;
    assert_eq!(return_to_callback(&app, "acme", "code").await?, 200);
    let linked = account(&app, "acme").await?;
    let id = linked["id"].as_str().context("no id")?;
    let api = app.client_for(id)?;
    api.get("proxy/api/team.info").await?.success()?;
    app.clock.advance(time::Duration::hours(13));
    let delayed = endpoint.delay("refresh-code");
    let hasty = api.clone().with("prefer", "wait=0")?;
    hasty.get("proxy/api/team.info").await?.api_error(504, "provider_timeout");
    delayed.requested().await;
    let in_doubt =
        || app.state.tokens.in_doubt().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(in_doubt(), [id], "a shutdown would report it");

    db_proxy.stall();
    delayed.release();
    for _ in 0..3 {
        // As long as an attempt to store the pair takes.
        app.home.admin.get("audit-log").await?.problem(503, "unavailable");
    }
    assert_eq!(in_doubt(), [id]);
    db_proxy.restore()?;
    // The server holds the account's row for the stalled session until its time-outs.
    app.home.admin.get("audit-log").await?.success()?;
    assert_eq!(in_doubt(), [id]);
    let end = "select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and state = 'idle in transaction'";
    sqlx::query(end).execute(&pool).await?;
    let patient = api.with("prefer", "wait=20")?;
    let echo = patient.get("proxy/api/team.info").await?.success()?;
    assert_eq!(echo.get("bearer").and_then(Value::as_str), Some("Bearer access-refresh-code"));
    assert_eq!(endpoint.count("refresh-code"), 1, "the used refresh token was not sent again");
    while !in_doubt().is_empty() {
        tokio::task::yield_now().await;
    }
    Ok(())
}
