//! What the sync works with.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::connectors::{CallContext, Registry, UnreadableRows};
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::clock::Clock;
use crate::domain::entropy::Entropy;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::limit::Priority;
use crate::store::{Store, StoreError, TenantDb, UsageContext, UsageLog, UsageSource};
use crate::telemetry::Span;
use crate::unified::AccountDiscovery;
use crate::upstream::{CallOptions, Upstream};

/// What the sync works with.
#[derive(Clone)]
pub struct SyncServices {
    /// The database.
    pub store: Store,
    /// The connectors of the providers.
    pub registry: Arc<Registry>,
    /// Sends calls to providers.
    pub upstream: Upstream,
    /// Discovers what the servers of accounts can do.
    pub discovery: AccountDiscovery,
    /// The usage log of tokens.
    pub uses: UsageLog,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The random number generator.
    pub entropy: Arc<dyn Entropy>,
    /// Wakes the workers of this process when changes were reported to it.
    pub changes_reported: Arc<Notify>,
    /// Wakes the evaluation of policies in this process when a copy has changed.
    pub copy_changed: Arc<Notify>,
}

impl SyncServices {
    /// Returns an account, after another discovery of what its server can do if one is due.
    pub(super) async fn account(
        &self,
        db: &TenantDb,
        id: IntegratedAccountId,
    ) -> Result<Option<IntegratedAccount>, StoreError> {
        let Some(account) = db.account(id).await? else { return Ok(None) };
        let is_active = account.status == AccountStatus::Active;
        if is_active && Box::pin(self.discovery.refresh_if_due(&account)).await {
            return db.account(id).await;
        }
        Ok(Some(account))
    }

    /// Returns the context of calls for an account, which wait for permits and retries at most `max_wait`.
    pub fn call_context<'a>(
        &'a self,
        (environment_id, account): (EnvironmentId, &'a IntegratedAccount),
        unreadable_rows: &'a UnreadableRows,
        max_wait: Duration,
    ) -> CallContext<'a> {
        CallContext {
            account,
            upstream: &self.upstream,
            options: CallOptions {
                wait_until: Instant::now() + max_wait,
                priority: Priority::Background,
                limit_report: None,
                span: &Span::NONE,
            },
            include_remote: false,
            unreadable_rows,
            usage: UsageContext {
                log: &self.uses,
                source: UsageSource {
                    environment_id,
                    actor: "sync",
                    action: "directory.synced",
                    account_id: account.id,
                    request_id: None,
                },
            },
            call_count: None,
        }
    }
}

impl std::fmt::Debug for SyncServices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SyncServices").finish_non_exhaustive()
    }
}
