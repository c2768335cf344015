//! Grants of apps: authorization codes, installations and their tokens.
//!
//! Rules of <https://docs.slack.dev/authentication/using-token-rotation>: an access token is valid
//! for 43,200 s; a refresh token works once, and again within a short grace period; an installation
//! has at most two valid access tokens of a kind, and a third revokes the oldest.

mod codes;
mod error;
mod file;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use codes::{CodeRequest, Redemption};
pub use error::OAuthErrorCode;
pub(crate) use error::TokenRejection;
pub(crate) use file::{load, save};
pub(crate) use tokens::TokenIdentity;
pub use tokens::TokenPair;

/// Lifetime of an access token in seconds.
pub(crate) const ACCESS_TOKEN_LIFETIME_S: i64 = 43_200;

/// Kind of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlackTokenType {
    /// Acts as the app's bot account.
    Bot,
    /// Acts as the user who approved.
    User,
}

/// Where an app is installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstallTarget {
    /// On the organization.
    Org,
    /// On one workspace, `T…`.
    Workspace(String),
}

/// An installation of an app, approved by a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Installation {
    /// The app.
    pub(crate) client_id: String,
    /// User who approved.
    pub(crate) user_id: String,
    /// Bot account of the app, if bot scopes were requested.
    pub(crate) bot_user_id: Option<String>,
    /// Organization or workspace.
    pub(crate) install: InstallTarget,
    /// Scopes of the user token.
    pub(crate) user_scopes: Vec<String>,
    /// Scopes of the bot token.
    pub(crate) bot_scopes: Vec<String>,
    /// Whether its tokens expire.
    pub(crate) rotation: bool,
    /// Whether the app is a public client, whose refresh tokens expire too.
    #[serde(default)]
    pub(crate) public: bool,
    /// False once the app is uninstalled.
    pub(crate) live: bool,
}

impl Installation {
    /// Returns the scopes of one kind of token.
    pub(crate) fn scopes(&self, kind: SlackTokenType) -> &[String] {
        match kind {
            SlackTokenType::Bot => &self.bot_scopes,
            SlackTokenType::User => &self.user_scopes,
        }
    }
}

/// All grants. Tokens and codes are stored as digests.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct GrantStore {
    /// Seed of the generated tokens.
    seed: u64,
    /// Number of generated secrets, so that each is unique.
    drawn: u64,
    /// Offset of the provider's clock in milliseconds.
    pub(crate) clock_offset_ms: i64,
    /// Number of access tokens issued.
    pub(crate) tokens_issued: u64,
    /// Number of successful refreshes.
    pub(crate) refreshes: u64,
    installs: BTreeMap<u64, Installation>,
    access: HashMap<String, tokens::AccessToken>,
    refresh: HashMap<String, tokens::RefreshToken>,
    codes: HashMap<String, codes::AuthorizationCode>,
}

impl GrantStore {
    /// Returns a store without grants.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// Returns the installation with this number.
    pub(crate) fn installation(&self, number: u64) -> Option<&Installation> {
        self.installs.get(&number)
    }

    /// Returns the active installations of an app, oldest first.
    pub(crate) fn active_installations(
        &self,
        client_id: &str,
    ) -> impl Iterator<Item = &Installation> {
        self.installs.values().filter(move |grant| grant.live && grant.client_id == client_id)
    }

    /// Returns the ids of the users and bots that active installations have tokens of.
    pub(crate) fn token_holders(&self) -> BTreeSet<String> {
        let active = self.installs.values().filter(|grant| grant.live);
        active
            .flat_map(|grant| std::iter::once(&grant.user_id).chain(&grant.bot_user_id))
            .cloned()
            .collect()
    }

    /// Resets the counters that `/_sandbox/state` shows.
    pub(crate) fn clear_counts(&mut self) {
        self.tokens_issued = 0;
        self.refreshes = 0;
    }

    fn add_installation(&mut self, grant: Installation) -> u64 {
        let number = self.installs.keys().next_back().map_or(1, |last| last + 1);
        self.installs.insert(number, grant);
        number
    }

    /// Returns a unique secret, deterministic for a seed.
    fn next_secret(&mut self, prefix: &str) -> String {
        self.drawn += 1;
        let mut text = prefix.to_owned();
        for half in 0..2_u8 {
            let mut hash = Sha256::new();
            hash.update(b"switchboard sandbox token");
            hash.update(self.seed.to_be_bytes());
            hash.update(self.drawn.to_be_bytes());
            hash.update([half]);
            text.push_str(&URL_SAFE_NO_PAD.encode(hash.finalize()));
        }
        text
    }
}

/// Returns the stored form of a token or code.
fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}
