//! A look at what is stored encrypted, for whoever checks an installation: which master keys the rows need,
//! and whether those that are configured open them. Nothing is changed, and no secret is read: what is tried
//! is the rows' data keys.

use std::collections::{BTreeMap, BTreeSet};

use super::cipher::CipherError;
use super::rotation::binding;
use super::tokens::Vault;
use crate::store::{KeyedRow, Store, StoreError};

/// So many rows of a table are tried in each environment.
const SAMPLE: i64 = 20;
/// So many rows are tried in all.
const MOST: u64 = 2_000;

/// What there is.
#[derive(Debug, Default)]
pub struct Inspected {
    /// How many rows there are.
    pub rows: u64,
    /// How many of them were tried.
    pub tried: u64,
    /// Keys that rows need and that are not configured, with the number of those rows.
    pub missing: BTreeMap<String, u64>,
    /// Keys behind the first that rows still need, with the number of those rows.
    pub older: BTreeMap<String, u64>,
    /// Rows whose master key is configured and doesn't open them.
    pub broken: Vec<KeyedRow>,
}

impl Vault {
    /// Looks at the rows of all environments.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn inspect(&self, store: &Store) -> Result<Inspected, StoreError> {
        let uses = store.key_uses().await?;
        let mut found = Inspected::default();
        for used in &uses {
            found.rows += used.rows;
            let id = &used.master_key_id;
            let list = if !self.keys.ids().any(|known| known == id) {
                &mut found.missing
            } else if id != self.first_key() {
                &mut found.older
            } else {
                continue;
            };
            *list.entry(id.clone()).or_default() += used.rows;
        }
        let places: BTreeSet<_> = uses.iter().map(|one| (one.environment_id, one.table)).collect();
        for (environment_id, table) in places {
            if found.tried >= MOST {
                break;
            }
            // No key has an empty id, so this is any row.
            let rows = store.tenant(environment_id).rows_not_under("", table, None, SAMPLE).await?;
            for row in rows {
                found.tried += 1;
                let opened =
                    self.keys.unwrap_data_key(&row.data_key, &binding(environment_id, &row));
                if let Err(CipherError::Corrupt) = opened {
                    found.broken.push(row);
                }
            }
        }
        Ok(found)
    }
}
