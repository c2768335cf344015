//! Checks that the master keys decrypt the stored secrets.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::report::DoctorReport;
use crate::config;
use crate::domain::entropy::SystemEntropy;
use crate::store::{Store, StoreError};
use crate::vault::{MasterKeys, Vault};

const NAME: &str = "vault";

pub(super) async fn check(
    store: &Store,
    settings: &config::VaultSettings,
    report: &mut DoctorReport,
) -> Result<(), StoreError> {
    let keys = settings
        .master_keys()
        .and_then(|keys| MasterKeys::new(keys).map_err(|error| format!("vault.keys: {error}")));
    let vault = match keys {
        Ok(keys) => Vault::new(keys, Arc::new(SystemEntropy)),
        Err(error) => {
            report.fail(NAME, error, "use a different id for each key");
            return Ok(());
        }
    };
    let found = vault.key_report(store).await?;
    let before = report.failures();
    for (id, rows) in &found.missing {
        let found = format!("{rows} row(s) need the master key {id:?}, which is not configured");
        report.fail(NAME, found, format!("add {id:?} to vault.keys again, after the first key"));
    }
    if let Some(row) = found.unreadable.first() {
        let (count, tried) = (found.unreadable.len(), found.checked);
        let (id, table, key) = (&row.id, row.table.name(), &row.data_key.master_key_id);
        report.fail(
            NAME,
            format!(
                "{count} of {tried} checked row(s) could not be decrypted, such as {id} of {table}"
            ),
            format!("restore the key {key:?} in vault.keys under which they were written"),
        );
    }
    if before < report.failures() {
        return Ok(());
    }
    let (rows, tried, first) = (found.rows, found.checked, vault.first_key());
    if found.older.is_empty() {
        report.ok(
            NAME,
            format!("{tried} of {rows} row(s) checked, all decrypted; {first:?} encrypts"),
        );
    } else {
        let older = format_keys(&found.older);
        let fix = "run `switchboard secrets rotate`; then remove the older keys from vault.keys";
        report.warn(
            NAME,
            format!("all checked rows decrypted, but older keys are in use: {older}"),
            fix,
        );
    }
    Ok(())
}

fn format_keys(keys: &BTreeMap<String, u64>) -> String {
    let rows = keys.iter().map(|(id, rows)| format!("{id:?} by {rows} row(s)"));
    rows.collect::<Vec<_>>().join(", ")
}
