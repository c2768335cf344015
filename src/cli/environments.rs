//! `switchboard environments`: makes, lists and renames environments. Works beside a running gateway.

use anyhow::ensure;
use clap::Subcommand;

use super::output::say;
use super::scene::{ACTOR, administrator, known, moment, on_database};
use crate::admin::add_environment;
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::store::{AuditEntry, Store};

/// What to do with environments.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an environment and print its id
    Create {
        /// Its name, which no other environment has
        name: String,
    },
    /// List the environments, the oldest first
    List,
    /// Give an environment another name
    Rename {
        /// The name that it has
        from: String,
        /// The name that it gets
        to: String,
    },
}

/// Does it.
pub(super) async fn run(config: &Config, command: Command) -> anyhow::Result<()> {
    on_database(config, async |_, store| obey(store, command).await).await
}

async fn obey(store: &Store, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Create { name } => {
            check_free(store, &name).await?;
            let (clock, entropy) = (&SystemClock, &SystemEntropy);
            let entry = AuditEntry::new("environment.created", ACTOR, clock, entropy);
            say(add_environment(store, &name, entry, clock, entropy).await?.id)?;
        }
        Command::List => {
            for environment in store.environments().await? {
                let (id, name) = (environment.id, &environment.name);
                say(format!("{id}\t{name}\t{}", moment(Some(environment.created_at))))?;
            }
        }
        Command::Rename { from, to } => {
            let db = known(store, &from).await?;
            check_free(store, &to).await?;
            administrator(&db).rename_environment(&to).await?;
        }
    }
    Ok(())
}

/// On the command line environments go by their names, so it gives none of them twice.
async fn check_free(store: &Store, name: &str) -> anyhow::Result<()> {
    ensure!(
        store.environments_named(name).await?.is_empty(),
        "there is an environment {name:?} already"
    );
    Ok(())
}
