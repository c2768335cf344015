//! The only module that contains SQL, with one file per aggregate. Rows of a tenant are reached through [`TenantDb`]
//! alone: it is created from the environment of an authenticated caller and adds that environment to every query.
//!
//! A finder returns `Ok(None)` both for a missing row and for a row of another environment.

mod account_states;
mod account_stats;
mod account_tokens;
mod accounts;
mod attempt_outcome;
mod audit;
mod cache;
mod caller;
mod change_events;
mod change_logs;
mod change_sources;
mod columns;
mod completed_links;
mod connections;
mod console_counts;
mod console_sessions;
mod created_by;
mod credentials;
mod data_keys;
mod directory;
mod discovery;
mod environments;
mod error;
mod events;
mod expiring_tokens;
mod gateways;
mod grant_revocations;
mod idempotency;
mod jobs;
mod key_last_used;
mod key_uses;
mod keys;
mod link_attempts;
mod link_failures;
mod link_token_list;
mod link_tokens;
mod mappings;
mod own_changes;
mod policies;
mod portal_links;
mod provider_apps;
mod purge;
mod quotas;
mod read_ahead;
mod rechecks;
mod reconciliations;
mod refresh_backoff;
mod refresh_lock;
mod revocation_scope;
mod rule_set_positions;
mod rule_sets;
mod running_query;
mod server_info;
mod stored_response_quota;
mod sync_runs;
mod sync_settings;
mod tenants;
mod unbound_token_pairs;
mod webhooks;

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection, PgPool};

pub use account_tokens::{AccountToken, AccountTokenInsertion, NewAccountToken};
pub use accounts::AccountFilter;
pub use attempt_outcome::AttemptOutcome;
pub use audit::{
    AuditEntry, AuditFilter, AuditedAction, CountedEntry, UsageContext, UsageGuard, UsageLog,
    UsageSource,
};
pub use cache::{AccountKey, CacheConfig, Invalidation, ReadThroughCache};
pub use caller::Caller;
pub use change_events::ChangeSource;
pub use change_logs::{LogRead, NewLogEntry};
pub use change_sources::{ChangeSourceState, SourceLease};
pub use completed_links::{LinkOutcome, LinkedAccount};
pub use connections::DatabaseTimeouts;
pub use console_counts::{
    AttentionCounts, DailyChanges, EventPage, HeldRole, RoleEventPage, RolePlace,
};
pub use console_sessions::{ConsoleSession, ListedConsoleSession, NewConsoleSession};
pub use created_by::CreatedByKey;
pub use credentials::{Credentials, NewCredentials};
pub use data_keys::{KeyedRow, KeyedTable, MasterKeyUsage};
pub use directory::{
    CopyFreshness, CopyQuery, CopyRow, CopySort, LogCauses, MadeBy, MissingObject, NamedObject,
    ObjectChanges, ReferenceRow, UserCriteria, VersionRow,
};
pub use environments::{Environment, NewEnvironment};
pub use error::StoreError;
pub use events::{EventFilter, NewEvent};
pub use expiring_tokens::ExpiringToken;
pub use grant_revocations::GrantRevocation;
pub use idempotency::{ClaimHolder, IdempotencyKey, NewClaim, SealedResponse};
pub use jobs::JobLease;
pub use keys::{NewApiKey, SecretRotation};
pub use link_token_list::LinkTokenSummary;
pub use link_tokens::{LinkSession, LinkToken, NewLinkSession, NewLinkToken, SessionLookup};
pub use mappings::MappingFilter;
pub use own_changes::OwnChangeId;
pub use policies::{
    EvaluatedSubjects, EvaluationLease, EvaluationScope, PeopleFilter, PeoplePage, PeopleReader,
    PeopleRows, PolicyFindings, PolicyLock, ViolationFilter,
};
pub use portal_links::{NewPortalLink, PORTAL_ACCOUNT_CONSTRAINT, PortalSession};
pub use provider_apps::{NewProviderApp, ProviderApp, ProviderAppLock};
pub use read_ahead::{PageSource, ReadAhead};
pub use rechecks::Recheck;
pub use reconciliations::{
    ApplyEnd, ApplyRefused, ApplyRequest, ClaimedPlan, NewReconciliation, NewStep, PlanApproval,
    PlanEnd, ReconciliationFilter, StagedRow, StepEnd, StepFilter, StepWritten, StoredStep,
};
pub use refresh_backoff::RefreshBackoff;
pub use refresh_lock::RefreshLock;
pub use revocation_scope::RevocationScope;
pub use rule_set_positions::{ChangedPeople, RuleSetLease};
pub use rule_sets::RuleSetLock;
pub use running_query::RunningQuery;
pub use server_info::{DatabaseRole, MigrationStatus, ServerInfo};
pub use sync_runs::{ClaimedRun, NewSyncRun, ONE_RUN_CONSTRAINT, PageWritten, RunEnd, RunPage};
pub use unbound_token_pairs::UnboundPair;
pub use webhooks::{
    ClaimLimits, ClaimedWebhook, DeliveryFilter, EventSpan, MAX_REPLAYS, NewReplay, NotReplayable,
    NotResendable, ReplayInProgress, RoundResults, WEBHOOK_ACCOUNT_CONSTRAINT, WebhookLease,
    WebhookLock, WebhookTarget,
};

