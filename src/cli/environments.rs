//! `switchboard environments`: makes, lists and renames environments. Works beside a running gateway.

use clap::Subcommand;

use super::output::say;
use super::scene::{ACTOR, administrator, known, moment, on_database};
use crate::admin::add_environment;
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::store::{AuditEntry, Store, StoreError};

/// What to do with environments.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Make an environment and print its id
    Create {
        /// Its name, unique in this installation
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
            let (clock, entropy) = (&SystemClock, &SystemEntropy);
            let entry = AuditEntry::new("environment.created", ACTOR, clock, entropy);
            let made = add_environment(store, &name, entry, clock, entropy).await;
            say(made.map_err(|error| taken(error, &name))?.id)?;
        }
        Command::List => {
            for environment in store.environments().await? {
                let (id, name) = (environment.id, &environment.name);
                say(format!("{id}\t{name}\t{}", moment(Some(environment.created_at))))?;
            }
        }
        Command::Rename { from, to } => {
            let db = known(store, &from).await?;
            let renamed = administrator(&db).rename_environment(&to).await;
            renamed.map_err(|error| taken(error, &to))?;
        }
    }
    Ok(())
}

/// A conflict says which constraint, a person wants to know the name.
fn taken(error: StoreError, name: &str) -> anyhow::Error {
    match error {
        StoreError::Conflict(_) => anyhow::anyhow!("there is an environment {name:?} already"),
        error @ (StoreError::Inconsistent { .. }
        | StoreError::Unavailable(_)
        | StoreError::Busy(_)
        | StoreError::Refused(_)) => error.into(),
    }
}
