//! Access and refresh tokens: issued in pairs, refreshed once, looked up by digest.

use serde::{Deserialize, Serialize};

use super::{
    ACCESS_TOKEN_LIFETIME_S, GrantStore, InstallTarget, Installation, OAuthErrorCode,
    SlackTokenType, TokenRejection, digest,
};

/// Maximum number of valid access tokens of an installation; more revoke the oldest.
const MAX_VALID_ACCESS_TOKENS: usize = 2;
/// Lifetime of a public client's refresh token in seconds.
const PUBLIC_REFRESH_LIFETIME_S: i64 = 30 * 86_400;
/// Seconds to retain the digest of an expired token, so that it differs from an unknown one.
const RETENTION_S: i64 = 30 * 86_400;
/// Expired tokens are removed once in this many generated secrets.
const SWEEP_INTERVAL: u64 = 1_024;

/// Tokens as issued to the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPair {
    /// Bot or user token.
    pub kind: SlackTokenType,
    /// The access token.
    pub access_token: String,
    /// The refresh token, if the app rotates tokens.
    pub refresh_token: Option<String>,
    /// Seconds until the access token expires, if it does.
    pub expires_in: Option<i64>,
}

/// A stored access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccessToken {
    grant: u64,
    kind: SlackTokenType,
    number: u64,
    expires_at: Option<i64>,
    revoked: bool,
    /// Whether a long-lived token was exchanged for a token pair.
    #[serde(default)]
    exchanged: bool,
}

/// A stored refresh token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RefreshToken {
    grant: u64,
    kind: SlackTokenType,
    used_at: Option<i64>,
    revoked: bool,
    #[serde(default)]
    expires_at: Option<i64>,
}

/// The identity behind an access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TokenIdentity {
    /// The installation.
    pub(crate) grant: u64,
    /// Bot or user token.
    pub(crate) kind: SlackTokenType,
    /// The app.
    pub(crate) client_id: String,
    /// Account that the token acts as.
    pub(crate) user_id: String,
    /// Organization or workspace of the installation.
    pub(crate) install: InstallTarget,
    /// Granted scopes.
    pub(crate) scopes: Vec<String>,
    /// Unix seconds.
    pub(crate) expires_at: Option<i64>,
}

impl GrantStore {
    /// Adds an installation and issues its first tokens.
    pub(crate) fn install(&mut self, grant: Installation, now: i64) -> (u64, Vec<TokenPair>) {
        let kinds = [SlackTokenType::Bot, SlackTokenType::User];
        let requested: Vec<SlackTokenType> =
            kinds.into_iter().filter(|kind| !grant.scopes(*kind).is_empty()).collect();
        let rotation = grant.rotation;
        let number = self.add_installation(grant);
        let pairs = requested.into_iter().map(|kind| self.issue_pair(number, kind, rotation, now));
        (number, pairs.collect())
    }

    /// Exchanges a refresh token for the next pair of the same installation and kind.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorCode::InvalidRefreshToken`] if it is unknown, belongs to another app, or was
    /// first used `grace` seconds ago or more; with a grace of 0 it works once only.
    pub(crate) fn refresh(
        &mut self,
        client_id: &str,
        refresh_token: &str,
        grace: i64,
        now: i64,
    ) -> Result<(u64, TokenPair), OAuthErrorCode> {
        let refused = OAuthErrorCode::InvalidRefreshToken;
        let token = self.refresh.get_mut(&digest(refresh_token)).ok_or(refused)?;
        let grant = self.installs.get(&token.grant).ok_or(refused)?;
        let spent = token.used_at.is_some_and(|used| now - used >= grace)
            || token.expires_at.is_some_and(|at| now >= at);
        if grant.client_id != client_id || !grant.live || token.revoked || spent {
            return Err(refused);
        }
        token.used_at.get_or_insert(now);
        let (number, kind) = (token.grant, token.kind);
        self.refreshes += 1;
        self.expire_exchanged(number, kind, now);
        let pair = self.issue_pair(number, kind, true, now);
        self.revoke_oldest(number, kind, now);
        Ok((number, pair))
    }

    /// Exchanges a long-lived token for its first pair. The token stays valid until that pair is
    /// refreshed.
    ///
    /// # Errors
    ///
    /// [`OAuthErrorCode::InvalidToken`], [`OAuthErrorCode::TokenAlreadyExchanged`],
    /// [`OAuthErrorCode::AuthorizationNotFound`].
    pub(crate) fn exchange_long_lived(
        &mut self,
        client_id: &str,
        token: &str,
        now: i64,
    ) -> Result<(u64, TokenPair), OAuthErrorCode> {
        let token = self.access.get_mut(&digest(token)).ok_or(OAuthErrorCode::InvalidToken)?;
        let grant = self.installs.get_mut(&token.grant).ok_or(OAuthErrorCode::InvalidToken)?;
        if grant.client_id != client_id {
            return Err(OAuthErrorCode::InvalidToken);
        }
        if token.exchanged {
            return Err(OAuthErrorCode::TokenAlreadyExchanged);
        }
        if token.expires_at.is_some() {
            return Err(OAuthErrorCode::InvalidToken);
        }
        if token.revoked || !grant.live {
            return Err(OAuthErrorCode::AuthorizationNotFound);
        }
        token.exchanged = true;
        grant.rotation = true;
        let (number, kind) = (token.grant, token.kind);
        Ok((number, self.issue_pair(number, kind, true, now)))
    }

