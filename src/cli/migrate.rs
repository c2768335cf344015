//! `switchboard migrate`: applies database migrations.

use super::context::with_database;
use super::output::print_line;
use crate::config::Config;

/// Runs the command.
pub(super) async fn run(config: &Config) -> anyhow::Result<()> {
    crate::telemetry::init(&config.log);
    let all = crate::MIGRATOR.iter().count();
    with_database(config, async |_, store| {
        store.migrate().await?;
        Ok(print_line(format!("All {all} migrations are applied."))?)
    })
    .await
}
