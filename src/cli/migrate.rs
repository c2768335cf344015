//! `switchboard migrate`: brings the database up to date.

use super::output::say;
use super::scene::on_database;
use crate::config::Config;

/// Applies what is missing.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    crate::telemetry::init(&config.log);
    let all = crate::MIGRATOR.iter().count();
    on_database(config, async |_, store| {
        store.migrate().await?;
        Ok(say(format!("The database has all {all} migrations."))?)
    })
    .await
}
