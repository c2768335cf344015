//! Refreshes the tokens of an account: one refresh at a time per account, across all processes.
//!
//! The account's row is locked and read again. The attempt is recorded before the provider is called, and the new pair is
//! committed before it is used. After inconclusive responses all callers observe a `backoff`.

use std::time::Duration;

use tokio::time::Instant;

use super::access_token_lease::AccessTokenLease;
use super::access_tokens::AccessTokensInner;
use super::backoff::{self, FIRST_DELAY, MAX_ATTEMPTS};
use super::error::{RefreshFailure, TokenError};
use super::refresh_permits::RefreshPermit;
use super::refresh_request::RefreshRequest;
use super::refresh_response::{missing_access_token, outcome};
use super::sealing::Grant;
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::account_state::Evidence;
use crate::store::RefreshLock;

/// Maximum pause during which a refresh holds its lock; for a longer one it releases the lock.
const MAX_LOCKED_DELAY: Duration = Duration::from_secs(2);

impl AccessTokensInner {
    /// Refreshes the pair `generation` of an account, unless another process was faster. `refused` is the code with which
    /// the provider rejected its access token.
    pub(super) async fn refresh(
        &self,
        account: &IntegratedAccount,
        generation: i64,
        refused: Option<&'static str>,
    ) -> Result<AccessTokenLease, TokenError> {
        let permit = self.permits.acquire_for(account.provider_app_id).await?;
        let db = self.store.tenant(account.environment_id);
        let lost = |reason: &str| TokenError::NeedsReauth { reason: reason.to_owned() };
        let Some(lock) = db.lock_credentials(account.id).await? else {
            return Err(lost("disconnected"));
        };
        if lock.credentials().generation > generation {
            // Another process was faster, and its notification may not have arrived: the cached pair is the old one.
            db.invalidate_account(account.id);
            return self.decrypt(account, lock.credentials());
        }
        // The caller's copy may predate another link, with another client's tokens.
        let Some(account) = &db.account(account.id).await? else {
            return Err(lost("disconnected"));
        };
        if account.status == AccountStatus::NeedsReauth {
            return Err(lost(account.status_reason.as_deref().unwrap_or("refused")));
        }
        let grant = self.vault.open_grant(account, lock.credentials())?;
        if grant.renewal.is_none() {
            let code = refused.ok_or(TokenError::NoRefreshToken)?;
            let evidence = Evidence::AccessTokenRejected { generation, code };
            return self.mark_needs_reauth(account, lock, None, (&evidence, code)).await;
        }
        self.request_refresh(account, lock, &grant, &permit).await
    }

    async fn request_refresh(
        &self,
        account: &IntegratedAccount,
        mut lock: RefreshLock,
        old: &Grant,
        permit: &RefreshPermit,
    ) -> Result<AccessTokenLease, TokenError> {
        let renewal = old.renewal.as_ref().ok_or(TokenError::NoRefreshToken)?;
        let db = self.store.tenant(account.environment_id);
        let prepared = RefreshRequest::prepare(&db, &self.vault, account, renewal).await?;
        let changed_at = prepared.app_changed_at();
        if let Some(pause) = lock.backoff().await?
            && let Some(failed) = backoff::current_failure(pause, changed_at, self.clock.now())
        {
            return Err(failed);
        }
        let _asking = self.in_doubt.begin(account.id);
        let mut tries = 0;
        loop {
            tries += 1;
            let request = permit.begin_request()?;
            let attempt = lock.record_attempt(self.clock.now()).await?;
            let started = Instant::now();
            let response = prepared.send(&*self.refresher, account).await;
            self.metrics.record_refresh(outcome(&response), started.elapsed());
            let hangs = request.report(response.as_ref().err());
            match response {
                Ok(new) => {
                    let now = self.clock.now();
                    let pair = new.complete(old, lock.credentials(), now);
                    let fresh = self.store_pair(account, lock, attempt, &pair).await?;
                    return if new.access_token.is_some() {
                        Ok(fresh)
                    } else {
                        Err(missing_access_token())
                    };
                }
                Err(RefreshFailure::Rejected(code)) => {
                    let generation = lock.credentials().generation;
                    let evidence = Evidence::RefreshTokenRejected { generation, code: &code };
                    return self
                        .mark_needs_reauth(account, lock, Some(attempt), (&evidence, &code))
                        .await;
                }
                Err(failure) => {
                    tracing::warn!(account = %account.id, attempt, %failure, "refresh failed");
                    let asked_for = failure.retry_after().unwrap_or_default();
                    let is_last = tries == MAX_ATTEMPTS || asked_for > MAX_LOCKED_DELAY;
                    // A further attempt would hold the permit and the row for another time-out.
                    if is_last || hangs || failure.is_permanent() {
                        return self.begin_backoff(account, lock, attempt, failure).await;
                    }
                    lock.record_failure(attempt, self.clock.now()).await?;
                    tokio::time::sleep(asked_for.max(FIRST_DELAY * 2_u32.pow(tries - 1))).await;
                }
            }
        }
    }
}
