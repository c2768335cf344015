//! Kinds of API credentials, and their scopes.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A kind of credential that authenticates a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// An API key of an environment.
    ApiKey,
    /// An account token.
    AccountToken,
}

impl KeyKind {
    /// Returns the prefix of every secret of this kind.
    #[must_use]
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "sb_live_",
            Self::AccountToken => "sb_acct_",
        }
    }

    /// Returns the kind of a secret, by its prefix.
    #[must_use]
    pub fn of(secret: &str) -> Option<Self> {
        [Self::ApiKey, Self::AccountToken]
            .into_iter()
            .find(|kind| secret.starts_with(kind.prefix()))
    }
}

/// A permission of an API key or an account token.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read through the unified API.
    Read,
    /// Change through the unified API.
    Write,
    /// Call the provider's native API through the proxy.
    Proxy,
    /// Manage the environment: accounts, links, keys.
    Admin,
}

impl Scope {
    /// Every scope, the weakest first.
    pub const ALL: &[Self] = &[Self::Read, Self::Write, Self::Proxy, Self::Admin];
    /// The default scopes of an account token.
    pub const ACCOUNT: &[Self] = &[Self::Read, Self::Write, Self::Proxy];

    /// Returns the name in the API and the database.
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

/// An unknown scope name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope; the known ones are: read, write, proxy, admin")]
pub struct UnknownScope;

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        Self::ALL.iter().copied().find(|scope| scope.name() == name).ok_or(UnknownScope)
    }
}
