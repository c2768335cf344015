//! `switchboard audit`: deletes old entries of the audit log.

use clap::Subcommand;
use time::Duration;

use super::context::with_database;
use super::output::print_line;
use crate::app::Database;
use crate::config::Config;
use crate::domain::clock::{Clock as _, SystemClock};
use crate::store::Store;

/// The requirements of `purge`, as help text.
const PURGE_HELP: &str = "The database rejects deletion of rows from the last 90 days. Run this as the role that \
owns the tables: it grants itself the right to delete and revokes it in the same transaction.";

/// The subcommands of `audit`.
#[derive(Debug, Subcommand)]
pub(super) enum AuditCommand {
    /// Delete audit entries of all environments that are older than a number of days
    #[command(after_help = PURGE_HELP)]
    Purge {
        /// Minimum age of deleted entries in days, at least 90
        #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u16).range(90..))]
        older_than_days: u16,
    },
}

/// Runs the command.
pub(super) async fn run(config: &Config, command: &AuditCommand) -> anyhow::Result<()> {
    let AuditCommand::Purge { older_than_days } = command;
    // One minute more, in case the database's clock is behind.
    let age = Duration::days((*older_than_days).into()) + Duration::MINUTE;
    let purge = async |_: &Database, store: &Store| {
        let gone = store.purge_audit_log(SystemClock.now() - age).await?;
        Ok(print_line(format!("{gone} rows deleted"))?)
    };
    with_database(config, purge).await
}
