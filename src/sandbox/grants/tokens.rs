//! Access and refresh tokens: issued in pairs, refreshed once each, and looked up by digest.

use serde::{Deserialize, Serialize};

use super::{ACCESS_LIFE, Grant, Grants, Install, OAuthError, TokenError, TokenKind, digest};

/// More than this many live access tokens of an installation revoke the oldest.
const LIVE_TOKENS: usize = 2;
/// How long a public client's refresh token lives, in seconds.
const PUBLIC_REFRESH_LIFE: i64 = 30 * 86_400;
/// How long the digest of a dead token is kept, in seconds, so that it is still told apart from
/// one that never was.
const MEMORY: i64 = 30 * 86_400;
/// The dead are looked for once in so many strings drawn.
const SWEEP_EVERY: u64 = 1_024;

/// Tokens as they are handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenPair {
    /// A bot's or a user's.
    pub kind: TokenKind,
    /// The token that calls carry.
    pub access_token: String,
    /// The token that gets the next pair, when the app rotates its tokens.
    pub refresh_token: Option<String>,
    /// Seconds until the access token dies, when it does.
    pub expires_in: Option<i64>,
}

/// An access token as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccessToken {
    grant: u64,
    kind: TokenKind,
    number: u64,
    expires_at: Option<i64>,
    revoked: bool,
    /// Whether a long-lived token was exchanged for a pair.
    #[serde(default)]
    exchanged: bool,
}

/// A refresh token as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct RefreshToken {
    grant: u64,
    kind: TokenKind,
    used_at: Option<i64>,
    revoked: bool,
    #[serde(default)]
    expires_at: Option<i64>,
}

/// Whom a token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The installation.
    pub(crate) grant: u64,
    /// A bot's or a user's.
    pub(crate) kind: TokenKind,
    /// The app.
    pub(crate) client_id: String,
    /// The account it acts as.
    pub(crate) user_id: String,
    /// Where the app is installed.
    pub(crate) install: Install,
    /// What it may do.
    pub(crate) scopes: Vec<String>,
    /// Unix seconds.
    pub(crate) expires_at: Option<i64>,
}

impl Grants {
    /// Writes an installation down and issues its first tokens.
    pub(crate) fn install(&mut self, grant: Grant, now: i64) -> (u64, Vec<TokenPair>) {
        let kinds = [TokenKind::Bot, TokenKind::User];
        let wanted: Vec<TokenKind> =
            kinds.into_iter().filter(|kind| !grant.scopes(*kind).is_empty()).collect();
        let rotation = grant.rotation;
        let number = self.add_grant(grant);
        let pairs = wanted.into_iter().map(|kind| self.issue(number, kind, rotation, now));
        (number, pairs.collect())
    }

    /// Exchanges a refresh token for the next pair of the same installation and kind.
    ///
    /// # Errors
    ///
    /// [`OAuthError::InvalidRefreshToken`] when it is unknown, another app's, or was first
    /// used `grace` seconds ago or more; a grace of 0 takes it once only.
    pub(crate) fn refresh(
        &mut self,
        client_id: &str,
        refresh_token: &str,
        grace: i64,
        now: i64,
    ) -> Result<(u64, TokenPair), OAuthError> {
        let refused = OAuthError::InvalidRefreshToken;
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
        let pair = self.issue(number, kind, true, now);
        self.revoke_oldest(number, kind, now);
        Ok((number, pair))
    }

    /// Exchanges a long-lived token for a first pair. The token itself lives until that pair is
    /// refreshed.
    ///
    /// # Errors
    ///
    /// Says what does not fit.
    pub(crate) fn exchange(
        &mut self,
        client_id: &str,
        token: &str,
        now: i64,
    ) -> Result<(u64, TokenPair), OAuthError> {
        let token = self.access.get_mut(&digest(token)).ok_or(OAuthError::InvalidToken)?;
        let grant = self.installs.get_mut(&token.grant).ok_or(OAuthError::InvalidToken)?;
        if grant.client_id != client_id {
            return Err(OAuthError::InvalidToken);
        }
        if token.exchanged {
            return Err(OAuthError::TokenAlreadyExchanged);
        }
        if token.expires_at.is_some() {
            return Err(OAuthError::InvalidToken);
        }
        if token.revoked || !grant.live {
            return Err(OAuthError::AuthorizationNotFound);
        }
        token.exchanged = true;
        grant.rotation = true;
        let (number, kind) = (token.grant, token.kind);
        Ok((number, self.issue(number, kind, true, now)))
    }

