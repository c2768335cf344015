//! Full runs that make up for changes which were not followed, or which a report does not name.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::SyncedApp;

impl SyncedApp {
    /// Returns the number of runs so far.
    async fn count_runs(&self) -> anyhow::Result<i64> {
        let count = sqlx::query_scalar("SELECT count(*) FROM sync_runs");
        Ok(count.fetch_one(&self.app.pool).await?)
    }

    /// Changes a title at the provider, which reports it.
    async fn retitle_reported(&self, user: &str, title: &str) -> anyhow::Result<()> {
        self.retitle(user, title).await?;
        self.report(json!({"type": "user_change", "user": {"id": user}})).await
    }
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_during_a_lost_grant_are_read_after_the_next_link(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (user, _) = synced.some_member().await?;
    synced.retitle_reported(&user, "Cartographer").await?;
    synced.report(json!({"type": "app_uninstalled"})).await?;
    let path = format!("integrated-accounts/{}", synced.account);
    let account = synced.app.home.api.get(&path).await?.success()?;
    assert_eq!(account["result"]["status"], "needs_reauth", "{account}");
    synced.poll().await?;
    assert_eq!(synced.count_runs().await?, 1, "a run without a grant");

    let reads = synced.app.calls("audit.logs");
    synced.app.relink("acme", &synced.account).await?;
    synced.follow().await?;
    assert!(synced.app.calls("audit.logs") > reads, "the audit log is not read");
    assert_eq!(synced.count_runs().await?, 2);
    synced.work().await?;
    assert_eq!(synced.copied_title(&user).await?, "Cartographer");
    synced.poll().await?;
    assert_eq!(synced.count_runs().await?, 2, "one run is enough");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn changes_while_the_sync_is_disabled_are_read_when_it_is_enabled(
    pool: PgPool,
) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (user, _) = synced.some_member().await?;
    let path = format!("integrated-accounts/{}", synced.account);
    let set_enabled = async |enabled: bool| -> anyhow::Result<()> {
        let body = json!({"sync": {"enabled": enabled}});
        synced.app.home.api.patch(&path, &body).await?.success()?;
        synced.follow().await
    };
    set_enabled(false).await?;
    synced.retitle_reported(&user, "Cartographer").await?;
    synced.poll().await?;
    assert_eq!(synced.count_runs().await?, 1);
    for _ in 0..2 {
        set_enabled(true).await?;
        assert_eq!(synced.count_runs().await?, 2, "one run for each time it was disabled");
        synced.work().await?;
    }
    assert_eq!(synced.copied_title(&user).await?, "Cartographer");
    Ok(())
}

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn the_access_to_a_workspace_concerns_its_members(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let (_, workspace) = synced.some_member().await?;
    let before = synced.events().await?.len();
    synced.report(json!({"type": "team_access_granted", "team_ids": [workspace]})).await?;
    synced.follow().await?;
    assert_eq!(synced.count_runs().await?, 2);
    synced.work().await?;
    assert_eq!(synced.changes_after(before).await?, Vec::<Value>::new());
    Ok(())
}
