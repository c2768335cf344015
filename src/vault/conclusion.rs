//! How a refresh ends: the new pair is kept, the grant is given up, or the provider is left alone for a while.

use std::time::Duration;

use tokio::time::timeout;

use super::failure::{RefreshFailure, TokenError};
use super::fresh::Fresh;
use super::pause;
use super::pause::FIRST_PAUSE;
use super::refresh::Inner;
use super::tokens::Grant;
use crate::domain::account::IntegratedAccount;
use crate::domain::account_state::Evidence;
use crate::domain::event::EventKind;
use crate::store::{AuditEntry, NewEvent, Outcome, RefreshLock, StoreError};

/// The longest pause between two tries to store a new pair.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// How long one try may last. A server that vanished answers nothing, and another connection may reach one.
const TRY_TIMEOUT: Duration = Duration::from_secs(10);

impl Inner {
    /// The attempts came to nothing: the provider is left alone for a while.
    pub(super) async fn pause(
        &self,
        account: &IntegratedAccount,
        lock: RefreshLock,
        attempt: i32,
        failure: RefreshFailure,
    ) -> Result<Fresh, TokenError> {
        let pause = pause::begin(&failure, attempt, self.clock.now(), &*self.entropy);
        let retry_after = Duration::try_from(pause.until - pause.since).unwrap_or_default();
        lock.failed_for_now(attempt, &pause).await?;
        let told = self.event(EventKind::RefreshFailed, account, Some(failure.code()));
        self.store.tenant(account.environment_id).tell_failed_refresh(&told).await?;
        Err(TokenError::Refresh { failure, retry_after })
    }

    /// Stores a new pair. The old one is spent, so this is tried until it is done or the process ends;
    /// callers stop waiting earlier.
    pub(super) async fn keep(
        &self,
        account: &IntegratedAccount,
        lock: RefreshLock,
        attempt: i32,
        grant: &Grant,
    ) -> Result<Fresh, TokenError> {
        let sealed =
            self.vault.seal_grant(account.environment_id, account.id, account.into(), grant)?;
        let action = "credentials.renewed";
        let new = AuditEntry::new(action, "refresh", &*self.clock, &*self.entropy);
        let entry = AuditEntry { account_id: Some(account.id), ..new };
        let told = self.event(EventKind::Reactivated, account, None);
        let old = lock.credentials().generation;
        let mut stored = in_time(lock.refreshed(attempt, &sealed, (&entry, &told))).await;
        // The first time at once: whoever waits for the lock asks with a token that is spent.
        let mut pause = Duration::ZERO;
        loop {
            match stored {
                Ok(generation) => {
                    tracing::info!(account = %account.id, generation, "access token renewed");
                    let is_renewable = grant.refresh_token.is_some();
                    let token = grant.access_token.clone();
                    return Ok(Fresh { token, generation, is_renewable });
                }
                Err(why) => {
                    tracing::warn!(account = %account.id, why, "the new tokens could not be stored yet");
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).clamp(FIRST_PAUSE, MAX_PAUSE);
            let db = self.store.tenant(account.environment_id);
            stored = match in_time(db.lock_credentials(account.id)).await {
                Ok(Some(lock)) if lock.credentials().generation == old => {
                    in_time(lock.refreshed(attempt, &sealed, (&entry, &told))).await
                }
                // Ours was stored after all, and only the word of it was lost; or the customer has linked again.
                Ok(Some(lock)) => return self.open(account, lock.credentials()),
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

    /// Moves an account as `evidence` demands, for the reason `code`.
    pub(super) async fn give_up(
        &self,
        account: &IntegratedAccount,
        lock: RefreshLock,
        attempt: Option<i32>,
        (evidence, code): (&Evidence<'_>, &str),
    ) -> Result<Fresh, TokenError> {
        let action = "integrated_account.needs_reauth";
        let new = AuditEntry::new(action, "refresh", &*self.clock, &*self.entropy);
        let entry = AuditEntry {
            account_id: Some(account.id),
            subject: Some(code),
            outcome: Outcome::Failed,
            ..new
        };
        let event = self.event(EventKind::NeedsReauth, account, Some(code));
        if lock.refused(attempt, evidence, (&entry, &event)).await? {
            tracing::warn!(account = %account.id, code, "the grant is lost: a new link is needed");
        }
        Err(TokenError::NeedsReauth { reason: code.to_owned() })
    }
}

/// The end of a try, or why it came to nothing.
async fn in_time<T>(tried: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
    match timeout(TRY_TIMEOUT, tried).await {
        Ok(ended) => ended.map_err(|error| error.to_string()),
        Err(_) => Err("the database does not answer".to_owned()),
    }
}
