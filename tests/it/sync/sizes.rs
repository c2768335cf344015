//! The sizes of a copy, and the planner's statistics of it.

use anyhow::Context as _;
use serde_json::json;
use sqlx::PgPool;

use super::SyncedApp;

/// The kinds whose stored size is not the number of current objects.
const WRONG_SIZES: &str = "
    SELECT COALESCE(size.kind, counted.kind) || ': ' || COALESCE(size.objects, 0) || ' for ' || COALESCE(counted.objects, 0)
    FROM (SELECT * FROM directory_copy_sizes WHERE integrated_account_id = $1) size
    FULL JOIN (
        SELECT kind, count(*) AS objects FROM directory_versions
        WHERE integrated_account_id = $1 AND valid_to = 'infinity' GROUP BY kind) counted USING (kind)
    WHERE COALESCE(size.objects, 0) <> COALESCE(counted.objects, 0)";

impl SyncedApp {
    /// Checks that the stored sizes of the copy are those of the copy.
    pub(crate) async fn assert_sizes(&self) -> anyhow::Result<()> {
        let wrong: Vec<String> =
            sqlx::query_scalar(WRONG_SIZES).bind(&self.account).fetch_all(&self.app.pool).await?;
        assert_eq!(wrong, Vec::<String>::new());
        Ok(())
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_sizes_of_a_copy_follow_each_change(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.assert_sizes().await?;
    let (user, workspace) = synced.some_member().await?;
    let person = json!({"email": "sizes@example.com", "name": "Si Zes",
        "workspaces": [{"id": workspace}]});
    synced.api.post("users", &person).await?.created()?;
    synced.assert_sizes().await?;
    let membership = json!({"user_id": user, "team_id": workspace});
    synced.outside("admin.users.remove", &membership).await?;
    synced.synced().await?;
    synced.assert_sizes().await?;
    // A process of an earlier version, which adds no changes, would leave other sizes: a complete run counts.
    sqlx::query("UPDATE directory_copy_sizes SET objects = 1").execute(&synced.app.pool).await?;
    synced.synced().await?;
    synced.assert_sizes().await
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_run_that_fills_the_copy_updates_the_planners_statistics(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::with(pool, json!({}), |setup| setup.sandbox.users = 500).await?;
    let run = synced.synced().await?;
    let counts = run["counts"].as_object().context("no counts")?;
    let created: u64 = counts.values().filter_map(|one| one["created"].as_u64()).sum();
    assert!(created >= 1_000, "{run}");
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT DISTINCT tablename::text FROM pg_stats
         WHERE tablename IN ('directory_users', 'directory_role_assignments') ORDER BY 1",
    )
    .fetch_all(&synced.app.pool)
    .await?;
    assert_eq!(tables, ["directory_role_assignments", "directory_users"]);
    Ok(())
}
