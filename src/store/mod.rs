//! The only SQL. One file an aggregate; a tenant's rows are reached through [`TenantDb`] alone, which
//! is made from the environment of a proven caller and puts that environment into every query.
//!
//! A finder answers `Ok(None)` for a row that isn't there, and for another environment's row as well.

mod account_states;
mod account_tokens;
mod accounts;
mod audit;
mod columns;
mod completed_links;
mod condition;
mod connections;
mod credentials;
mod ending;
mod environments;
mod events;
mod figures;
mod gateways;
mod idempotency;
mod key_uses;
mod keys;
mod link_attempts;
mod link_failures;
mod link_tokens;
mod made_ends;
mod made_links;
mod makers;
mod mappings;
mod provider_apps;
mod purge;
mod quotas;
mod refresh_outcome;
mod refresh_pauses;
mod revocations;
mod rewrap;
mod tenants;
mod unbound_pairs;
mod warm;

use std::sync::Arc;

use sqlx::{Connection as _, PgConnection, PgPool};

pub use account_tokens::{AccountToken, AddedToken, NewAccountToken};
pub use accounts::AccountFilter;
pub use audit::{AuditEntry, AuditFilter, Audited, Noted, UseLog, UsedBy, Using};
pub use completed_links::{LinkEnd, LinkedAccount};
pub use condition::{Condition, DatabaseRole, Migrations};
pub use connections::Deadlines;
pub use credentials::{Credentials, NewCredentials, RefreshLock};
pub use ending::EndingToken;
pub use environments::{Environment, NewEnvironment};
pub use events::{EventFilter, NewEvent};
pub use idempotency::{Holder, IdempotencyKey, NewClaim, SealedAnswer};
pub use keys::{Caller, NewApiKey, RotatedSecret};
pub use link_tokens::{LinkSession, LinkToken, NewLinkToken, Return, SessionStart};
pub use made_ends::EndMade;
pub use made_links::ListedLinkToken;
pub use makers::Made;
pub use mappings::MappingFilter;
pub use provider_apps::{NewProviderApp, ProviderApp, ProviderAppLock};
pub use refresh_outcome::RefreshOutcome;
pub use refresh_pauses::RefreshPause;
pub use revocations::Revocation;
pub use rewrap::{KeyUse, KeyedRow, KeyedTable};
pub use unbound_pairs::UnboundPair;
pub use warm::{AccountKey, Cache, Change, Keeping};

use self::connections::Connections;
use self::key_uses::KeyUses;
use self::quotas::Quotas;
use self::warm::Warm;
pub use crate::domain::audit::Outcome;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::quota::{Quota, QuotaLimits};
use crate::telemetry::CacheFigures;

/// What can go wrong between us and the database.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A row like this is there already.
    #[error("constraint {0} is violated")]
    Conflict(String),
    /// A row holds what this program never writes.
    #[error("inconsistent value in {table}.{column}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The environment has as many rows of a kind as it may have.
    #[error("the quota {} is used up: {most}", quota.name())]
    QuotaExceeded {
        /// Of what.
        quota: Quota,
        /// How many it may have.
        most: i64,
    },
    /// The database can't be reached or didn't answer in time.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// The database is reachable and did not finish a statement in time: it waited for a lock, ran for too
    /// long, or got into a deadlock. The same statement may succeed later.
    #[error("the database did not finish a statement in time")]
    Busy(#[source] sqlx::Error),
    /// The database refused a statement.
    #[error("the database refused a statement")]
    Refused(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if let sqlx::Error::Database(database) = &error {
            if let Some(constraint) = database.constraint() {
                return Self::Conflict(constraint.to_owned());
            }
            return match database.code().as_deref() {
                // The server is going down or coming up, has no room for more, or takes no changes since it
                // was demoted.
                Some(code)
                    if code.starts_with("57P") || code.starts_with("53") || code == "25006" =>
                {
                    Self::Unavailable(error)
                }
                // Lock not available, query canceled, deadlock detected, serialization failure.
                Some("55P03" | "57014" | "40P01" | "40001") => Self::Busy(error),
                _ => Self::Refused(error),
            };
        }
        let is_away = matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        );
        if is_away { Self::Unavailable(error) } else { Self::Refused(error) }
    }
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Connections,
    warm: Arc<Warm>,
    key_uses: Arc<KeyUses>,
    quotas: Arc<Quotas>,
}

