//! `switchboard environments`: creates, lists and renames environments. Works beside running gateways.

use anyhow::ensure;
use clap::Subcommand;

use super::context::{ACTOR, administrator, find_environment, format_time, with_database};
use super::output::print_line;
use crate::admin::create_environment;
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::store::{AuditEntry, Store};

/// The subcommands of `environments`.
#[derive(Debug, Subcommand)]
pub(super) enum EnvironmentsCommand {
    /// Create an environment and print its id
    Create {
        /// Unique name
        name: String,
    },
    /// List the environments, oldest first
    List,
    /// Rename an environment
    Rename {
        /// Current name or id
        from: String,
        /// New unique name
        to: String,
    },
}

/// Runs the command.
pub(super) async fn run(config: &Config, command: EnvironmentsCommand) -> anyhow::Result<()> {
    with_database(config, async |_, store| execute(store, command).await).await
}

async fn execute(store: &Store, command: EnvironmentsCommand) -> anyhow::Result<()> {
    match command {
        EnvironmentsCommand::Create { name } => {
            check_unused_name(store, &name).await?;
            let (clock, entropy) = (&SystemClock, &SystemEntropy);
            let entry = AuditEntry::new("environment.created", ACTOR, clock, entropy);
            print_line(create_environment(store, &name, entry, clock, entropy).await?.id)?;
        }
        EnvironmentsCommand::List => {
            for environment in store.environments().await? {
                let (id, name) = (environment.id, &environment.name);
                print_line(format!("{id}\t{name}\t{}", format_time(Some(environment.created_at))))?;
            }
        }
        EnvironmentsCommand::Rename { from, to } => {
            let db = find_environment(store, &from).await?;
            check_unused_name(store, &to).await?;
            administrator(&db).rename_environment(&to).await?;
        }
    }
    Ok(())
}

/// Fails if the name is taken: commands select environments by name.
async fn check_unused_name(store: &Store, name: &str) -> anyhow::Result<()> {
    ensure!(
        store.find_environments(name).await?.is_empty(),
        "an environment named {name:?} already exists"
    );
    Ok(())
}
