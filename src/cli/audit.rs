//! `switchboard audit`: the end of old rows of the audit log.

use clap::Subcommand;
use time::Duration;

use super::output::say;
use super::scene::on_database;
use crate::app::Database;
use crate::config::Config;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::store::Store;

/// What has to be so.
const PURGING: &str = "The database keeps rows of the last 90 days, whoever asks. Run this as the role that \
owns the tables: it takes the right to delete and gives it up again in the same transaction.";

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Delete the rows of all environments that are older than so many days
    #[command(after_help = PURGING)]
    Purge {
        /// How old a row must be, 90 days at least
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(90..))]
        older_than_days: u16,
    },
}

/// Does it.
pub(super) async fn run(config: &Config, command: &Command) -> anyhow::Result<()> {
    let Command::Purge { older_than_days } = command;
    // A little older, so that the database's clock agrees.
    let age = Duration::days((*older_than_days).into()) + Duration::MINUTE;
    let purge = async |_: &Database, store: &Store| {
        let gone = store.purge_audit_log(SystemClock.now() - age).await?;
        Ok(say(format!("{gone} rows are gone"))?)
    };
    on_database(config, purge).await
}
