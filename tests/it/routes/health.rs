//! `/healthz` and `/readyz`.

use serde_json::json;
use sqlx::PgPool;

use crate::support::TestApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_gateway_with_its_database_is_live_and_ready(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    for path in ["healthz", "readyz"] {
        assert_eq!(app.anonymous()?.get(path).await?.success()?, json!({"status": "ok"}), "{path}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_missing_migration_makes_it_unready_but_live(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    let last = "delete from _sqlx_migrations
        where version = (select max(version) from _sqlx_migrations)";
    sqlx::query(last).execute(&app.pool).await?;
    let ready = app.anonymous()?.get("readyz").await?;
    let detail = ready.problem(503, "unavailable")["detail"].as_str();
    assert!(detail.is_some_and(|detail| detail.contains("switchboard migrate")), "{detail:?}");
    app.anonymous()?.get("healthz").await?.success()?;
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn reports_an_unavailable_database_with_retry_after(pool: PgPool) -> anyhow::Result<()> {
    let app = TestApp::new(pool).await?;
    app.pool.close().await;
    for path in ["readyz", "integrated-accounts"] {
        let away = app.home.api.get(path).await?;
        away.problem(503, "unavailable");
        assert_eq!(away.header("retry-after"), "5", "{path}");
    }
    app.anonymous()?.get("healthz").await?.success()?;
    Ok(())
}