use self::cache::RowCaches;
use self::connections::TimedPool;
use self::key_last_used::LastUsedBuffer;
use self::quotas::QuotaUsage;
pub use crate::domain::audit::AuditOutcome;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::quota::QuotaLimits;
use crate::telemetry::CacheStats;

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: TimedPool,
    caches: Arc<RowCaches>,
    last_used: Arc<LastUsedBuffer>,
    quotas: Arc<QuotaUsage>,
}

impl Store {
    /// Returns a store on `pool` with the default time-outs and cache configuration.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self::with_config(pool, DatabaseTimeouts::default(), CacheConfig::default())
    }

    /// Returns a store on `pool` that caches rows. The cache is used only while [`Store::listen`] runs.
    #[must_use]
    pub fn with_config(pool: PgPool, timeouts: DatabaseTimeouts, config: CacheConfig) -> Self {
        let pool = TimedPool::new(pool, timeouts);
        let quotas = Arc::new(QuotaUsage::new(QuotaLimits::unlimited()));
        Self { pool, caches: Arc::new(RowCaches::new(config)), last_used: Arc::default(), quotas }
    }

    /// Returns the same store with these quotas.
    #[must_use]
    pub fn with_quotas(self, limits: QuotaLimits) -> Self {
        Self { quotas: Arc::new(QuotaUsage::new(limits)), ..self }
    }

    /// Creates a cache of values derived from an account's rows; a change of the account invalidates them.
    #[must_use]
    pub fn account_cache<V>(&self, name: &'static str) -> Arc<ReadThroughCache<AccountKey, V>>
    where
        V: Clone + Send + Sync + 'static,
    {
        self.caches.account_cache(name)
    }

    /// Returns access to the rows of one environment.
    #[must_use]
    pub fn tenant(&self, environment_id: EnvironmentId) -> TenantDb {
        TenantDb {
            pool: self.pool.clone(),
            environment_id,
            caches: Arc::clone(&self.caches),
            quotas: Arc::clone(&self.quotas),
        }
    }

    /// Closes every connection; later queries fail.
    pub async fn close(&self) {
        self.pool.pool().close().await;
    }

    /// Returns the maximum number of connections.
    #[must_use]
    pub fn max_connections(&self) -> usize {
        usize::try_from(self.pool.pool().options().get_max_connections()).unwrap_or(usize::MAX)
    }

    /// Returns the current number of connections: in use, idle, maximum.
    #[must_use]
    pub fn pool_usage(&self) -> (usize, usize, usize) {
        let all = usize::try_from(self.pool.pool().size()).unwrap_or(usize::MAX);
        let idle = self.pool.pool().num_idle();
        (all.saturating_sub(idle), idle, self.max_connections())
    }

    /// Returns the size and hit rate of each cache.
    #[must_use]
    pub fn cache_stats(&self) -> Vec<CacheStats> {
        self.caches.stats()
    }

    /// Applies pending migrations on a connection without time-outs, because a migration may rewrite a large table.
    ///
    /// # Errors
    ///
    /// When the database is unreachable or was migrated by a newer program.
    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        let mut connection = PgConnection::connect_with(&self.pool.connect_options()).await?;
        crate::MIGRATOR.run(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Returns whether every migration is applied.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        // The table is sqlx's own, created by the first migration run, so the query can't be checked at build time.
        let applied: i64 =
            sqlx::query_scalar("SELECT count(*) FROM _sqlx_migrations WHERE success")
                .fetch_one(&self.pool)
                .await?;
        Ok(usize::try_from(applied).is_ok_and(|applied| applied >= crate::MIGRATOR.iter().count()))
    }
}

/// The rows of one environment.
#[derive(Debug, Clone)]
pub struct TenantDb {
    pool: TimedPool,
    environment_id: EnvironmentId,
    caches: Arc<RowCaches>,
    quotas: Arc<QuotaUsage>,
}

impl TenantDb {
    /// Returns the environment of these rows.
    #[must_use]
    pub fn environment_id(&self) -> EnvironmentId {
        self.environment_id
    }

    /// Invalidates the cached rows of an account that was changed or found to be outdated.
    pub fn invalidate_account(&self, id: IntegratedAccountId) {
        self.caches.invalidate(&Invalidation::Account(self.environment_id, id));
    }
}
