//! Who may do what: the kinds of our own keys, and their scopes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of secret that authenticates a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// An API key of an environment.
    ApiKey,
    /// An account token.
    AccountToken,
}

impl KeyKind {
    /// The first characters of every secret of this kind.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "sb_live_",
            Self::AccountToken => "sb_acct_",
        }
    }

    /// The kind of a secret, by its prefix.
    #[must_use]
    pub fn of(secret: &str) -> Option<Self> {
        [Self::ApiKey, Self::AccountToken]
            .into_iter()
            .find(|kind| secret.starts_with(kind.prefix()))
    }
}

/// A permission that an API key or an account token carries.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read through the unified API.
    Read,
    /// Change through the unified API.
    Write,
    /// Pass raw calls to the provider.
    Proxy,
    /// Manage the environment: accounts, links, keys.
    Admin,
}

impl Scope {
    /// Every scope, the weakest first.
    pub const ALL: &[Self] = &[Self::Read, Self::Write, Self::Proxy, Self::Admin];
    /// What an account token may do when nothing is said.
    pub const ACCOUNT: &[Self] = &[Self::Read, Self::Write, Self::Proxy];

    /// The name in the API and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Proxy => "proxy",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A name that is no scope's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope; the known ones are: read, write, proxy, admin")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name).ok_or(UnknownScope)
    }
}
