//! Accounts: their tokens renewed at once, their connection ended.

use std::time::Duration;

use tokio::time::Instant;

use super::{AdminError, Administrator};
use crate::connectors::{CallContext, Registry, UnreadableRows};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::event::EventKind;
use crate::limit::Class;
use crate::store::{AuditEntry, NewEvent, Outcome, UseLog, UsedBy};
use crate::telemetry::Span;
use crate::upstream::{CallOptions, Upstream};
use crate::vault::Tokens;

/// The way to the providers.
#[derive(Clone, Copy)]
pub struct Ways<'a> {
    /// What the providers can do.
    pub registry: &'a Registry,
    /// The way out.
    pub upstream: &'a Upstream,
    /// Where uses of tokens are told.
    pub uses: &'a UseLog,
    /// How long a call may wait for its turn.
    pub max_wait: Duration,
}

/// Whether an account may be disconnected though its token lives on at the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoking {
    /// The provider must have taken the token back.
    Needed,
    /// It is tried.
    Tried,
}

/// How often a caller may have an account's tokens renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshPace {
    /// As often as it asks.
    Unlimited,
    /// Once in a minute: an account token may be in a customer's hands, and each refresh costs the provider app a
    /// request and the gateway a permit and two entries of the audit log.
    Limited,
}

/// The least age of tokens that an account token can have renewed.
const MIN_AGE: Duration = Duration::from_mins(1);

impl Administrator<'_> {
    /// Renews an account's tokens now, whatever their age, as far as `pace` permits. After `max_wait` the refresh goes
    /// on by itself.
    ///
    /// # Errors
    ///
    /// `RefreshTooSoon` before anything is done; else when there are none afterwards, or the database fails.
    pub async fn refresh_account(
        &self,
        account: &IntegratedAccount,
        tokens: &Tokens,
        (pace, max_wait): (RefreshPace, Duration),
    ) -> Result<(), AdminError> {
        if pace == RefreshPace::Limited {
            self.check_age(account, tokens).await?;
        }
        let (action, what) = ("integrated_account.refreshed", (Some(account.id), None));
        let begun = AuditEntry { outcome: Outcome::Started, ..self.entry(action, what) };
        self.db.audit(&begun).await?;
        let renewed = tokens.renew(account, Instant::now() + max_wait).await;
        let outcome = if renewed.is_ok() { Outcome::Done } else { Outcome::Failed };
        let ended = AuditEntry { outcome, ..self.entry(action, what) };
        let closed = self.db.audit(&ended).await;
        renewed?;
        Ok(closed?)
    }

    /// Fails when the account's tokens are younger than [`MIN_AGE`].
    async fn check_age(
        &self,
        account: &IntegratedAccount,
        tokens: &Tokens,
    ) -> Result<(), AdminError> {
        let left = tokens.issued_at(account).await? + MIN_AGE - self.clock.now();
        match Duration::try_from(left) {
            // A clock that was set back must not make it longer.
            Ok(left) if !left.is_zero() => {
                Err(AdminError::RefreshTooSoon { retry_after: left.min(MIN_AGE) })
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Disconnects an account for good: its token is revoked at the provider and erased here.
    ///
    /// # Errors
    ///
    /// When the provider did not revoke the token and that is needed, or the database fails.
    pub async fn disconnect_account(
        &self,
        account: &IntegratedAccount,
        ways: &Ways<'_>,
        revoking: Revoking,
    ) -> Result<(), AdminError> {
        let (action, what) = ("integrated_account.disconnected", (Some(account.id), None));
        if account.status == AccountStatus::Active {
            let begun = AuditEntry { outcome: Outcome::Started, ..self.entry(action, what) };
            self.db.audit(&begun).await?;
            match (self.revoke(account, ways).await, revoking) {
                (Ok(()), _) => {}
                (Err(error), Revoking::Tried) => {
                    tracing::warn!(%error, "disconnecting without revoking");
                }
                (Err(error), Revoking::Needed) => {
                    let ended = AuditEntry { outcome: Outcome::Failed, ..self.entry(action, what) };
                    self.db.audit(&ended).await?;
                    return Err(error);
                }
            }
        }
        let entry = self.entry(action, what);
        let kind = EventKind::Disconnected;
        let told = NewEvent::new(kind, account.id, None, self.clock, self.entropy);
        self.db.disconnect_account(account.id, self.clock.now(), &entry, &told).await?;
        Ok(())
    }

    async fn revoke(&self, account: &IntegratedAccount, ways: &Ways<'_>) -> Result<(), AdminError> {
        let Ways { registry, upstream, uses, max_wait } = *ways;
        let cx = CallContext {
            account,
            upstream,
            options: CallOptions {
                wait_until: Instant::now() + max_wait,
                class: Class::Interactive,
                meter: None,
                span: &Span::NONE,
            },
            wants_remote: false,
            unreadable_rows: &UnreadableRows::default(),
            used_by: UsedBy {
                log: uses,
                environment_id: self.db.environment_id(),
                actor: self.actor,
                action: "directory.called",
                account_id: account.id,
                request_id: self.request_id,
            },
        };
        if let Some(identity) = registry.connector(account.provider).identity() {
            identity.revoke(&cx).await?;
        }
        Ok(())
    }
}
