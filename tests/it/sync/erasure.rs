//! What is erased with an account.

use serde_json::json;
use sqlx::PgPool;
use switchboard::domain::clock::Clock as _;
use time::Duration;
use tokio_util::sync::CancellationToken;

use super::SyncedApp;

/// What is left of an account.
const LEFT: &str = "
    SELECT (SELECT count(*) FROM directory_versions WHERE integrated_account_id = $1)
        + (SELECT count(*) FROM directory_copies WHERE integrated_account_id = $1)
        + (SELECT count(*) FROM directory_copy_sizes WHERE integrated_account_id = $1)
        + (SELECT count(*) FROM change_sources WHERE integrated_account_id = $1)
        + (SELECT count(*) FROM events
           WHERE integrated_account_id = $1 AND (object IS NOT NULL OR previous IS NOT NULL))
        + (SELECT count(*) FROM webhook_deliveries
           WHERE integrated_account_id = $1 AND attempts::text LIKE '%an echo%')";

impl SyncedApp {
    /// Adds deliveries of all events of the account, whose responses repeat them.
    async fn add_deliveries(&self, webhook: &str) -> anyhow::Result<()> {
        sqlx::query(
            "INSERT INTO webhook_deliveries (environment_id, webhook_id, delivery_id, event_id, event_type,
                 position, status, attempt_count, attempts, created_at, integrated_account_id)
             SELECT environment_id, $2, 'dlv_' || position, event_id, type, position, 'succeeded', 1,
                 '[{\"at\": \"2026-01-02T03:04:05Z\", \"duration_ms\": 1, \"response_body\": \"an echo\"}]',
                 at, integrated_account_id
             FROM events WHERE integrated_account_id = $1",
        )
        .bind(&self.account)
        .bind(webhook)
        .execute(&self.app.pool)
        .await?;
        Ok(())
    }

    /// Returns how many rows are left of the account.
    async fn left(&self) -> anyhow::Result<i64> {
        Ok(sqlx::query_scalar(LEFT).bind(&self.account).fetch_one(&self.app.pool).await?)
    }
}

/// An erasure is interrupted by a lock, once in each of its parts.
#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_purge_completes_an_erasure_that_was_interrupted(pool: PgPool) -> anyhow::Result<()> {
    let mut synced = SyncedApp::new(pool, json!({"emit_initial": true})).await?;
    let mut config = synced.app.config.clone();
    config.database.lock_timeout_s = 0.2;
    let (impatient, _) = synced.app.second_gateway(&config).await?;
    let body = json!({"url": "https://hooks.example.com/", "is_active": false});
    let webhook = super::id_of(&synced.app.home.admin.post("webhooks", &body).await?.created()?)?;
    for (tenant, locked) in [
        ("acme", "SELECT FROM webhooks FOR UPDATE"),
        ("globex", "SELECT FROM events WHERE object IS NOT NULL FOR UPDATE"),
        ("initech", "SELECT FROM directory_versions FOR UPDATE"),
        ("umbrella", "SELECT FROM directory_copies FOR UPDATE"),
    ] {
        if tenant != "acme" {
            synced.account = synced.app.link(tenant).await?;
            synced.api = synced.app.client_for(&synced.account)?;
            let sync = json!({"sync": {"enabled": true, "emit_initial": true}});
            let path = format!("integrated-accounts/{}", synced.account);
            synced.app.home.api.patch(&path, &sync).await?.success()?;
        }
        synced.synced().await?;
        synced.add_deliveries(&webhook).await?;
        let mut holder = synced.app.pool.begin().await?;
        sqlx::query(locked).execute(&mut *holder).await?;
        let path = format!("integrated-accounts/{}", synced.account);
        let response = synced.app.home.api.clone().at(impatient.clone()).delete(&path).await?;
        response.problem(503, "unavailable");
        holder.rollback().await?;
        let account = synced.app.home.api.get(&path).await?.success()?;
        assert_eq!(account["result"]["status"], "disconnected", "{tenant}");
        assert!(synced.left().await? > 0, "{tenant}: nothing was interrupted");
        let store = &synced.app.state.store;
        store.purge_expired(synced.app.clock.now(), Duration::days(30)).await?;
        assert_eq!(synced.left().await?, 0, "{tenant}");
    }
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_disconnected_account_leaves_nothing(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"emit_initial": true})).await?;
    synced.synced().await?;
    let count = async |sql: &'static str| {
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&synced.app.pool).await
    };
    assert!(count("SELECT count(*) FROM directory_versions").await? > 100);
    synced.app.home.admin.post("policies/starter", &json!({})).await?.created()?;
    while synced.app.policies.work_once(&CancellationToken::new()).await? {}
    assert!(count("SELECT count(*) FROM violations").await? > 0);
    // One plan was made, the other's desired state waits.
    for email in ["one@example.com", "other@example.com"] {
        synced.work().await?;
        let body = json!({"integrated_account_id": synced.account,
            "desired": {"users": [{"email": email, "name": "Some One"}]}});
        assert_eq!(synced.api.post("reconciliations", &body).await?.status, 202);
    }
    assert_eq!(count("SELECT count(*) FROM reconciliation_steps").await?, 1);
    assert_eq!(count("SELECT count(*) FROM reconciliation_rows").await?, 1);
    let path = format!("integrated-accounts/{}", synced.account);
    synced.app.home.api.delete(&path).await?.success()?;
    for sql in [
        "SELECT count(*) FROM directory_versions",
        "SELECT count(*) FROM directory_copies",
        "SELECT count(*) FROM directory_copy_sizes",
        "SELECT count(*) FROM sync_seen",
        "SELECT count(*) FROM sync_profiles",
        "SELECT count(*) FROM change_causes",
        "SELECT count(*) FROM own_changes",
        "SELECT count(*) FROM violations",
        "SELECT count(*) FROM policy_evaluations",
        "SELECT count(*) FROM reconciliations",
        "SELECT count(*) FROM reconciliation_steps",
        "SELECT count(*) FROM reconciliation_rows",
        "SELECT count(*) FROM events WHERE object IS NOT NULL OR previous IS NOT NULL",
    ] {
        assert_eq!(count(sql).await?, 0, "{sql}");
    }
    Ok(())
}
