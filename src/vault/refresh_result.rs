//! Results of a refresh: the new pair is stored, the account becomes `needs_reauth`, or a backoff begins.

use std::time::Duration;

use tokio::time::timeout;

use super::access_token_lease::AccessTokenLease;
use super::access_tokens::AccessTokensInner;
use super::backoff;
use super::backoff::FIRST_DELAY;
use super::error::{RefreshFailure, TokenError};
use super::sealing::Grant;
use crate::domain::account::IntegratedAccount;
use crate::domain::account_state::Evidence;
use crate::domain::event::EventKind;
use crate::store::{AuditEntry, AuditOutcome, NewEvent, RefreshLock, StoreError};

/// Maximum delay between two attempts to store a new pair.
const MAX_STORE_DELAY: Duration = Duration::from_secs(2);
/// Time-out of one attempt. A server that vanished does not respond, while another connection may reach one.
const STORE_TIMEOUT: Duration = Duration::from_secs(10);

impl AccessTokensInner {
    /// Begins a backoff after failed attempts.
    pub(super) async fn begin_backoff(
        &self,
        account: &IntegratedAccount,
        lock: RefreshLock,
        attempt: i32,
        failure: RefreshFailure,
    ) -> Result<AccessTokenLease, TokenError> {
        let pause = backoff::begin(&failure, attempt, self.clock.now(), &*self.entropy);
        let retry_after = Duration::try_from(pause.until - pause.since).unwrap_or_default();
        lock.record_backoff(attempt, &pause).await?;
        let event = self.event(EventKind::RefreshFailed, account, Some(failure.code()));
        self.store.tenant(account.environment_id).record_failed_refresh(&event).await?;
        Err(TokenError::Refresh { failure, retry_after })
    }

    /// Stores a new pair. The old refresh token is consumed, so this is repeated until it succeeds or the process ends;
    /// callers stop waiting earlier.
    pub(super) async fn store_pair(
        &self,
        account: &IntegratedAccount,
        lock: RefreshLock,
        attempt: i32,
        grant: &Grant,
    ) -> Result<AccessTokenLease, TokenError> {
        let sealed =
            self.vault.seal_grant(account.environment_id, account.id, account.into(), grant)?;
        let action = "credentials.renewed";
        let new = AuditEntry::new(action, "refresh", &*self.clock, &*self.entropy);
        let entry = AuditEntry { account_id: Some(account.id), ..new };
        let event = self.event(EventKind::Reactivated, account, None);
        let old = lock.credentials().generation;
        let mut stored =
            within_timeout(lock.complete_refresh(attempt, &sealed, (&entry, &event))).await;
        // The first retry is immediate: another refresh that waits for the lock would send a consumed token.
        let mut pause = Duration::ZERO;
        loop {
            match stored {
                Ok(generation) => {
                    tracing::info!(account = %account.id, generation, "access token refreshed");
                    let is_renewable = grant.renewal.is_some();
                    let token = grant.access_token.clone();
                    return Ok(AccessTokenLease {
                        token,
                        generation,
                        is_refreshable: is_renewable,
                    });
                }
                Err(why) => {
                    tracing::warn!(account = %account.id, why, "the new tokens could not be stored yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).clamp(FIRST_DELAY, MAX_STORE_DELAY);
            let db = self.store.tenant(account.environment_id);
            stored = match within_timeout(db.lock_credentials(account.id)).await {
                Ok(Some(lock)) if lock.credentials().generation == old => {
                    within_timeout(lock.complete_refresh(attempt, &sealed, (&entry, &event))).await
                }
                // Ours was committed, and only the confirmation was lost; or the customer has linked again.
                Ok(Some(lock)) => return self.decrypt(account, lock.credentials()),
                Ok(None) => {
                    return Err(TokenError::NeedsReauth { reason: "disconnected".to_owned() });
                }
                Err(why) => Err(why),
            };
        }
    }

    fn event<'e>(
        &self,
        kind: EventKind,
        account: &IntegratedAccount,
        reason: Option<&'e str>,
    ) -> NewEvent<'e> {
        NewEvent::new(kind, account.id, reason, &*self.clock, &*self.entropy)
    }

    /// Changes the account's status as `evidence` requires, with the reason `code`.
    pub(super) async fn mark_needs_reauth(
        &self,
        account: &IntegratedAccount,
        lock: RefreshLock,
        attempt: Option<i32>,
        (evidence, code): (&Evidence<'_>, &str),
    ) -> Result<AccessTokenLease, TokenError> {
        let action = "integrated_account.needs_reauth";
        let new = AuditEntry::new(action, "refresh", &*self.clock, &*self.entropy);
        let entry = AuditEntry {
            account_id: Some(account.id),
            subject: Some(code),
            outcome: AuditOutcome::Failed,
            ..new
        };
        let event = self.event(EventKind::NeedsReauth, account, Some(code));
        if lock.record_rejection(attempt, evidence, (&entry, &event)).await? {
            tracing::warn!(account = %account.id, code, "grant lost; the account needs reauthorization");
        }
        Err(TokenError::NeedsReauth { reason: code.to_owned() })
    }
}

/// Returns the result of an attempt within the time-out, or the error as text.
async fn within_timeout<T>(
    tried: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, String> {
    match timeout(STORE_TIMEOUT, tried).await {
        Ok(ended) => ended.map_err(|error| error.to_string()),
        Err(_) => Err("the database did not respond in time".to_owned()),
    }
}
