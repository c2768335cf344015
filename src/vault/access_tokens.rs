//! Access tokens of accounts, refreshed when needed. Within a process all callers wait for one shared refresh
//! (`refresh_single_flight`), which `refresh` carries out.

use std::sync::Arc;

use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::access_token_lease::AccessTokenLease;
use super::error::TokenError;
use super::in_doubt::AccountsInDoubt;
use super::refresh_permits::RefreshPermits;
use super::refresh_response::Refresher;
use super::refresh_single_flight::{CurrentToken, SharedRefresh, SingleFlight, wait_until};
use super::renewal::Renewal;
use super::sealing::Vault;
use super::secret::AccessToken;
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::provider::Provider;
use crate::store::{AccountKey, Credentials, ReadThroughCache, Store};
use crate::telemetry::Metrics;

/// Remaining lifetime below which a token is refreshed before it is used.
const EXPIRY_MARGIN: time::Duration = time::Duration::seconds(60);

/// Access tokens of all accounts.
#[derive(Clone)]
pub struct AccessTokens {
    inner: Arc<AccessTokensInner>,
    single_flight: SingleFlight,
}

pub(super) struct AccessTokensInner {
    pub(super) store: Store,
    pub(super) vault: Vault,
    pub(super) refresher: Arc<dyn Refresher>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    pub(super) metrics: Metrics,
    pub(super) permits: RefreshPermits,
    pub(super) in_doubt: AccountsInDoubt,
    cache: Arc<ReadThroughCache<AccountKey, CachedToken>>,
}

/// The access token of an account's current pair, as cached.
#[derive(Debug, Clone)]
struct CachedToken {
    lease: AccessTokenLease,
    expires_at: Option<OffsetDateTime>,
    /// The destination for which it was decrypted.
    provider: Provider,
    base_url: Option<String>,
}

impl AccessTokens {
    /// Creates the service: tokens from `store`, decrypted by `vault`, refreshed by `refresher` on `tasks`.
    #[must_use]
    pub fn new(
        store: Store,
        vault: Vault,
        refresher: Arc<dyn Refresher>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        metrics: Metrics,
        tasks: TaskTracker,
    ) -> Self {
        let inner = AccessTokensInner {
            permits: RefreshPermits::new(store.max_connections()),
            cache: store.account_cache("tokens"),
            in_doubt: AccountsInDoubt::default(),
            store,
            vault,
            refresher,
            clock,
            entropy,
            metrics,
        };
        Self { inner: Arc::new(inner), single_flight: SingleFlight::new(tasks) }
    }

    /// Returns an access token for `account`, refreshed first if it is about to expire. Waits until `until` at most;
    /// the refresh goes on after that.
    ///
    /// # Errors
    ///
    /// When the grant is lost, or the token is about to expire and can't be refreshed in time.
    pub async fn access_token(
        &self,
        account: &IntegratedAccount,
        until: Instant,
    ) -> Result<AccessTokenLease, TokenError> {
        let running = self.single_flight.running_for_unusable(account.id);
        let CachedToken { lease: current, expires_at, .. } =
            self.inner.cached_token(account).await?;
        // If a token can't be refreshed, only the provider decides when it is invalid.
        let expires_at = expires_at.filter(|_| current.is_refreshable);
        let now = self.inner.clock.now();
        let refreshed = match running {
            // The current token is invalid or about to expire: it must not be sent.
            Some(flight) => wait_until(until, flight).await,
            None if expires_at.is_none_or(|end| end - EXPIRY_MARGIN > now) => return Ok(current),
            None => Box::pin(self.newer_pair(account, current.generation, None, until)).await,
        };
        match refreshed {
            // It is still valid for a moment, which is better than a failed call.
            Err(TokenError::Refresh { .. } | TokenError::Pending { .. })
                if expires_at.is_some_and(|end| end > now) =>
            {
                Ok(current)
            }
            refreshed => refreshed,
        }
    }

    /// Refreshes the pair of `account` regardless of its age, and returns the new token if it arrives by `until`.
    ///
    /// # Errors
    ///
    /// `NoRefreshToken` when there is no refresh token; the account stays as it is. Otherwise when the grant is lost,
    /// or the provider can't be reached in time.
    pub async fn refresh(
        &self,
        account: &IntegratedAccount,
        until: Instant,
    ) -> Result<AccessTokenLease, TokenError> {
        let current = self.refreshable_pair(account).await?;
        self.newer_pair(account, current.generation, None, until).await
    }

    /// Returns when the account's current pair was stored.
    ///
    /// # Errors
    ///
    /// `NeedsReauth` when the account has no pair, `NoRefreshToken` when it can't be refreshed.
    pub async fn issued_at(
        &self,
        account: &IntegratedAccount,
    ) -> Result<OffsetDateTime, TokenError> {
        Ok(self.refreshable_pair(account).await?.issued_at)
    }

    async fn refreshable_pair(
        &self,
        account: &IntegratedAccount,
    ) -> Result<Credentials, TokenError> {
        let current = self.inner.stored_credentials(account).await?;
        let is_refreshable =
            current.refresh_token.is_some() || account.status != AccountStatus::Active;
        if is_refreshable { Ok(current) } else { Err(TokenError::NoRefreshToken) }
    }

