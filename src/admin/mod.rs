//! Administration of an environment: keys, provider apps, accounts, starter policies. The API and the command line share this code. Each
//! action has an audit entry.

mod accounts;
mod apps;
mod console;
mod environments;
mod keys;
mod policies;

use std::fmt;
use std::time::Duration;

pub use accounts::{ProviderServices, RefreshFrequency, RevocationPolicy};
pub use apps::CreateProviderApp;
pub use console::{SESSION_TTL, StartedSession};
pub use environments::{create_environment, find_or_create_environment};
pub use keys::{CreateKey, CreatedKey, KeyRestrictions, RotatedKey, create_api_key};

use crate::connectors::ConnectorError;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::IntegratedAccountId;
use crate::store::{AuditEntry, StoreError, TenantDb};
use crate::vault::{CipherError, TokenError};

/// The actor that administers an environment: a key, or the command line.
#[derive(Clone, Copy)]
pub struct Administrator<'a> {
    /// The environment's rows.
    pub db: &'a TenantDb,
    /// The key's id, or a part of this program.
    pub actor: &'a str,
    /// The request's id.
    pub request_id: Option<&'a str>,
    /// The clock.
    pub clock: &'a dyn Clock,
    /// The random number generator.
    pub entropy: &'a dyn Entropy,
}

impl Administrator<'_> {
    /// Returns an audit entry of this actor.
    fn entry<'e>(
        &'e self,
        action: &'e str,
        (account_id, subject): (Option<IntegratedAccountId>, Option<&'e str>),
    ) -> AuditEntry<'e> {
        let Self { actor, request_id, .. } = *self;
        let new = AuditEntry::new(action, actor, self.clock, self.entropy);
        AuditEntry { account_id, subject, request_id, ..new }
    }
}

impl fmt::Debug for Administrator<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Administrator").field("actor", &self.actor).finish_non_exhaustive()
    }
}

/// An error of administration.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The resource does not exist, or is no longer valid.
    #[error("no such {0}")]
    NotFound(&'static str),
    /// The calling key was revoked.
    #[error("the key was revoked")]
    Revoked,
    /// The account's tokens were refreshed too recently for this caller.
    #[error("the tokens were refreshed less than a minute ago")]
    RefreshTooSoon {
        /// The time until the next attempt.
        retry_after: Duration,
    },
    /// The provider has no OAuth client.
    #[error("accounts of this provider are linked by a form, without an OAuth client")]
    NoOAuth,
    /// The provider did not revoke the token.
    #[error("the provider did not revoke the token")]
    Connector(#[from] ConnectorError),
    /// The tokens could not be refreshed.
    #[error("the tokens could not be refreshed")]
    Token(#[from] TokenError),
    /// A secret could not be encrypted.
    #[error("a secret could not be encrypted")]
    Cipher(#[from] CipherError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
