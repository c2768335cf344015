//! Rotation of master keys: every data key is wrapped anew under the first key of the list, while
//! gateways go on. A row is one statement that changes nothing when the row got another key meanwhile,
//! so a run can be killed anywhere, and the next one finds what is left by the keys alone.

use std::collections::{BTreeMap, BTreeSet};

use super::cipher::{Binding, CipherError};
use super::tokens::{Vault, answer_binding};
use crate::domain::clock::Clock;
use crate::domain::ids::{AuditId, EnvironmentId};
use crate::store::{
    AuditEntry, IdempotencyKey, KeyUse, KeyedRow, KeyedTable, Outcome, Store, StoreError, TenantDb,
};

/// So many rows are read at once.
const BATCH: i64 = 200;
/// How often the tables are gone through while gateways write rows under an older key.
const PASSES: usize = 3;

/// How a rotation ended.
#[derive(Debug, Default)]
pub struct Rotated {
    /// How many rows were wrapped anew, by table.
    pub rows: BTreeMap<KeyedTable, u64>,
    /// Rows whose data key does not open; they were left as they are.
    pub broken: Vec<KeyedRow>,
    /// Rows that are under another key than the first, the broken ones too.
    pub left: Vec<KeyUse>,
    /// Keys of the list that no row needs, the first one aside.
    pub unused: Vec<String>,
}

/// Why nothing was rotated, or not everything.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// Rows need a master key that isn't in the list. Nothing was changed.
    #[error(
        "master key {id:?} is not in vault.keys, but {rows} rows need it: add it behind the first key"
    )]
    MissingKey {
        /// The key.
        id: String,
        /// How many rows.
        rows: u64,
    },
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A key could not be wrapped.
    #[error(transparent)]
    Cipher(#[from] CipherError),
}

/// What a rotation tells while it goes on: so many rows of this table are done.
pub type Told<'a> = dyn FnMut(KeyedTable, u64) + Send + 'a;

impl Vault {
    /// Wraps the data keys of all rows under the first master key.
    ///
    /// # Errors
    ///
    /// When a row needs a key that isn't in the list, or the database fails.
    pub async fn rotate(
        &self,
        store: &Store,
        clock: &dyn Clock,
        told: &mut Told<'_>,
    ) -> Result<Rotated, RotationError> {
        let mut rotated = Rotated::default();
        for _ in 0..PASSES {
            let others = self.not_under_first(store).await?;
            rotated.broken.clear();
            let environments: BTreeSet<_> = others.iter().map(|used| used.environment_id).collect();
            for environment_id in environments {
                let db = store.tenant(environment_id);
                self.rotate_environment(&db, clock, &mut rotated, told).await?;
            }
            rotated.left = self.not_under_first(store).await?;
            let left: u64 = rotated.left.iter().map(|used| used.rows).sum();
            if left == u64::try_from(rotated.broken.len()).unwrap_or(u64::MAX) {
                break;
            }
        }
        let used: BTreeSet<_> = rotated.left.iter().map(|one| one.master_key_id.as_str()).collect();
        let unused = self.keys.ids().skip(1).filter(|id| !used.contains(id));
        rotated.unused = unused.map(str::to_owned).collect();
        Ok(rotated)
    }

    /// What is under another key than the first, all of them known.
    async fn not_under_first(&self, store: &Store) -> Result<Vec<KeyUse>, RotationError> {
        let mut others = store.key_uses().await?;
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
        rotated: &mut Rotated,
        told: &mut Told<'_>,
    ) -> Result<(), RotationError> {
        self.record(db, clock, Outcome::Started).await?;
        for table in KeyedTable::ALL {
            self.rotate_table(db, table, rotated, told).await?;
        }
        Ok(self.record(db, clock, Outcome::Done).await?)
    }

    async fn rotate_table(
        &self,
        db: &TenantDb,
        table: KeyedTable,
        rotated: &mut Rotated,
        told: &mut Told<'_>,
    ) -> Result<(), RotationError> {
        let mut last = None;
        loop {
            let rows = db.rows_not_under(self.first_key(), table, last.as_ref(), BATCH).await?;
            if rows.is_empty() {
                return Ok(());
            }
            for row in rows {
                let binding = binding(db.environment_id(), &row);
                match self.keys.rewrap(&*self.entropy, &row.data_key, &binding) {
                    Ok(new) => {
                        let done = u64::from(db.rewrap(&row, &new).await?);
                        *rotated.rows.entry(table).or_default() += done;
                    }
                    Err(CipherError::Corrupt) => rotated.broken.push(row.clone()),
                    Err(missing @ CipherError::UnknownMasterKey(_)) => return Err(missing.into()),
                }
                last = Some(row);
            }
            told(table, rotated.rows.get(&table).copied().unwrap_or_default());
        }
    }

    async fn record(
        &self,
        db: &TenantDb,
        clock: &dyn Clock,
        outcome: Outcome,
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

    /// The master key that encrypts.
    #[must_use]
    pub fn first_key(&self) -> &str {
        self.keys.ids().next().unwrap_or_default()
    }
}

/// What a row's secrets are bound to.
pub(super) fn binding(environment_id: EnvironmentId, row: &KeyedRow) -> Binding {
    match row.table {
        KeyedTable::AccountCredentials | KeyedTable::ProviderApps | KeyedTable::LinkTokens => {
            Binding::new(environment_id, &row.id)
        }
        KeyedTable::IdempotencyKeys => {
            let key = IdempotencyKey { scope: row.scope.clone(), key: row.id.clone() };
            answer_binding(environment_id, &key)
        }
    }
}