    /// Returns a token of a later pair than `generation`, whose access token the known path rejected with `code`.
    /// Without a later pair the token is recorded as expired, so that it is not sent again; an account without a
    /// refresh token becomes `needs_reauth`. Waits until `until` at most.
    ///
    /// # Errors
    ///
    /// When the grant is lost, or the provider can't be reached in time.
    pub async fn replace_rejected(
        &self,
        account: &IntegratedAccount,
        generation: i64,
        code: &'static str,
        until: Instant,
    ) -> Result<AccessTokenLease, TokenError> {
        let newer = self.newer_pair(account, generation, Some(code), until).await;
        if matches!(newer, Err(TokenError::Refresh { .. })) {
            let db = self.inner.store.tenant(account.environment_id);
            db.expire_access_token(account.id, generation, self.inner.clock.now()).await?;
        }
        newer
    }

    /// Returns the refresh token as a call carries it that revokes it.
    ///
    /// # Errors
    ///
    /// `NeedsReauth` when the account has no refresh token.
    pub async fn token_for_revocation(
        &self,
        account: &IntegratedAccount,
    ) -> Result<AccessTokenLease, TokenError> {
        let row = self.inner.stored_credentials(account).await?;
        let grant = self.inner.vault.open_grant(account, &row)?;
        let none = || TokenError::NeedsReauth { reason: "no_refresh_token".to_owned() };
        let token = grant.renewal.as_ref().and_then(Renewal::refresh_token).ok_or_else(none)?;
        let token = AccessToken::from(token.expose_secret().to_owned());
        Ok(AccessTokenLease { token, generation: row.generation, is_refreshable: true })
    }

    async fn newer_pair(
        &self,
        account: &IntegratedAccount,
        generation: i64,
        refused: Option<&'static str>,
        until: Instant,
    ) -> Result<AccessTokenLease, TokenError> {
        loop {
            // The cached token may be of the rejected pair, although another gateway refreshed it a moment ago.
            let row = self.inner.stored_credentials(account).await?;
            if row.generation > generation {
                self.inner.store.tenant(account.environment_id).invalidate_account(account.id);
                return self.inner.decrypt(account, &row);
            }
            // A running refresh may be that of an older pair, with the rejected one as its result.
            let flight = self.shared_refresh(account, generation, CurrentToken::Unusable, refused);
            let fresh = wait_until(until, flight).await?;
            if fresh.generation > generation {
                return Ok(fresh);
            }
        }
    }

    /// Replaces the valid pair `generation` before it expires. Concurrent callers go on with it.
    ///
    /// # Errors
    ///
    /// When the grant is lost or the provider can't be reached.
    pub(super) async fn refresh_proactively(
        &self,
        account: &IntegratedAccount,
        generation: i64,
    ) -> Result<AccessTokenLease, TokenError> {
        self.shared_refresh(account, generation, CurrentToken::Usable, None).await
    }

    /// Returns the accounts in doubt: if the process ends now, it is unknown whether their refresh tokens were
    /// consumed.
    #[must_use]
    pub fn in_doubt(&self) -> Vec<IntegratedAccountId> {
        self.inner.in_doubt.list()
    }

    fn shared_refresh(
        &self,
        account: &IntegratedAccount,
        generation: i64,
        current: CurrentToken,
        refused: Option<&'static str>,
    ) -> SharedRefresh {
        let inner = Arc::clone(&self.inner);
        let of = account.clone();
        let refresh = async move { inner.refresh(&of, generation, refused).await };
        self.single_flight.join(account.id, current, refresh)
    }
}

impl std::fmt::Debug for AccessTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessTokens")
    }
}

impl AccessTokensInner {
    async fn stored_credentials(
        &self,
        account: &IntegratedAccount,
    ) -> Result<Credentials, TokenError> {
        let row = self.store.tenant(account.environment_id).credentials(account.id).await?;
        row.ok_or_else(|| TokenError::NeedsReauth { reason: "disconnected".to_owned() })
    }

    async fn cached_token(&self, account: &IntegratedAccount) -> Result<CachedToken, TokenError> {
        let read = async || {
            let row = self.stored_credentials(account).await?;
            let fresh = self.decrypt(account, &row)?;
            let (provider, base_url) = (account.provider, account.base_url.clone());
            let expires_at = row.expires_at;
            Ok::<_, TokenError>(Some(CachedToken { lease: fresh, expires_at, provider, base_url }))
        };
        let opened = self.cache.get(&(account.environment_id, account.id), read).await?;
        let none = || TokenError::NeedsReauth { reason: "disconnected".to_owned() };
        let opened = opened.ok_or_else(none)?;
        if opened.provider != account.provider || opened.base_url != account.base_url {
            // It was decrypted for another destination; decryption fails unless it is sealed for this one too.
            self.decrypt(account, &self.stored_credentials(account).await?)?;
        }
        Ok(opened)
    }

    pub(super) fn decrypt(
        &self,
        account: &IntegratedAccount,
        row: &Credentials,
    ) -> Result<AccessTokenLease, TokenError> {
        let grant = self.vault.open_grant(account, row)?;
        let is_renewable = grant.renewal.is_some();
        Ok(AccessTokenLease {
            token: grant.access_token,
            generation: row.generation,
            is_refreshable: is_renewable,
        })
    }
}
