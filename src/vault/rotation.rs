//! Rotation of master keys: rewraps every data key with the first master key while gateways run. Each row is updated by
//! one statement that changes nothing if the row got another key meanwhile, so a run can be killed at any time and the
//! next one finds the remaining rows by their keys.

use std::collections::{BTreeMap, BTreeSet};

use super::cipher::{CipherError, RowBinding};
use super::sealing::{Vault, response_binding};
use crate::domain::clock::Clock;
use crate::domain::ids::{AuditId, EnvironmentId};
use crate::store::{
    AuditEntry, AuditOutcome, IdempotencyKey, KeyedRow, KeyedTable, MasterKeyUsage, Store,
    StoreError, TenantDb,
};

/// Number of rows read by one query.
const BATCH_ROWS: i64 = 200;
/// Maximum number of passes over the tables while gateways write rows with an older key.
const MAX_PASSES: usize = 3;

/// Result of a rotation.
#[derive(Debug, Default)]
pub struct RotationReport {
    /// Number of rewrapped rows by table.
    pub rows: BTreeMap<KeyedTable, u64>,
    /// Rows whose data key could not be unwrapped; they are unchanged.
    pub unreadable: Vec<KeyedRow>,
    /// Rows still wrapped by another key than the first, including the unreadable ones.
    pub remaining: Vec<MasterKeyUsage>,
    /// Configured keys other than the first that no row needs.
    pub unused: Vec<String>,
}

/// Reason why a rotation failed or is incomplete.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Rows need a master key that is not configured. Nothing was changed.
    #[error(
        "master key {id:?} is not in vault.keys, but {rows} rows need it: add it after the first key"
    )]
    MissingKey {
        /// The id of the key.
        id: String,
        /// Number of rows that need it.
        rows: u64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key could not be wrapped.
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

/// Progress callback: a table and the number of its rows done so far.
pub type RotationProgress<'a> = dyn FnMut(KeyedTable, u64) + Send + 'a;

impl Vault {
    /// Rewraps the data keys of all rows with the first master key.
    ///
    /// # Errors
    ///
    /// When a row needs a key that is not configured, or the database fails.
    pub async fn rotate(
        &self,
        store: &Store,
        clock: &dyn Clock,
        progress: &mut RotationProgress<'_>,
    ) -> Result<RotationReport, RotationError> {
        let mut report = RotationReport::default();
        for _ in 0..MAX_PASSES {
            let others = self.not_under_first(store).await?;
            report.unreadable.clear();
            let environments: BTreeSet<_> = others.iter().map(|used| used.environment_id).collect();
            for environment_id in environments {
                let db = store.tenant(environment_id);
                self.rotate_environment(&db, clock, &mut report, progress).await?;
            }
            report.remaining = self.not_under_first(store).await?;
            let left: u64 = report.remaining.iter().map(|used| used.rows).sum();
            if left == u64::try_from(report.unreadable.len()).unwrap_or(u64::MAX) {
                break;
            }
        }
        let used: BTreeSet<_> =
            report.remaining.iter().map(|one| one.master_key_id.as_str()).collect();
        let unused = self.keys.ids().skip(1).filter(|id| !used.contains(id));
        report.unused = unused.map(str::to_owned).collect();
        Ok(report)
    }

    /// Returns the usage of other keys than the first; fails if one of them is not configured.
    async fn not_under_first(&self, store: &Store) -> Result<Vec<MasterKeyUsage>, RotationError> {
        let mut others = store.master_key_usage().await?;
        others.retain(|used| used.master_key_id != self.first_key());
        for id in others.iter().map(|used| &used.master_key_id) {
            if !self.keys.ids().any(|known| known == id) {
                let rows = others.iter().filter(|used| used.master_key_id == *id);
                let rows = rows.map(|used| used.rows).sum();
                return Err(RotationError::MissingKey { id: id.clone(), rows });
            }
        }
        Ok(others)
    }

    async fn rotate_environment(
        &self,
        db: &TenantDb,
        clock: &dyn Clock,
        report: &mut RotationReport,
        progress: &mut RotationProgress<'_>,
    ) -> Result<(), RotationError> {
        self.record(db, clock, AuditOutcome::Started).await?;
        for table in KeyedTable::ALL {
            self.rotate_table(db, table, report, progress).await?;
        }
        Ok(self.record(db, clock, AuditOutcome::Done).await?)
    }

    async fn rotate_table(
        &self,
        db: &TenantDb,
        table: KeyedTable,
        report: &mut RotationReport,
        progress: &mut RotationProgress<'_>,
    ) -> Result<(), RotationError> {
        let mut last = None;
        loop {
            let rows =
                db.rows_not_wrapped_by(self.first_key(), table, last.as_ref(), BATCH_ROWS).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                let binding = binding(db.environment_id(), &row);
                match self.keys.rewrap(&*self.entropy, &row.data_key, &binding) {
                    Ok(new) => {
                        let done = u64::from(db.replace_data_key(&row, &new).await?);
                        *report.rows.entry(table).or_default() += done;
                    }
                    Err(CipherError::Corrupt) => report.unreadable.push(row.clone()),
                    Err(missing @ CipherError::UnknownMasterKey(_)) => return Err(missing.into()),
                }
                last = Some(row);
            }
            progress(table, report.rows.get(&table).copied().unwrap_or_default());
        }
    }

    async fn record(
        &self,
        db: &TenantDb,
        clock: &dyn Clock,
        outcome: AuditOutcome,
    ) -> Result<(), StoreError> {
        db.audit(&AuditEntry {
            id: AuditId::generate(clock, &*self.entropy),
            at: clock.now(),
            actor: "cli",
            action: "secrets.rotated",
            account_id: None,
            subject: Some(self.first_key()),
            request_id: None,
            outcome,
        })
        .await
    }

    /// Returns the id of the master key that encrypts.
    #[must_use]
    pub fn first_key(&self) -> &str {
        self.keys.ids().next().unwrap_or_default()
    }
}

/// Returns the binding of a row's secrets.
pub(super) fn binding(environment_id: EnvironmentId, row: &KeyedRow) -> RowBinding {
    match row.table {
        KeyedTable::AccountCredentials
        | KeyedTable::ProviderApps
        | KeyedTable::LinkTokens
        | KeyedTable::Webhooks => RowBinding::new(environment_id, &row.id),
        KeyedTable::IdempotencyKeys => {
            let key = IdempotencyKey { scope: row.scope.clone(), key: row.id.clone() };
            response_binding(environment_id, &key)
        }
    }
}
