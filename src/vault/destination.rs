//! Where an account's tokens are sent. It is part of what they are sealed for, so that a row whose provider or base URL
//! was changed in the database opens no token: it would go to another server.
//!
//! Pairs that an older version sealed are bound to their row alone. They are sealed anew in the background; until then
//! they open without the destination.

use super::cipher::{CipherError, DataKey};
use crate::domain::account::IntegratedAccount;
use crate::domain::provider::Provider;
use crate::domain::sealed::Ciphertext;

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