    /// Ends the long-lived tokens that were exchanged.
    fn expire_exchanged(&mut self, grant: u64, kind: TokenKind, now: i64) {
        let of_grant = |token: &&mut AccessToken| token.grant == grant && token.kind == kind;
        for token in self.access.values_mut().filter(of_grant).filter(|token| token.exchanged) {
            token.expires_at.get_or_insert(now);
        }
    }

    /// Whom a token speaks for at this moment.
    pub(crate) fn identify(&self, token: &str, now: i64) -> Result<Identity, TokenError> {
        let token = self.access.get(&digest(token)).ok_or(TokenError::Unknown)?;
        let grant = self.installs.get(&token.grant).ok_or(TokenError::Unknown)?;
        if token.revoked || !grant.live {
            return Err(TokenError::Revoked);
        }
        if token.expires_at.is_some_and(|at| now >= at) {
            return Err(TokenError::Expired);
        }
        let bot = grant.bot_user_id.as_ref().filter(|_| token.kind == TokenKind::Bot);
        Ok(Identity {
            grant: token.grant,
            kind: token.kind,
            client_id: grant.client_id.clone(),
            user_id: bot.unwrap_or(&grant.user_id).clone(),
            install: grant.install.clone(),
            scopes: grant.scopes(token.kind).to_vec(),
            expires_at: token.expires_at,
        })
    }

    /// Takes one token back. Without rotation the installation goes with it. Gives the
    /// installation and the kind of the token, unless it was dead already.
    pub(crate) fn revoke(&mut self, token: &str) -> Option<(Grant, TokenKind)> {
        let token = self.access.get_mut(&digest(token)).filter(|token| !token.revoked)?;
        token.revoked = true;
        let grant = self.installs.get_mut(&token.grant).filter(|grant| grant.live)?;
        grant.live = grant.rotation;
        Some((grant.clone(), token.kind))
    }

    /// Takes a refresh token back; tells whether it was alive.
    pub(crate) fn revoke_refresh(&mut self, token: &str) -> bool {
        let token = self.refresh.get_mut(&digest(token)).filter(|token| !token.revoked);
        let was_alive = token.is_some();
        if let Some(token) = token {
            token.revoked = true;
        }
        was_alive
    }

    /// Removes all installations of an app, and gives those that were there.
    pub(crate) fn uninstall(&mut self, client_id: &str) -> Vec<Grant> {
        let of_app = |grant: &&mut Grant| grant.client_id == client_id && grant.live;
        let mut removed = Vec::new();
        for grant in self.installs.values_mut().filter(of_app) {
            grant.live = false;
            removed.push(grant.clone());
        }
        removed
    }

    fn issue(&mut self, grant: u64, kind: TokenKind, rotation: bool, now: i64) -> TokenPair {
        if self.drawn.is_multiple_of(SWEEP_EVERY) {
            self.forget_the_dead(now);
        }
        let letter = match kind {
            TokenKind::Bot => 'b',
            TokenKind::User => 'p',
        };
        let prefix =
            if rotation { format!("xoxe.xox{letter}-1-") } else { format!("xox{letter}-") };
        let access_token = self.draw(&prefix);
        self.tokens_issued += 1;
        let expires_at = rotation.then_some(now + ACCESS_LIFE);
        let number = self.drawn;
        let kept =
            AccessToken { grant, kind, number, expires_at, revoked: false, exchanged: false };
        self.access.insert(digest(&access_token), kept);
        let refresh_token = rotation.then(|| self.draw("xoxe-1-"));
        if let Some(token) = &refresh_token {
            let public = self.installs.get(&grant).is_some_and(|grant| grant.public);
            let expires_at = public.then_some(now + PUBLIC_REFRESH_LIFE);
            let kept = RefreshToken { grant, kind, used_at: None, revoked: false, expires_at };
            self.refresh.insert(digest(token), kept);
        }
        let expires_in = rotation.then_some(ACCESS_LIFE);
        TokenPair { kind, access_token, refresh_token, expires_in }
    }

    /// Leaves only the newest live access tokens of an installation.
    fn revoke_oldest(&mut self, grant: u64, kind: TokenKind, now: i64) {
        let mut live: Vec<&mut AccessToken> = self
            .access
            .values_mut()
            .filter(|token| token.grant == grant && token.kind == kind && !token.revoked)
            .filter(|token| token.expires_at.is_none_or(|at| now < at))
            .collect();
        live.sort_by_key(|token| std::cmp::Reverse(token.number));
        live.into_iter().skip(LIVE_TOKENS).for_each(|token| token.revoked = true);
    }

    fn forget_the_dead(&mut self, now: i64) {
        self.access.retain(|_, token| token.expires_at.is_none_or(|at| now < at + MEMORY));
        self.refresh.retain(|_, token| token.used_at.is_none_or(|at| now < at + MEMORY));
    }
}