    /// Expires the long-lived tokens that were exchanged.
    fn expire_exchanged(&mut self, grant: u64, kind: SlackTokenType, now: i64) {
        let of_grant = |token: &&mut AccessToken| token.grant == grant && token.kind == kind;
        for token in self.access.values_mut().filter(of_grant).filter(|token| token.exchanged) {
            token.expires_at.get_or_insert(now);
        }
    }

    /// Returns the identity behind an access token at the time `now`.
    pub(crate) fn authenticate(
        &self,
        token: &str,
        now: i64,
    ) -> Result<TokenIdentity, TokenRejection> {
        let token = self.access.get(&digest(token)).ok_or(TokenRejection::Unknown)?;
        let grant = self.installs.get(&token.grant).ok_or(TokenRejection::Unknown)?;
        if token.revoked || !grant.live {
            return Err(TokenRejection::Revoked);
        }
        if token.expires_at.is_some_and(|at| now >= at) {
            return Err(TokenRejection::Expired);
        }
        let bot = grant.bot_user_id.as_ref().filter(|_| token.kind == SlackTokenType::Bot);
        Ok(TokenIdentity {
            grant: token.grant,
            kind: token.kind,
            client_id: grant.client_id.clone(),
            user_id: bot.unwrap_or(&grant.user_id).clone(),
            install: grant.install.clone(),
            scopes: grant.scopes(token.kind).to_vec(),
            expires_at: token.expires_at,
        })
    }

    /// Revokes an access token. Without rotation this ends the installation. Returns the
    /// installation and the kind of the token, or `None` if it was not valid.
    pub(crate) fn revoke(&mut self, token: &str) -> Option<(Installation, SlackTokenType)> {
        let token = self.access.get_mut(&digest(token)).filter(|token| !token.revoked)?;
        token.revoked = true;
        let grant = self.installs.get_mut(&token.grant).filter(|grant| grant.live)?;
        grant.live = grant.rotation;
        Some((grant.clone(), token.kind))
    }

    /// Revokes a refresh token; returns whether it was valid.
    pub(crate) fn revoke_refresh(&mut self, token: &str) -> bool {
        let token = self.refresh.get_mut(&digest(token)).filter(|token| !token.revoked);
        let was_valid = token.is_some();
        if let Some(token) = token {
            token.revoked = true;
        }
        was_valid
    }

    /// Removes all installations of an app and returns them.
    pub(crate) fn uninstall(&mut self, client_id: &str) -> Vec<Installation> {
        let of_app = |grant: &&mut Installation| grant.client_id == client_id && grant.live;
        let mut removed = Vec::new();
        for grant in self.installs.values_mut().filter(of_app) {
            grant.live = false;
            removed.push(grant.clone());
        }
        removed
    }

    fn issue_pair(
        &mut self,
        grant: u64,
        kind: SlackTokenType,
        rotation: bool,
        now: i64,
    ) -> TokenPair {
        if self.drawn.is_multiple_of(SWEEP_INTERVAL) {
            self.remove_expired(now);
        }
        let letter = match kind {
            SlackTokenType::Bot => 'b',
            SlackTokenType::User => 'p',
        };
        let prefix =
            if rotation { format!("xoxe.xox{letter}-1-") } else { format!("xox{letter}-") };
        let access_token = self.next_secret(&prefix);
        self.tokens_issued += 1;
        let expires_at = rotation.then_some(now + ACCESS_TOKEN_LIFETIME_S);
        let number = self.drawn;
        let stored =
            AccessToken { grant, kind, number, expires_at, revoked: false, exchanged: false };
        self.access.insert(digest(&access_token), stored);
        let refresh_token = rotation.then(|| self.next_secret("xoxe-1-"));
        if let Some(token) = &refresh_token {
            let public = self.installs.get(&grant).is_some_and(|grant| grant.public);
            let expires_at = public.then_some(now + PUBLIC_REFRESH_LIFETIME_S);
            let stored = RefreshToken { grant, kind, used_at: None, revoked: false, expires_at };
            self.refresh.insert(digest(token), stored);
        }
        let expires_in = rotation.then_some(ACCESS_TOKEN_LIFETIME_S);
        TokenPair { kind, access_token, refresh_token, expires_in }
    }

    /// Revokes all but the newest valid access tokens of an installation.
    fn revoke_oldest(&mut self, grant: u64, kind: SlackTokenType, now: i64) {
        let mut live: Vec<&mut AccessToken> = self
            .access
            .values_mut()
            .filter(|token| token.grant == grant && token.kind == kind && !token.revoked)
            .filter(|token| token.expires_at.is_none_or(|at| now < at))
            .collect();
        live.sort_by_key(|token| std::cmp::Reverse(token.number));
        live.into_iter().skip(MAX_VALID_ACCESS_TOKENS).for_each(|token| token.revoked = true);
    }

    fn remove_expired(&mut self, now: i64) {
        self.access.retain(|_, token| token.expires_at.is_none_or(|at| now < at + RETENTION_S));
        self.refresh.retain(|_, token| token.used_at.is_none_or(|at| now < at + RETENTION_S));
    }
}
