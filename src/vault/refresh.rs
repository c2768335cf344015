//! Keeping a grant fresh: one refresh at a time for an account, in this process and in every other.
//!
//! In the process all callers wait for one shared future (`flights`). Across processes the account's row
//! is locked and read again. The intent is written before the provider is asked, and the answer is
//! committed before anyone uses it. While a provider gives no clear answer, callers share a `pause`.

use std::sync::Arc;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::asked::Asked;
use super::cipher::CipherError;
use super::failure::{RefreshFailure, TokenError};
use super::flights::{Flight, Flights, Present};
use super::fresh::Fresh;
use super::pause::{self, ATTEMPTS, FIRST_PAUSE};
use super::permits::{Permit, Permits};
use super::renewal::{Refresher, counted, incomplete};
use super::secret::AccessToken;
use super::tokens::{Grant, Vault};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::account_state::Evidence;
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::IntegratedAccountId;
use crate::domain::provider::Provider;
use crate::store::{AccountKey, Cache, Credentials, RefreshLock, Store};
use crate::telemetry::Metrics;

/// A token this close to its end is renewed before it is used.
const SKEW: time::Duration = time::Duration::seconds(60);
/// When a caller whose wait for a refresh is over comes back.
const COME_BACK: Duration = Duration::from_secs(1);
/// The longest pause that a refresh holds its lock for; after a longer one it begins anew.
const LONGEST_HELD_PAUSE: Duration = Duration::from_secs(2);

/// The tokens of every account, kept fresh.
#[derive(Clone)]
pub struct Tokens {
    inner: Arc<Inner>,
    flights: Flights,
}

pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) vault: Vault,
    refresher: Arc<dyn Refresher>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) entropy: Arc<dyn Entropy>,
    metrics: Metrics,
    permits: Permits,
    asked: Asked,
    opened: Arc<Cache<AccountKey, Opened>>,
}

/// The token of an account's present pair, as it is kept in memory.
#[derive(Debug, Clone)]
struct Opened {
    fresh: Fresh,
    expires_at: Option<OffsetDateTime>,
    /// Where the account's tokens were sent when it was opened.
    provider: Provider,
    base_url: Option<String>,
}

