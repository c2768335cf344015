//! Destination of an account's tokens: provider and base URL. It is part of the associated data of the encryption, so a
//! row whose provider or base URL was changed in the database does not decrypt; its token would go to another server.
//!
//! Pairs sealed by an older version are bound to their row alone. They are re-sealed in the background; until then they
//! open without the destination.

use super::cipher::{CipherError, DataKey};
use crate::domain::account::IntegratedAccount;
use crate::domain::provider::Provider;
use crate::domain::sealed::Ciphertext;

/// Destination of an account's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination<'a> {
    /// The provider; it decides how calls are made, and the host if there is no base URL.
    pub provider: Provider,
    /// The directory's base URL, if each customer has its own.
    pub base_url: Option<&'a str>,
}

impl<'a> From<&'a IntegratedAccount> for Destination<'a> {
    fn from(account: &'a IntegratedAccount) -> Self {
        Self { provider: account.provider, base_url: account.base_url.as_deref() }
    }
}

impl Destination<'_> {
    /// Returns the name of a column in the associated data. No part can contain a line break.
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
