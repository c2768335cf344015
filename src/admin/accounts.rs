//! Manages accounts: refreshes their tokens, disconnects them.

use std::time::Duration;

use tokio::time::Instant;

use super::{AdminError, Administrator};
use crate::connectors::{CallContext, Registry, UnreadableRows};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::event::EventKind;
use crate::limit::Priority;
use crate::store::{AuditEntry, AuditOutcome, NewEvent, UsageContext, UsageLog, UsageSource};
use crate::telemetry::Span;
use crate::upstream::{CallOptions, Upstream};
use crate::vault::AccessTokens;

/// The services that revoking a token at the provider needs.
#[derive(Clone, Copy)]
pub struct ProviderServices<'a> {
    /// The connectors of the providers.
    pub registry: &'a Registry,
    /// Sends calls to providers.
    pub upstream: &'a Upstream,
    /// The usage log of tokens.
    pub uses: &'a UsageLog,
    /// Maximum time to wait for a rate limit permit.
    pub max_wait: Duration,
}

/// Whether disconnecting requires that the provider revokes the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevocationPolicy {
    /// The provider must revoke the token.
    Required,
    /// A failed revocation is ignored.
    BestEffort,
}

/// How often a caller may refresh an account's tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshFrequency {
    /// Without a limit.
    Unlimited,
    /// Once per minute: an account token may belong to a customer, and each refresh costs the provider app a request
    /// and the gateway a permit and two audit entries.
    OncePerMinute,
}

/// Minimum age of tokens that an account token can refresh.
const MIN_REFRESH_AGE: Duration = Duration::from_mins(1);

impl Administrator<'_> {
    /// Refreshes an account's tokens immediately, whatever their age, as far as `pace` permits. After `max_wait` the
    /// refresh continues in the background.
    ///
    /// # Errors
    ///
    /// `RefreshTooSoon` before the refresh starts; `Token` if it fails; `Store` if the database fails.
    pub async fn refresh_account(
        &self,
        account: &IntegratedAccount,
        tokens: &AccessTokens,
        (pace, max_wait): (RefreshFrequency, Duration),
    ) -> Result<(), AdminError> {
        if pace == RefreshFrequency::OncePerMinute {
            self.check_age(account, tokens).await?;
        }
        let (action, what) = ("integrated_account.refreshed", (Some(account.id), None));
        let started = AuditEntry { outcome: AuditOutcome::Started, ..self.entry(action, what) };
        self.db.audit(&started).await?;
        let refreshed = tokens.refresh(account, Instant::now() + max_wait).await;
        let outcome = if refreshed.is_ok() { AuditOutcome::Done } else { AuditOutcome::Failed };
        let ended = AuditEntry { outcome, ..self.entry(action, what) };
        let audited = self.db.audit(&ended).await;
        refreshed?;
        Ok(audited?)
    }

    /// Fails if the account's tokens are younger than [`MIN_REFRESH_AGE`].
    async fn check_age(
        &self,
        account: &IntegratedAccount,
        tokens: &AccessTokens,
    ) -> Result<(), AdminError> {
        let remaining = tokens.issued_at(account).await? + MIN_REFRESH_AGE - self.clock.now();
        match Duration::try_from(remaining) {
            // A clock that was set back must not extend the wait.
            Ok(remaining) if !remaining.is_zero() => {
                Err(AdminError::RefreshTooSoon { retry_after: remaining.min(MIN_REFRESH_AGE) })
            }
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Disconnects an account permanently: revokes its token at the provider and erases it here.
    ///
    /// # Errors
    ///
    /// `Connector` if the provider does not revoke the token and `revoking` requires it; `Store` if the database fails.
    pub async fn disconnect_account(
        &self,
        account: &IntegratedAccount,
        ways: &ProviderServices<'_>,
        revoking: RevocationPolicy,
    ) -> Result<(), AdminError> {
        let (action, what) = ("integrated_account.disconnected", (Some(account.id), None));
        if account.status == AccountStatus::Active {
            let started = AuditEntry { outcome: AuditOutcome::Started, ..self.entry(action, what) };
            self.db.audit(&started).await?;
            match (self.revoke(account, ways).await, revoking) {
                (Ok(()), _) => {}
                (Err(error), RevocationPolicy::BestEffort) => {
                    tracing::warn!(%error, "disconnecting without revoking");
                }
                (Err(error), RevocationPolicy::Required) => {
                    let ended =
                        AuditEntry { outcome: AuditOutcome::Failed, ..self.entry(action, what) };
                    self.db.audit(&ended).await?;
                    return Err(error);
                }
            }
        }
        let entry = self.entry(action, what);
        let kind = EventKind::Disconnected;
        let event = NewEvent::new(kind, account.id, None, self.clock, self.entropy);
        self.db.disconnect_account(account.id, self.clock.now(), &entry, &event).await?;
        // The purge erases what a crash leaves.
        self.db.erase_copy(account.id, self.clock.now()).await?;
        Ok(())
    }

    async fn revoke(
        &self,
        account: &IntegratedAccount,
        ways: &ProviderServices<'_>,
    ) -> Result<(), AdminError> {
        let ProviderServices { registry, upstream, uses, max_wait } = *ways;
        let cx = CallContext {
            account,
            upstream,
            options: CallOptions {
                wait_until: Instant::now() + max_wait,
                priority: Priority::Interactive,
                limit_report: None,
                span: &Span::NONE,
            },
            include_remote: false,
            unreadable_rows: &UnreadableRows::default(),
            usage: UsageContext {
                log: uses,
                source: UsageSource {
                    environment_id: self.db.environment_id(),
                    actor: self.actor,
                    action: "directory.called",
                    account_id: account.id,
                    request_id: self.request_id,
                },
            },
            call_count: None,
        };
        if let Some(identity) = registry.connector(account.provider).identity() {
            identity.revoke(&cx).await?;
        }
        Ok(())
    }
}
