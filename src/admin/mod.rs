//! The administration of an environment: its keys, its provider apps, its accounts. The API and the command line
//! do the same things with the same code; here is what they do, and each thing is written down in the audit log.

mod accounts;
mod apps;
mod environments;
mod keys;

use std::fmt;
use std::time::Duration;

pub use accounts::{RefreshPace, Revoking, Ways};
pub use apps::NewApp;
pub use environments::{add_environment, environment};
pub use keys::{CreatedKey, NewKey, Permits, RotatedKey, create_api_key};

use crate::connectors::ConnectorError;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::IntegratedAccountId;
use crate::store::{AuditEntry, StoreError, TenantDb};
use crate::vault::{CipherError, TokenError};

/// Who administers an environment: a key, or whoever has the command line.
#[derive(Clone, Copy)]
pub struct Administrator<'a> {
    /// The environment's rows.
    pub db: &'a TenantDb,
    /// The key's id, or a part of the program.
    pub actor: &'a str,
    /// In which request.
    pub request_id: Option<&'a str>,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The randomness.
    pub entropy: &'a dyn Entropy,
}

impl Administrator<'_> {
    /// A row of the audit log that says that this one did something.
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

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// There is no such thing in the environment, or it is at its end.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The key that asks was revoked meanwhile.
    #[error("the key was revoked a moment ago")]
    Revoked,
    /// The account's tokens are too new to be renewed for this caller.
    #[error("the tokens were renewed a moment ago")]
    RefreshTooSoon {
        /// When the caller may ask again.
        retry_after: Duration,
    },
    /// Accounts of the provider are linked without an OAuth client.
    #[error("accounts of this provider are linked by a form: it takes no OAuth client")]
    NoOAuth,
    /// The provider would not take the token back.
    #[error("the provider did not revoke the token")]
    Connector(#[from] ConnectorError),
    /// The tokens could not be renewed.
    #[error("the tokens could not be renewed")]
    Token(#[from] TokenError),
    /// A secret can't be encrypted.
    #[error("a secret can't be encrypted")]
    Cipher(#[from] CipherError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
