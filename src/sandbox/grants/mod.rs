//! What has been granted to apps: codes, installations, and the tokens of each.
//!
//! Rules of <https://docs.slack.dev/authentication/using-token-rotation>: an access token lives
//! 43,200 s; a refresh token serves once and is taken again for a short grace; an installation has
//! at most two live access tokens of a kind, and one more revokes the oldest.

mod codes;
mod error;
mod file;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::{BTreeMap, HashMap};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

pub(crate) use codes::{CodeRequest, Redemption};
pub use error::OAuthError;
pub(crate) use error::TokenError;
pub(crate) use file::{load, save};
pub(crate) use tokens::Identity;
pub use tokens::TokenPair;

/// How long an access token lives, in seconds.
pub(crate) const ACCESS_LIFE: i64 = 43_200;

/// A bot's token or a user's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenKind {
    /// Acts as the app's own account.
    Bot,
    /// Acts as the person who approved.
    User,
}

/// Where an app was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Install {
    /// On the organization.
    Org,
    /// On one workspace, `T…`.
    Workspace(String),
}

/// One installation that somebody approved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Grant {
    /// The app.
    pub(crate) client_id: String,
    /// Who approved.
    pub(crate) user_id: String,
    /// The app's own account, when it asked for bot scopes.
    pub(crate) bot_user_id: Option<String>,
    /// Where.
    pub(crate) install: Install,
    /// Scopes of the user's token.
    pub(crate) user_scopes: Vec<String>,
    /// Scopes of the bot's token.
    pub(crate) bot_scopes: Vec<String>,
    /// Whether its tokens expire.
    pub(crate) rotation: bool,
    /// Whether the app is a public client, whose refresh tokens expire as well.
    #[serde(default)]
    pub(crate) public: bool,
    /// Cleared when the app is uninstalled.
    pub(crate) live: bool,
}

impl Grant {
    /// The scopes of one kind of token.
    pub(crate) fn scopes(&self, kind: TokenKind) -> &[String] {
        match kind {
            TokenKind::Bot => &self.bot_scopes,
            TokenKind::User => &self.user_scopes,
        }
    }
}

/// Everything granted so far. Tokens and codes are kept as digests only.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Grants {
    /// The seed that tokens are drawn from.
    seed: u64,
    /// Counts the strings drawn, so that none is drawn twice.
    drawn: u64,
    /// How far the provider's clock has been moved, in milliseconds.
    pub(crate) clock_offset_ms: i64,
    /// Access tokens issued.
    pub(crate) tokens_issued: u64,
    /// Refreshes that succeeded.
    pub(crate) refreshes: u64,
    installs: BTreeMap<u64, Grant>,
    access: HashMap<String, tokens::AccessToken>,
    refresh: HashMap<String, tokens::RefreshToken>,
    codes: HashMap<String, codes::Code>,
}

impl Grants {
    /// Nothing granted yet.
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The installation with a number.
    pub(crate) fn grant(&self, number: u64) -> Option<&Grant> {
        self.installs.get(&number)
    }

    /// The installations of an app that are there, oldest first.
    pub(crate) fn live(&self, client_id: &str) -> impl Iterator<Item = &Grant> {
        self.installs.values().filter(move |grant| grant.live && grant.client_id == client_id)
    }

    /// Forgets the counts that `state` shows, and nothing else.
    pub(crate) fn clear_counts(&mut self) {
        self.tokens_issued = 0;
        self.refreshes = 0;
    }

    fn add_grant(&mut self, grant: Grant) -> u64 {
        let number = self.installs.keys().next_back().map_or(1, |last| last + 1);
        self.installs.insert(number, grant);
        number
    }

    /// A string that nobody has seen before and that the seed repeats.
    fn draw(&mut self, prefix: &str) -> String {
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

/// What is kept of a token or a code.
fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret.as_bytes()))
}
