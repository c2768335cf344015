//! The audit log while the database is unavailable: calls work and are logged afterwards; changes are rejected.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;
use sqlx::PgPool;

use super::db_proxy::DbProxy;
use super::fill_cache;
use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn usage_in_an_outage_is_logged_after_it_and_changes_are_rejected(
    pool: PgPool,
) -> anyhow::Result<()> {
    let (mut db_proxy, over) = DbProxy::start(&pool)?;
    let app = TestApp::new(over).await?;
    let account = app.link("acme").await?;
    let api = app.client_for(&account)?.with("x-request-id", "outage")?;
    fill_cache(&app, &api, &["proxy/api/auth.test"]).await?;
    app.state.uses.finish().await;
    let count = "select coalesce(sum(calls), 0) from audit_log
        where provider_method = 'auth.test' and is_use";
    let before: i64 = sqlx::query_scalar(count).fetch_one(&pool).await?;
    db_proxy.cut().await?;
    for _ in 0..20 {
        api.get("proxy/api/auth.test").await?.success()?;
    }
    let body = Some(("application/x-www-form-urlencoded", "user_id=U1"));
    let path = "proxy/api/admin.users.session.reset";
    api.send(Method::POST, path, body).await?.api_error(503, "unavailable");
    assert_eq!(app.calls("admin.users.session.reset"), 0, "it was sent");
    db_proxy.restore()?;
    let began = Instant::now();
    loop {
        let now: i64 = sqlx::query_scalar(count).fetch_one(&pool).await?;
        if now == before + 20 {
            break;
        }
        anyhow::ensure!(began.elapsed() < Duration::from_secs(10), "{now} of {before} + 20");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let metrics = app.anonymous()?.get("metrics").await?;
    assert!(metrics.text.contains("switchboard_audit_rows_lost_total 0"), "{}", metrics.text);
    let list = app.home.admin.get("audit-log?limit=1").await?.success()?;
    assert_eq!(list.get("result_count").and_then(Value::as_u64), Some(1));
    Ok(())
}
