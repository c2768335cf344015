//! `switchboard migrate`: brings the database up to date.

use super::output::say;
use crate::app::{Database, Sharing};
use crate::config::Config;
use crate::store::Store;

/// Applies what is missing.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    config.validate_database()?;
    crate::telemetry::init(&config.log);
    let database = Database::open(&config.database, true, Sharing::Shared).await?;
    let migrated = Store::new(database.pool.clone()).migrate().await;
    database.close().await;
    migrated?;
    say(format!("The database has all {} migrations.", crate::MIGRATOR.iter().count()))?;
    Ok(())
}
