//! `switchboard secrets`: moves what is stored to a new master key, beside running gateways.

use std::sync::Arc;

use anyhow::bail;
use clap::Subcommand;

use super::output::say;
use super::scene::on_database;
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::store::{KeyedTable, Store};
use crate::vault::{MasterKeys, Rotated, Vault};

/// How it is done without a failed call.
const ROTATING: &str = "Put the new key first in vault.keys and leave the old one behind it, restart \
the gateway with that list, and run this; afterwards the old key can leave the list. With several \
gateways, first give all of them the new key behind the old one. A run that was stopped goes on when \
it is run again.";

/// What to do with the secrets.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Encrypt every data key anew, under the first key of `vault.keys`
    #[command(after_help = ROTATING)]
    Rotate,
}

/// Does it.
pub(super) async fn run(config: &Config, command: &Command) -> anyhow::Result<()> {
    let keys = config.vault.master_keys().map_err(anyhow::Error::msg)?;
    let vault = Vault::new(MasterKeys::new(keys)?, Arc::new(SystemEntropy));
    on_database(config, async |_, store| match command {
        Command::Rotate => rotate(store, &vault).await,
    })
    .await
}

async fn rotate(store: &Store, vault: &Vault) -> anyhow::Result<()> {
    // Whoever closes the pipe doesn't want to stop the rotation.
    let mut told = |table: KeyedTable, rows: u64| {
        let _ = say(format!("{}: {rows} rows so far", table.name()));
    };
    let rotated = vault.rotate(store, &SystemClock, &mut told).await?;
    report(vault.first_key(), &rotated)
}

fn report(first: &str, rotated: &Rotated) -> anyhow::Result<()> {
    for table in KeyedTable::ALL {
        let rows = rotated.rows.get(&table).copied().unwrap_or_default();
        say(format!("{}\t{rows}\tunder {first:?} now", table.name()))?;
    }
    for id in &rotated.unused {
        say(format!("no row needs {id:?} any more: it can leave vault.keys"))?;
    }
    if let Some(row) = rotated.broken.first() {
        let (rows, table, id) = (rotated.broken.len(), row.table.name(), &row.id);
        bail!("{rows} rows do not open and stay as they are, such as {id} of {table}");
    }
    if let Some(left) = rotated.left.first() {
        let (rows, id) =
            (rotated.left.iter().map(|used| used.rows).sum::<u64>(), &left.master_key_id);
        bail!(
            "{rows} rows came under {id:?} meanwhile: a gateway still encrypts with it; \
             restart it with {first:?} first in vault.keys and run this again"
        );
    }
    Ok(())
}