impl Store {
    /// The database behind `pool`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self::with(pool, Deadlines::default(), Keeping::default())
    }

    /// The database behind `pool`, with a cache of its rows. The cache is used while [`Store::listen`] runs.
    #[must_use]
    pub fn with(pool: PgPool, deadlines: Deadlines, keeping: Keeping) -> Self {
        let pool = Connections::new(pool, deadlines);
        let quotas = Arc::new(Quotas::new(QuotaLimits::none()));
        Self { pool, warm: Arc::new(Warm::new(keeping)), key_uses: Arc::default(), quotas }
    }

    /// The same database with limits of what an environment may have.
    #[must_use]
    pub fn with_quotas(self, limits: QuotaLimits) -> Self {
        Self { quotas: Arc::new(Quotas::new(limits)), ..self }
    }

    /// A cache of something that is made of an account's rows: it is forgotten when they change.
    #[must_use]
    pub fn cache_of_accounts<V>(&self, name: &'static str) -> Arc<Cache<AccountKey, V>>
    where
        V: Clone + Send + Sync + 'static,
    {
        self.warm.of_accounts(name)
    }

    /// The rows of one environment.
    #[must_use]
    pub fn tenant(&self, environment_id: EnvironmentId) -> TenantDb {
        let (warm, quotas) = (Arc::clone(&self.warm), Arc::clone(&self.quotas));
        TenantDb { pool: self.pool.clone(), environment_id, warm, quotas }
    }

    /// Closes every connection; what is asked from here on fails.
    pub async fn close(&self) {
        self.pool.pool().close().await;
    }

    /// The most connections there are at once.
    #[must_use]
    pub fn connections(&self) -> usize {
        usize::try_from(self.pool.pool().options().get_max_connections()).unwrap_or(usize::MAX)
    }

    /// The connections at this moment: in use, idle, the most there may be.
    #[must_use]
    pub fn connections_now(&self) -> (usize, usize, usize) {
        let all = usize::try_from(self.pool.pool().size()).unwrap_or(usize::MAX);
        let idle = self.pool.pool().num_idle();
        (all.saturating_sub(idle), idle, self.connections())
    }

    /// What is kept in memory.
    #[must_use]
    pub fn kept(&self) -> Vec<CacheFigures> {
        self.warm.figures()
    }

    /// Applies the migrations that are missing, on a connection without deadlines: a migration may rewrite a
    /// large table.
    ///
    /// # Errors
    ///
    /// When the database can't be reached, or was migrated by a newer program.
    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        let mut connection = PgConnection::connect_with(&self.pool.connect_options()).await?;
        crate::MIGRATOR.run(&mut connection).await?;
        Ok(connection.close().await?)
    }

    /// Whether the database answers and has every migration.
    ///
    /// # Errors
    ///
    /// When it doesn't answer.
    pub async fn is_migrated(&self) -> Result<bool, StoreError> {
        // The table is sqlx's own, made by the first migration run: not there to check the query with.
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
    pool: Connections,
    environment_id: EnvironmentId,
    warm: Arc<Warm>,
    quotas: Arc<Quotas>,
}

impl TenantDb {
    /// Whose rows these are.
    #[must_use]
    pub fn environment_id(&self) -> EnvironmentId {
        self.environment_id
    }

    /// Forgets what is kept of an account: it was changed, or turned out to be out of date.
    pub fn forget_account(&self, id: IntegratedAccountId) {
        self.warm.hear(&Change::Account(self.environment_id, id));
    }
}
