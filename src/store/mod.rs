//! The only SQL. One file an aggregate; a tenant's rows are reached through [`TenantDb`] alone, which
//! is made from the environment of a proven caller and puts that environment into every query.
//!
//! A finder answers `Ok(None)` for a row that isn't there, and for another environment's row as well.

mod account_tokens;
mod accounts;
mod audit;
mod columns;
mod condition;
mod credentials;
mod ending;
mod environments;
mod events;
mod figures;
mod idempotency;
mod key_uses;
mod keys;
mod link_tokens;
mod mappings;
mod provider_apps;
mod refresh_pauses;
mod revocations;
mod rewrap;
mod tenants;
mod warm;

use std::sync::Arc;

use sqlx::PgPool;

pub use account_tokens::{AccountToken, AddedToken, NewAccountToken};
pub use accounts::{AccountFilter, LinkEnd, LinkedAccount};
pub use audit::{AuditEntry, AuditFilter, Audited, UseLog, UsedBy, Using};
pub use condition::{Condition, DatabaseRole, Migrations};
pub use credentials::{Credentials, NewCredentials, RefreshLock, RefreshOutcome};
pub use ending::EndingToken;
pub use environments::Environment;
pub use events::{EventFilter, NewEvent};
pub use idempotency::{Holder, IdempotencyKey, NewClaim, SealedAnswer};
pub use keys::{Caller, NewApiKey, RotatedSecret};
pub use link_tokens::{LinkSession, LinkToken, NewLinkToken, SessionStart};
pub use mappings::MappingFilter;
pub use provider_apps::{NewProviderApp, ProviderApp, ProviderAppLock};
pub use refresh_pauses::RefreshPause;
pub use revocations::Revocation;
pub use rewrap::{KeyUse, KeyedRow, KeyedTable};
pub use warm::{AccountKey, Cache, Change, Keeping};

use self::key_uses::KeyUses;
use self::warm::Warm;
pub use crate::domain::audit::Outcome;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
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
    /// The database can't be reached or didn't answer in time.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
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
            // Class 57: the server is going down or coming up.
            return match database.code() {
                Some(code) if code.starts_with("57P") => Self::Unavailable(error),
                _ => Self::Refused(error),
            };
        }
        let is_away = matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
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
    pool: PgPool,
    warm: Arc<Warm>,
    key_uses: Arc<KeyUses>,
}

impl Store {
    /// The database behind `pool`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self::keeping(pool, Keeping::default())
    }

    /// The database behind `pool`, of which so much is kept in memory. What is kept is used while
    /// [`Store::listen`] runs.
    #[must_use]
    pub fn keeping(pool: PgPool, keeping: Keeping) -> Self {
        Self { pool, warm: Arc::new(Warm::new(keeping)), key_uses: Arc::default() }
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
        TenantDb { pool: self.pool.clone(), environment_id, warm: Arc::clone(&self.warm) }
    }

    /// Closes every connection; what is asked from here on fails.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// The most connections there are at once.
    #[must_use]
    pub fn connections(&self) -> usize {
        usize::try_from(self.pool.options().get_max_connections()).unwrap_or(usize::MAX)
    }

    /// The connections at this moment: in use, idle, the most there may be.
    #[must_use]
    pub fn connections_now(&self) -> (usize, usize, usize) {
        let all = usize::try_from(self.pool.size()).unwrap_or(usize::MAX);
        let idle = self.pool.num_idle();
        (all.saturating_sub(idle), idle, self.connections())
    }

    /// What is kept in memory.
    #[must_use]
    pub fn kept(&self) -> Vec<CacheFigures> {
        self.warm.figures()
    }

    /// Applies the migrations that are missing.
    ///
    /// # Errors
    ///
    /// When the database can't be reached, or was migrated by a newer program.
    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        crate::MIGRATOR.run(&self.pool).await
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
    pool: PgPool,
    environment_id: EnvironmentId,
    warm: Arc<Warm>,
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
