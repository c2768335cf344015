//! A token pair that the provider has given and the database can't take: it is the only copy, and is not lost.

use anyhow::Context as _;
use serde_json::Value;
use sqlx::PgPool;
use std::time::Duration;
use switchboard::store::Deadlines;

use super::wire::{Wire, set};
use crate::tokens::endpoint::{Endpoint, account, come_back};

const SHORT: Deadlines = Deadlines {
    acquire: Duration::from_millis(300),
    statement: Duration::from_millis(300),
    lock: Duration::from_millis(200),
};

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_pair_in_hand_is_stored_when_the_database_answers_again(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (mut wire, over) = Wire::within(&pool, SHORT)?;
    let (app, endpoint) = Endpoint::start_with(over, |setup| set(&mut setup.config, SHORT)).await?;
    assert_eq!(come_back(&app, "acme", "code").await?, 200);
    let linked = account(&app, "acme").await?;
    let id = linked["id"].as_str().context("no id")?;
    let api = app.on(id)?;
    api.get("proxy/api/team.info").await?.okay()?;
    app.clock.advance(time::Duration::hours(13));
    let held = endpoint.hold("refresh-code");
    let hasty = api.clone().with("prefer", "wait=0")?;
    hasty.get("proxy/api/team.info").await?.refused(504, "provider_timeout");
    held.came().await;
    let in_doubt =
        || app.state.tokens.in_doubt().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(in_doubt(), [id], "a stop would say so");

    wire.silence();
    held.release();
    for _ in 0..3 {
        // As long as a try to store the pair takes.
        app.home.admin.get("audit-log").await?.problem(503, "unavailable");
    }
    assert_eq!(in_doubt(), [id]);
    wire.mend()?;
    // The server still holds the account's row for the session that fell silent, as long as its time-outs last.
    app.home.admin.get("audit-log").await?.okay()?;
    assert_eq!(in_doubt(), [id]);
    let end = "select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and state = 'idle in transaction'";
    sqlx::query(end).execute(&pool).await?;
    let patient = api.with("prefer", "wait=20")?;
    let echo = patient.get("proxy/api/team.info").await?.okay()?;
    assert_eq!(echo.get("bearer").and_then(Value::as_str), Some("Bearer access-refresh-code"));
    assert_eq!(endpoint.count("refresh-code"), 1, "the used refresh token was not sent again");
    while !in_doubt().is_empty() {
        tokio::task::yield_now().await;
    }
    Ok(())
}