impl Tokens {
    /// Tokens out of `store`, opened by `vault`, renewed by `refresher` on `tasks`.
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
        let permits = Permits::new(store.connections());
        let opened = store.cache_of_accounts("tokens");
        let asked = Asked::default();
        let inner =
            Inner { store, vault, refresher, clock, entropy, metrics, permits, asked, opened };
        Self { inner: Arc::new(inner), flights: Flights::new(tasks) }
    }

    /// A token for `account`, renewed first when it is at its end. A refresh is waited for until `until`, and goes on.
    ///
    /// # Errors
    ///
    /// When the grant is lost, or the token is at its end and can't be renewed, or not in time.
    pub async fn fresh(
        &self,
        account: &IntegratedAccount,
        until: Instant,
    ) -> Result<Fresh, TokenError> {
        let under_way = self.flights.of_dead(account.id);
        let Opened { fresh: present, expires_at, .. } = self.inner.opened(account).await?;
        // Of a token that can't be renewed only the provider says when it is invalid.
        let expires_at = expires_at.filter(|_| present.is_renewable);
        let now = self.inner.clock.now();
        let renewed = match under_way {
            // The present token is dead or about to be: nobody sends it once more.
            Some(flight) => within(until, flight).await,
            None if expires_at.is_none_or(|end| end - SKEW > now) => return Ok(present),
            None => Box::pin(self.newer(account, present.generation, None, until)).await,
        };
        match renewed {
            // It still lives for a moment: better than a failed call.
            Err(TokenError::Refresh { .. } | TokenError::Pending { .. })
                if expires_at.is_some_and(|end| end > now) =>
            {
                Ok(present)
            }
            renewed => renewed,
        }
    }

    /// A token for `account` of a new pair, whatever the age of the present one, if it is there by `until`.
    ///
    /// # Errors
    ///
    /// `NoRefreshToken` when there is nothing to renew it with: the account stays as it is. Else when the
    /// grant is lost, or the provider can't be asked or takes longer.
    pub async fn renew(
        &self,
        account: &IntegratedAccount,
        until: Instant,
    ) -> Result<Fresh, TokenError> {
        let present = self.inner.stored(account).await?;
        if present.refresh_token.is_none() && account.status == AccountStatus::Active {
            return Err(TokenError::NoRefreshToken);
        }
        self.newer(account, present.generation, None, until).await
    }

    /// Returns when the account's present pair was stored.
    ///
    /// # Errors
    ///
    /// `NeedsReauth` when the account has none.
    pub async fn issued_at(
        &self,
        account: &IntegratedAccount,
    ) -> Result<OffsetDateTime, TokenError> {
        Ok(self.inner.stored(account).await?.issued_at)
    }

    /// A token for `account` of a later pair than `generation`, whose access token the known path refused
    /// with `code`. Without a later one the token is recorded as ended, so that it is not sent again; an
    /// account that has no refresh token needs a new link. It is waited for until `until`.
    ///
    /// # Errors
    ///
    /// When the grant is lost, or the provider can't be asked or takes longer.
    pub async fn newer_than(
        &self,
        account: &IntegratedAccount,
        generation: i64,
        code: &'static str,
        until: Instant,
    ) -> Result<Fresh, TokenError> {
        let newer = self.newer(account, generation, Some(code), until).await;
        if matches!(newer, Err(TokenError::Refresh { .. })) {
            let db = self.inner.store.tenant(account.environment_id);
            db.end_access_token(account.id, generation, self.inner.clock.now()).await?;
        }
        newer
    }

    /// What the next pair would be asked with, as a call carries it that gives it back.
    ///
    /// # Errors
    ///
    /// `NeedsReauth` when the account has none.
    pub async fn to_give_back(&self, account: &IntegratedAccount) -> Result<Fresh, TokenError> {
        let row = self.inner.stored(account).await?;
        let grant = self.inner.vault.open_grant(account, &row)?;
        let none = || TokenError::NeedsReauth { reason: "no_refresh_token".to_owned() };
        let token = grant.refresh_token.ok_or_else(none)?;
        let token = AccessToken::from(token.expose_secret().to_owned());
        Ok(Fresh { token, generation: row.generation, is_renewable: true })
    }

    async fn newer(
        &self,
        account: &IntegratedAccount,
        generation: i64,
        refused: Option<&'static str>,
        until: Instant,
    ) -> Result<Fresh, TokenError> {
        loop {
            // What is kept may be this very pair, renewed elsewhere a moment ago.
            let row = self.inner.stored(account).await?;
            if row.generation > generation {
                self.inner.store.tenant(account.environment_id).forget_account(account.id);
                return self.inner.open(account, &row);
            }
            // A refresh under way may be that of an older pair, whose result is the refused one.
            let flight = self.flight(account, generation, Present::Dead, refused);
            let fresh = within(until, flight).await?;
            if fresh.generation > generation {
                return Ok(fresh);
            }
        }
    }

    /// Replaces the pair `generation`, which lives, before its end. Who calls meanwhile goes on with it.
    ///
    /// # Errors
    ///
    /// When the grant is lost or the provider can't be asked.
    pub(super) async fn replace(
        &self,
        account: &IntegratedAccount,
        generation: i64,
    ) -> Result<Fresh, TokenError> {
        self.flight(account, generation, Present::Alive, None).await
    }

    /// The accounts in doubt: when the process ends now, nobody knows whether their refresh tokens were used up.
    #[must_use]
    pub fn in_doubt(&self) -> Vec<IntegratedAccountId> {
        self.inner.asked.list()
    }

    fn flight(
        &self,
        account: &IntegratedAccount,
        generation: i64,
        present: Present,
        refused: Option<&'static str>,
    ) -> Flight {
        let inner = Arc::clone(&self.inner);
        let of = account.clone();
        let refresh = async move { inner.refresh(&of, generation, refused).await };
        self.flights.join(account.id, present, refresh)
    }
}

