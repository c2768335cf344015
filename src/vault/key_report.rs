//! Read-only check of stored secrets for `doctor`: which master keys the rows need, and whether the configured ones
//! open their data keys. No secret is decrypted.

use std::collections::{BTreeMap, BTreeSet};

use super::cipher::CipherError;
use super::rotation::binding;
use super::sealing::Vault;
use crate::store::{KeyedRow, Store, StoreError};

/// Maximum number of rows checked per table and environment.
const MAX_SAMPLE_ROWS: i64 = 20;
/// Maximum number of rows checked in total.
const MAX_CHECKED_ROWS: u64 = 2_000;

/// Result of the check.
#[derive(Debug, Default)]
pub struct KeyReport {
    /// Total number of rows.
    pub rows: u64,
    /// Number of rows checked.
    pub checked: u64,
    /// Master keys that rows need but that are not configured, with the number of those rows.
    pub missing: BTreeMap<String, u64>,
    /// Master keys after the first that rows still need, with the number of those rows.
    pub older: BTreeMap<String, u64>,
    /// Rows whose master key is configured but does not open them.
    pub unreadable: Vec<KeyedRow>,
}

impl Vault {
    /// Checks the rows of all environments.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn key_report(&self, store: &Store) -> Result<KeyReport, StoreError> {
        let uses = store.master_key_usage().await?;
        let mut report = KeyReport::default();
        for used in &uses {
            report.rows += used.rows;
            let id = &used.master_key_id;
            let list = if !self.keys.ids().any(|known| known == id) {
                &mut report.missing
            } else if id != self.first_key() {
                &mut report.older
            } else {
                continue;
            };
            *list.entry(id.clone()).or_default() += used.rows;
        }
        let tables: BTreeSet<_> = uses.iter().map(|one| (one.environment_id, one.table)).collect();
        for (environment_id, table) in tables {
            if report.checked >= MAX_CHECKED_ROWS {
                break;
            }
            // No master key has an empty id, so this selects any row.
            let rows = store
                .tenant(environment_id)
                .rows_not_wrapped_by("", table, None, MAX_SAMPLE_ROWS)
                .await?;
            for row in rows {
                report.checked += 1;
                let opened =
                    self.keys.unwrap_data_key(&row.data_key, &binding(environment_id, &row));
                if let Err(CipherError::Corrupt) = opened {
                    report.unreadable.push(row);
                }
            }
        }
        Ok(report)
    }
}
