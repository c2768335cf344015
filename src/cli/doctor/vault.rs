//! The master keys: whether they open what is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::report::Report;
use crate::config;
use crate::domain::entropy::SystemEntropy;
use crate::store::{Store, StoreError};
use crate::vault::{MasterKeys, Vault};

const NAME: &str = "vault";

pub(super) async fn check(
    store: &Store,
    settings: &config::Vault,
    report: &mut Report,
) -> Result<(), StoreError> {
    let keys = settings
        .master_keys()
        .and_then(|keys| MasterKeys::new(keys).map_err(|error| format!("vault.keys: {error}")));
    let vault = match keys {
        Ok(keys) => Vault::new(keys, Arc::new(SystemEntropy)),
        Err(mistake) => {
            report.fail(NAME, mistake, "give each key an id of its own");
            return Ok(());
        }
    };
    let found = vault.inspect(store).await?;
    let before = report.failures();
    for (id, rows) in &found.missing {
        let found = format!("{rows} row(s) need the master key {id:?}, which is not configured");
        report.fail(NAME, found, format!("put {id:?} behind the first key of vault.keys again"));
    }
    if let Some(row) = found.broken.first() {
        let (count, tried) = (found.broken.len(), found.tried);
        let (id, table, key) = (&row.id, row.table.name(), &row.data_key.master_key_id);
        report.fail(
            NAME,
            format!("{count} of {tried} row(s) tried don't open, such as {id} of {table}"),
            format!("see that {key:?} in vault.keys is the key that it was when they were written"),
        );
    }
    if before < report.failures() {
        return Ok(());
    }
    let (rows, tried, first) = (found.rows, found.tried, vault.first_key());
    if found.older.is_empty() {
        report.ok(NAME, format!("{tried} of {rows} row(s) tried, all open; {first:?} encrypts"));
    } else {
        let older = listed(&found.older);
        let fix = "run `switchboard secrets rotate`; then the older keys can leave vault.keys";
        report.warn(NAME, format!("all tried open, but older keys are needed: {older}"), fix);
    }
    Ok(())
}

fn listed(keys: &BTreeMap<String, u64>) -> String {
    let rows = keys.iter().map(|(id, rows)| format!("{id:?} by {rows} row(s)"));
    rows.collect::<Vec<_>>().join(", ")
}
