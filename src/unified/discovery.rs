//! Discovery of what the servers of accounts can do: after a link, and before a request when the last one is a day old.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration as Wait;

use foldhash::HashMap;
use time::{Duration, OffsetDateTime};
use tokio::time::{Instant, timeout};

use crate::connectors::{CallContext, ConnectorError, Discover, Registry, UnreadableRows};
use crate::domain::account::IntegratedAccount;
use crate::domain::clock::Clock;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::limit::Priority;
use crate::store::{Store, StoreError, UsageContext, UsageLog, UsageSource};
use crate::telemetry::Span;
use crate::upstream::{CallOptions, Upstream};

/// How long a result is used.
const MAX_AGE: Duration = Duration::DAY;
/// Minimum time between a failed discovery and the next one.
const RETRY_AFTER: Duration = Duration::minutes(10);
/// Maximum time of a discovery, and of the wait for a running one.
const TIMEOUT: Wait = Wait::from_secs(10);
/// Maximum wait of its calls for permits, and between attempts.
const MAX_CALL_WAIT: Wait = Wait::from_secs(2);
/// The number of accounts from which on old entries are removed.
const SWEEP_THRESHOLD: usize = 1_000;

/// Discovers what the servers of accounts can do: one discovery at a time per account. Clones share it.
#[derive(Clone)]
pub struct AccountDiscovery {
    services: Arc<DiscoveryServices>,
    attempts: Arc<Mutex<HashMap<IntegratedAccountId, AttemptSlot>>>,
}

/// The services that discoveries use.
pub struct DiscoveryServices {
    /// The database.
    pub store: Store,
    /// The connectors of the providers.
    pub registry: Arc<Registry>,
    /// Sends calls to providers.
    pub upstream: Upstream,
    /// The usage log of tokens.
    pub uses: UsageLog,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// The last discovery of an account in this process.
#[derive(Debug, Clone, Copy)]
struct Attempt {
    started_at: OffsetDateTime,
    is_successful: bool,
}

/// Locked while a discovery runs.
type AttemptSlot = Arc<tokio::sync::Mutex<Option<Attempt>>>;

/// Why a discovery failed.
#[derive(Debug, thiserror::Error)]
enum DiscoveryError {
    #[error("the server could not be read")]
    Connector(#[source] Box<ConnectorError>),
    #[error("the server did not respond in time")]
    TimedOut,
    #[error("the result could not be stored")]
    Store(#[from] StoreError),
}

impl AccountDiscovery {
    /// Creates the service.
    #[must_use]
    pub fn new(services: DiscoveryServices) -> Self {
        Self { services: Arc::new(services), attempts: Arc::default() }
    }

    /// Discovers what the server of an account can do that was just linked. A failure is logged, and tried again before
    /// a later request.
    pub async fn discover_linked(
        &self,
        (environment_id, account_id): (EnvironmentId, IntegratedAccountId),
    ) {
        let account = match self.services.store.tenant(environment_id).account(account_id).await {
            Ok(Some(account)) => account,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(account = %account_id, %error, "the linked account could not be read");
                return;
            }
        };
        let Some(discovery) = self.facet(&account) else { return };
        let slot = self.slot(account_id);
        let Ok(mut last) = timeout(TIMEOUT, slot.lock()).await else { return };
        *last = Some(self.attempt(&account, discovery).await);
    }

    /// Whether the last result for an account is a day old.
    #[must_use]
    pub fn is_due(&self, account: &IntegratedAccount) -> bool {
        let now = self.services.clock.now();
        account.discovered_at.is_none_or(|at| now - at >= MAX_AGE) && self.facet(account).is_some()
    }

    /// Discovers again what the server of an account can do, if the last result is a day old. Returns whether the
    /// account's row has a newer result. Waits for a running discovery.
    pub async fn refresh_if_due(&self, account: &IntegratedAccount) -> bool {
        let Some(discovery) = self.facet(account).filter(|_| self.is_due(account)) else {
            return false;
        };
        let now = self.services.clock.now();
        let slot = self.slot(account.id);
        let Ok(mut last) = timeout(TIMEOUT, slot.lock()).await else { return false };
        if let Some(Attempt { started_at, is_successful }) = *last {
            let age = now - started_at;
            let is_recent = age < if is_successful { MAX_AGE } else { RETRY_AFTER };
            // The caller's row may be older than a result of this process.
            let is_newer = account.discovered_at.is_none_or(|at| at < started_at);
            if is_recent && (is_newer || !is_successful) {
                return is_successful;
            }
        }
        let attempt = self.attempt(account, discovery).await;
        *last = Some(attempt);
        attempt.is_successful
    }

    /// Returns the capability of the account's connector.
    fn facet(&self, account: &IntegratedAccount) -> Option<&dyn Discover> {
        self.services.registry.connector(account.provider).discovery()
    }

    async fn attempt(&self, account: &IntegratedAccount, discovery: &dyn Discover) -> Attempt {
        let started_at = self.services.clock.now();
        let result = Box::pin(self.discover(account, discovery, started_at)).await;
        if let Err(error) = &result {
            tracing::warn!(account = %account.id, %error, "discovery failed");
        }
        Attempt { started_at, is_successful: result.is_ok() }
    }

    async fn discover(
        &self,
        account: &IntegratedAccount,
        discovery: &dyn Discover,
        started_at: OffsetDateTime,
    ) -> Result<(), DiscoveryError> {
        let DiscoveryServices { store, upstream, uses, .. } = &*self.services;
        let unreadable_rows = UnreadableRows::default();
        let cx = CallContext {
            account,
            upstream,
            options: CallOptions {
                wait_until: Instant::now() + MAX_CALL_WAIT,
                priority: Priority::Interactive,
                limit_report: None,
                span: &Span::NONE,
            },
            include_remote: false,
            unreadable_rows: &unreadable_rows,
            usage: UsageContext {
                log: uses,
                source: UsageSource {
                    environment_id: account.environment_id,
                    actor: "discovery",
                    action: "directory.discovered",
                    account_id: account.id,
                    request_id: None,
                },
            },
            call_count: None,
        };
        let found = timeout(TIMEOUT, discovery.discover(&cx)).await;
        let found = found.map_err(|_| DiscoveryError::TimedOut)?;
        let found = found.map_err(|error| DiscoveryError::Connector(Box::new(error)))?;
        let db = store.tenant(account.environment_id);
        db.store_discovery(account.id, &found, started_at).await?;
        Ok(())
    }

    fn slot(&self, account_id: IntegratedAccountId) -> AttemptSlot {
        let mut slots = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= SWEEP_THRESHOLD {
            let now = self.services.clock.now();
            // A locked one is in use, and a failure counts for a while.
            slots.retain(|_, slot| {
                let last = slot.try_lock();
                last.map_or(true, |last| last.is_some_and(|at| now - at.started_at < RETRY_AFTER))
            });
        }
        Arc::clone(slots.entry(account_id).or_default())
    }
}

impl std::fmt::Debug for AccountDiscovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountDiscovery")
    }
}