/// Waits for a refresh until `until`. It runs on a task of its own and goes on after that.
async fn within(until: Instant, flight: Flight) -> Result<Fresh, TokenError> {
    let late = TokenError::Pending { retry_after: COME_BACK };
    tokio::time::timeout_at(until, flight).await.unwrap_or(Err(late))
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Inner {
    async fn stored(&self, account: &IntegratedAccount) -> Result<Credentials, TokenError> {
        let row = self.store.tenant(account.environment_id).credentials(account.id).await?;
        row.ok_or_else(|| TokenError::NeedsReauth { reason: "disconnected".to_owned() })
    }

    async fn opened(&self, account: &IntegratedAccount) -> Result<Opened, TokenError> {
        let read = async || {
            let row = self.stored(account).await?;
            let fresh = self.open(account, &row)?;
            let (provider, base_url) = (account.provider, account.base_url.clone());
            let expires_at = row.expires_at;
            Ok::<_, TokenError>(Some(Opened { fresh, expires_at, provider, base_url }))
        };
        let opened = self.opened.get(&(account.environment_id, account.id), read).await?;
        let none = || TokenError::NeedsReauth { reason: "disconnected".to_owned() };
        let opened = opened.ok_or_else(none)?;
        if opened.provider != account.provider || opened.base_url != account.base_url {
            // It was opened for another place: whether it is for this one as well, its seal says.
            self.open(account, &self.stored(account).await?)?;
        }
        Ok(opened)
    }

    pub(super) fn open(
        &self,
        account: &IntegratedAccount,
        row: &Credentials,
    ) -> Result<Fresh, TokenError> {
        let grant = self.vault.open_grant(account, row)?;
        let is_renewable = grant.refresh_token.is_some();
        Ok(Fresh { token: grant.access_token, generation: row.generation, is_renewable })
    }

    async fn refresh(
        &self,
        account: &IntegratedAccount,
        dead: i64,
        refused: Option<&'static str>,
    ) -> Result<Fresh, TokenError> {
        let permit = self.permits.take(account.provider_app_id).await?;
        let db = self.store.tenant(account.environment_id);
        let lost = |reason: &str| TokenError::NeedsReauth { reason: reason.to_owned() };
        let Some(lock) = db.lock_credentials(account.id).await? else {
            return Err(lost("disconnected"));
        };
        if lock.credentials().generation > dead {
            // Another process was faster, and its word may not be here yet: what is kept is the dead pair.
            db.forget_account(account.id);
            return self.open(account, lock.credentials());
        }
        // The caller's copy may be of before another link, with another client's tokens.
        let Some(account) = &db.account(account.id).await? else {
            return Err(lost("disconnected"));
        };
        if account.status == AccountStatus::NeedsReauth {
            return Err(lost(account.status_reason.as_deref().unwrap_or("refused")));
        }
        let grant = self.vault.open_grant(account, lock.credentials())?;
        if grant.refresh_token.is_none() {
            let code = refused.ok_or(TokenError::NoRefreshToken)?;
            let evidence = Evidence::AccessTokenRefused { generation: dead, code };
            return self.give_up(account, lock, None, (&evidence, code)).await;
        }
        self.ask(account, lock, &grant, &permit).await
    }

    async fn ask(
        &self,
        account: &IntegratedAccount,
        mut lock: RefreshLock,
        old: &Grant,
        permit: &Permit,
    ) -> Result<Fresh, TokenError> {
        let refresh_token = old.refresh_token.as_ref().ok_or(TokenError::NoRefreshToken)?;
        let db = self.store.tenant(account.environment_id);
        let app = match account.provider_app_id {
            Some(id) => db.provider_app(id).await?,
            None => None,
        };
        let app = app.ok_or(CipherError::Corrupt)?;
        if let Some(pause) = lock.pause().await?
            && let Some(failed) = pause::told(pause, &app, self.clock.now())
        {
            return Err(failed);
        }
        let secret = self.vault.open_client_secret(account.environment_id, &app)?;
        let _asking = self.asked.begin(account.id);
        let mut tries = 0;
        loop {
            tries += 1;
            let request = permit.attempt()?;
            let attempt = lock.intend(self.clock.now()).await?;
            let started = Instant::now();
            let answer =
                self.refresher.refresh(account.provider, &app.client_id, &secret, refresh_token);
            let answer = answer.await;
            self.metrics.refresh(counted(&answer), started.elapsed());
            let hangs = request.report(answer.as_ref().err());
            match answer {
                Ok(renewal) => {
                    let now = self.clock.now();
                    let pair = renewal.completed(old, lock.credentials(), now);
                    let fresh = self.keep(account, lock, attempt, &pair).await?;
                    return if renewal.access_token.is_some() {
                        Ok(fresh)
                    } else {
                        Err(incomplete())
                    };
                }
                Err(RefreshFailure::Refused(code)) => {
                    let generation = lock.credentials().generation;
                    let evidence = Evidence::RefreshTokenRefused { generation, code: &code };
                    return self.give_up(account, lock, Some(attempt), (&evidence, &code)).await;
                }
                Err(failure) => {
                    tracing::warn!(account = %account.id, attempt, %failure, "refresh failed");
                    let asked_for = failure.retry_after().unwrap_or_default();
                    let is_last = tries == ATTEMPTS || asked_for > LONGEST_HELD_PAUSE;
                    // A further try would hold the permit and the row for another time-out.
                    if is_last || hangs || failure.is_asked_once() {
                        return self.pause(account, lock, attempt, failure).await;
                    }
                    lock.failed(attempt, self.clock.now()).await?;
                    tokio::time::sleep(asked_for.max(FIRST_PAUSE * 2_u32.pow(tries - 1))).await;
                }
            }
        }
    }
}
