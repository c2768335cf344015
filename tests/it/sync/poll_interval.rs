//! The interval in which the provider's change log is read.

use serde_json::json;
use sqlx::PgPool;

use super::SyncedApp;

#[sqlx::test(migrator = "switchboard::MIGRATOR")]
async fn a_new_interval_of_polls_applies_to_the_next_one(pool: PgPool) -> anyhow::Result<()> {
    let synced = SyncedApp::new(pool, json!({"poll_every_s": 3_600})).await?;
    synced.synced().await?;
    synced.follow().await?;
    let reads = || synced.app.calls("audit.logs");
    let after = async |seconds: i64| -> anyhow::Result<u64> {
        let before = reads();
        synced.app.clock.advance(time::Duration::seconds(seconds));
        synced.follow().await?;
        Ok(reads() - before)
    };
    assert_eq!(after(301).await?, 0);
    let path = format!("integrated-accounts/{}", synced.account);
    synced.app.home.api.patch(&path, &json!({"sync": {"poll_every_s": 400}})).await?.success()?;
    assert_eq!(after(90).await?, 0);
    assert_ne!(after(20).await?, 0);
    // The account's own setting has precedence over that of its environment.
    let environment = format!("environments/{}", synced.app.home.environment_id);
    let sync = json!({"sync": {"poll_every_s": 60}});
    synced.app.home.admin.patch(&environment, &sync).await?.success()?;
    assert_eq!(after(61).await?, 0);
    Ok(())
}
