//! `switchboard secrets`: encrypts data keys under a new master key, beside running gateways.

use std::sync::Arc;

use anyhow::bail;
use clap::Subcommand;

use super::context::with_database;
use super::output::print_line;
use crate::config::Config;
use crate::domain::clock::SystemClock;
use crate::domain::entropy::SystemEntropy;
use crate::store::{KeyedTable, Store};
use crate::vault::{MasterKeys, RotationReport, Vault};

/// The procedure without failed calls, as help text.
const ROTATE_HELP: &str = "Put the new key first in vault.keys and the old one after it, restart the gateway, \
and run this; then remove the old key. With several gateways, first add the new key after the old one \
on all of them. An interrupted run continues when it is started again.";

/// The subcommands of `secrets`.
#[derive(Debug, Subcommand)]
pub(super) enum SecretsCommand {
    /// Encrypt all data keys under the first key of vault.keys
    #[command(after_help = ROTATE_HELP)]
    Rotate,
}

/// Runs the command.
pub(super) async fn run(config: &Config, command: &SecretsCommand) -> anyhow::Result<()> {
    let keys = config.vault.master_keys().map_err(anyhow::Error::msg)?;
    let vault = Vault::new(MasterKeys::new(keys)?, Arc::new(SystemEntropy));
    with_database(config, async |_, store| match command {
        SecretsCommand::Rotate => rotate(store, &vault).await,
    })
    .await
}

async fn rotate(store: &Store, vault: &Vault) -> anyhow::Result<()> {
    // A closed pipe must not stop the rotation.
    let mut progress = |table: KeyedTable, rows: u64| {
        let _ = print_line(format!("{}: {rows} rows so far", table.name()));
    };
    let rotated = vault.rotate(store, &SystemClock, &mut progress).await?;
    report(vault.first_key(), &rotated)
}

fn report(first: &str, rotated: &RotationReport) -> anyhow::Result<()> {
    for table in KeyedTable::ALL {
        let rows = rotated.rows.get(&table).copied().unwrap_or_default();
        print_line(format!("{}\t{rows}\tnow under {first:?}", table.name()))?;
    }
    for id in &rotated.unused {
        print_line(format!("no row uses {id:?} any more: remove it from vault.keys"))?;
    }
    if let Some(row) = rotated.unreadable.first() {
        let (rows, table, id) = (rotated.unreadable.len(), row.table.name(), &row.id);
        bail!("{rows} rows could not be decrypted and are unchanged, such as {id} of {table}");
    }
    if let Some(left) = rotated.remaining.first() {
        let (rows, id) =
            (rotated.remaining.iter().map(|used| used.rows).sum::<u64>(), &left.master_key_id);
        bail!(
            "{rows} rows were written under {id:?} meanwhile: a gateway still encrypts with it; \
             restart it with {first:?} first in vault.keys and run this again"
        );
    }
    Ok(())
}
