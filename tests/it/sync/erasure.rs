//! What is erased with an account.

use serde_json::json;
use sqlx::PgPool;

use super::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_disconnected_account_leaves_nothing(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"emit_initial": true})).await?;
    synced.synced().await?;
    let count = async |sql: &'static str| {
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&synced.app.pool).await
    };
    assert!(count("SELECT count(*) FROM directory_versions").await? > 100);
    let path = format!("integrated-accounts/{}", synced.account);
    synced.app.home.api.delete(&path).await?.success()?;
    for sql in [
        "SELECT count(*) FROM directory_versions",
        "SELECT count(*) FROM directory_copies",
        "SELECT count(*) FROM sync_seen",
        "SELECT count(*) FROM sync_profiles",
        "SELECT count(*) FROM events WHERE object IS NOT NULL OR previous IS NOT NULL",
    ] {
        assert_eq!(count(sql).await?, 0, "{sql}");
    }
    Ok(())
}
