//! Where an account's tokens are sent. It is part of what they are sealed for, so that a row whose provider or base URL
//! was changed in the database opens no token: it would go to another server.
//!
//! Pairs that an older version sealed are bound to their row alone. They are sealed anew in the background; until then
//! they open without the destination.

use super::cipher::{Binding, CipherError, DataKey};
use super::tokens::{ACCESS_TOKEN, REFRESH_TOKEN, Vault};
use crate::domain::account::IntegratedAccount;
use crate::domain::provider::Provider;
use crate::domain::sealed::Ciphertext;
use crate::store::{Store, StoreError, UnboundPair};

/// So many rows are read at once.
const BATCH: i64 = 200;

/// Where an account's tokens are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The kind of directory: it decides how calls are made, and where to when there is no base URL.
    pub provider: Provider,
    /// Where the directory is, when every customer has one of their own.
    pub base_url: Option<&'a str>,
}

impl<'a> From<&'a IntegratedAccount> for Destination<'a> {
    fn from(account: &'a IntegratedAccount) -> Self {
        Self { provider: account.provider, base_url: account.base_url.as_deref() }
    }
}

impl Destination<'_> {
    /// What a column is named in the associated data. No part can hold a line break.
    pub(super) fn column(&self, name: &str) -> String {
        format!("{name}\n{}\n{}", self.provider.name(), self.base_url.unwrap_or_default())
    }

    /// Decrypts a token of the column `name`.
    pub(super) fn open(
        &self,
        key: &DataKey,
        name: &str,
        sealed: &Ciphertext,
    ) -> Result<String, CipherError> {
        key.open(&self.column(name), sealed).or_else(|_| key.open(name, sealed))
    }
}

impl Vault {
    /// Seals the pairs of all accounts that an older version sealed for their destinations. Returns their number.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn bind_destinations(&self, store: &Store) -> Result<u64, StoreError> {
        let (mut bound, mut last) = (0, None);
        loop {
            let rows = store.unbound_pairs(last.as_ref(), BATCH).await?;
            if rows.is_empty() {
                return Ok(bound);
            }
            for row in &rows {
                match self.bind(row) {
                    Ok((access, refresh)) => {
                        let is_bound = store.bind_pair(row, &access, refresh.as_ref()).await?;
                        bound += u64::from(is_bound);
                    }
                    Err(error) => {
                        tracing::warn!(account = %row.account_id, %error, "tokens can't be sealed anew");
                    }
                }
            }
            last = rows.into_iter().next_back();
        }
    }

    fn bind(&self, row: &UnboundPair) -> Result<(Ciphertext, Option<Ciphertext>), CipherError> {
        let binding = Binding::new(row.environment_id, &row.account_id);
        let key = self.keys.unwrap_data_key(&row.data_key, &binding)?;
        let to = Destination { provider: row.provider, base_url: row.base_url.as_deref() };
        let seal = |name: &str, sealed: &Ciphertext| {
            let text = zeroize::Zeroizing::new(to.open(&key, name, sealed)?);
            key.seal(&*self.entropy, &to.column(name), &text)
        };
        let access = seal(ACCESS_TOKEN, &row.access_token)?;
        let refresh = row.refresh_token.as_ref().map(|token| seal(REFRESH_TOKEN, token));
        Ok((access, refresh.transpose()?))
    }
}
