//! Connections to PostgreSQL with a time-out for every operation. A host that vanishes without closing its connections
//! sends neither a result nor an error, and the server's own time-outs don't help. So each statement has a time-out on
//! both sides, and a connection that exceeded one is closed.
//!
//! Until each connection is known to be a session of its own, statements are unnamed and each runs in a transaction:
//! a pooler in transaction mode breaks anything else.

mod executor;
mod statement;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions, Postgres};
use sqlx::{AssertSqlSafe, Connection as _, Error};
use tokio::runtime::Handle;
use tokio::time::timeout;

use self::statement::MaybeNamed;

/// How much longer than the server we wait for the end of a statement, so that the server's error arrives first.
const CLIENT_GRACE: Duration = Duration::from_secs(1);
/// Maximum time for an idle connection to respond before another is opened.
const PING_TIMEOUT: Duration = Duration::from_secs(1);
/// Maximum idle time within a transaction. A refresh holds one during its request to the provider.
const IDLE_IN_TRANSACTION_TIMEOUT: Duration = Duration::from_mins(5);

/// Time-outs of database operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DatabaseTimeouts {
    /// Maximum wait for a connection.
    pub acquire: Duration,
    /// Maximum duration of a statement.
    pub statement: Duration,
    /// Maximum wait for a lock; less than the statement's duration.
    pub lock: Duration,
}

impl Default for DatabaseTimeouts {
    fn default() -> Self {
        let (acquire, lock) = (Duration::from_secs(5), Duration::from_secs(5));
        Self { acquire, statement: Duration::from_secs(10), lock }
    }
}

impl DatabaseTimeouts {
    /// For background work on many rows, where a long duration delays no caller.
    pub(super) const MAINTENANCE: Self = Self {
        acquire: Duration::from_secs(5),
        statement: Duration::from_mins(5),
        lock: Duration::from_mins(1),
    };

    /// Returns options of a pool with up to `max_connections` connections, on which the server enforces these time-outs
    /// too and detects a vanished client.
    #[must_use]
    pub fn pool(self, max_connections: u32) -> PgPoolOptions {
        let session = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}; SET tcp_keepalives_idle = 30; \
             SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; \
             SET tcp_user_timeout = 60000",
            self.statement.as_millis(),
            self.lock.as_millis(),
            IDLE_IN_TRANSACTION_TIMEOUT.as_millis(),
        );
        let check = PING_TIMEOUT.min(self.acquire / 4);
        PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(self.acquire)
            // `before_acquire` below has a time-out.
            .test_before_acquire(false)
            .before_acquire(move |connection, _| {
                async move { Ok(matches!(timeout(check, connection.ping()).await, Ok(Ok(())))) }
                    .boxed()
            })
            // Not in the startup message: poolers reject such options.
            .after_connect(move |connection, _| {
                let session = session.clone();
                async move {
                    let set = sqlx::raw_sql(AssertSqlSafe(session)).execute(connection);
                    within_timeout(self.client_timeout(), set).await.map(|_| ())
                }
                .boxed()
            })
    }

    /// Returns how long we wait for the end of a statement.
    fn client_timeout(self) -> Duration {
        self.statement + CLIENT_GRACE
    }

    /// Returns the statements that begin a transaction.
    fn begin_sql(self) -> String {
        format!(
            "BEGIN; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
            self.statement.as_millis(),
            self.lock.as_millis(),
        )
    }
}

/// A pool with a time-out for every statement.
#[derive(Debug, Clone)]
pub(super) struct TimedPool {
    pool: PgPool,
    timeouts: DatabaseTimeouts,
    /// Whether each connection is known to be a session of its own.
    has_sessions: Arc<AtomicBool>,
}

impl TimedPool {
    /// Wraps `pool`.
    pub(super) fn new(pool: PgPool, deadlines: DatabaseTimeouts) -> Self {
        Self { pool, timeouts: deadlines, has_sessions: Arc::default() }
    }

    /// Sets whether each connection is known to be a session of its own.
    pub(super) fn set_has_sessions(&self, has_sessions: bool) {
        self.has_sessions.store(has_sessions, Ordering::Relaxed);
    }

    /// Returns the pool, for statistics.
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Returns the options to open a separate connection.
    pub(super) fn connect_options(&self) -> PgConnectOptions {
        (*self.pool.connect_options()).clone()
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<Transaction, Error> {
        self.begin_within(self.timeouts).await
    }

    /// Begins a transaction with other time-outs.
    pub(super) async fn begin_within(
        &self,
        deadlines: DatabaseTimeouts,
    ) -> Result<Transaction, Error> {
        let mut connection = self.acquire(deadlines).await?;
        connection.begin(deadlines).await?;
        Ok(Transaction(connection))
    }

    /// Returns whether the database responds within `limit`.
    pub(super) async fn is_reachable(&self, limit: Duration) -> bool {
        let ask = async { sqlx::raw_sql("SELECT 1").execute(self).await };
        matches!(timeout(limit, ask).await, Ok(Ok(_)))
    }

    async fn acquire(&self, deadlines: DatabaseTimeouts) -> Result<TimedConnection, Error> {
        let acquired = timeout(deadlines.acquire, self.pool.acquire()).await;
        let inner = Some(acquired.unwrap_or(Err(Error::PoolTimedOut))?);
        let is_session = self.has_sessions.load(Ordering::Relaxed);
        let limit = deadlines.client_timeout();
        Ok(TimedConnection {
            inner,
            timeout: limit,
            has_session: is_session,
            is_in_transaction: false,
        })
    }

    /// Acquires a connection for one statement.
    async fn acquire_for_statement(&self) -> Result<TimedConnection, Error> {
        let mut connection = self.acquire(self.timeouts).await?;
        if !connection.has_session {
            connection.begin(self.timeouts).await?;
        }
        Ok(connection)
    }
}

/// A transaction; dropped without a commit it is rolled back.
#[derive(Debug)]
pub(super) struct Transaction(TimedConnection);

impl Transaction {
    /// Commits its changes.
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.0.commit().await
    }
}

impl std::ops::Deref for Transaction {
    type Target = TimedConnection;

    fn deref(&self) -> &TimedConnection {
        &self.0
    }
}

impl std::ops::DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut TimedConnection {
        &mut self.0
    }
}

/// A connection acquired from the pool.
#[derive(Debug)]
pub(super) struct TimedConnection {
    /// `None` after it was closed.
    inner: Option<PoolConnection<Postgres>>,
    timeout: Duration,
    has_session: bool,
    is_in_transaction: bool,
}

impl TimedConnection {
    async fn begin(&mut self, deadlines: DatabaseTimeouts) -> Result<(), Error> {
        self.is_in_transaction = true;
        sqlx::raw_sql(AssertSqlSafe(deadlines.begin_sql())).execute(self).await.map(|_| ())
    }

    /// Commits the transaction, if one was begun.
    async fn commit(mut self) -> Result<(), Error> {
        if self.is_in_transaction {
            sqlx::raw_sql("COMMIT").execute(&mut self).await?;
            self.is_in_transaction = false;
        }
        Ok(())
    }

    fn statement<E>(&self, query: E) -> MaybeNamed<E> {
        MaybeNamed { query, may_be_named: self.has_session }
    }

    /// Returns the underlying connection, unless it was closed.
    fn inner(&mut self) -> Result<&mut PgConnection, Error> {
        self.inner.as_deref_mut().ok_or(Error::WorkerCrashed)
    }

    /// Closes the connection if the error shows that it is unusable.
    fn close_if_unusable<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result
            && is_unusable(error)
            && let Some(connection) = self.inner.take()
        {
            drop(connection.detach());
        }
        result
    }
}

impl Drop for TimedConnection {
    fn drop(&mut self) {
        let connection = ReturnGuard(self.inner.take());
        if let Ok(runtime) = Handle::try_current()
            && connection.0.is_some()
        {
            runtime.spawn(return_to_pool(connection, self.is_in_transaction, self.timeout));
        }
    }
}

/// A connection being returned to the pool. Dropped before that it is closed: the pool would wait for it.
struct ReturnGuard(Option<PoolConnection<Postgres>>);

impl Drop for ReturnGuard {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Returns a connection to the pool within a time limit: the pool's own way waits forever for a silent host and blocks
/// its slot meanwhile.
async fn return_to_pool(mut returning: ReturnGuard, rolls_back: bool, limit: Duration) {
    let Some(connection) = returning.0.as_mut() else { return };
    if rolls_back {
        let rollback = sqlx::raw_sql("ROLLBACK").execute(&mut **connection);
        if within_timeout(limit, rollback).await.is_err() {
            return;
        }
    }
    // From here on the pool's future owns the connection and closes it when dropped.
    let returned = returning.0.take().map(|mut connection| connection.return_to_pool());
    if let Some(returned) = returned {
        let _ = timeout(limit, returned).await;
    }
}

async fn within_timeout<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let missed = || Err(Error::Io(std::io::ErrorKind::TimedOut.into()));
    timeout(limit, work).await.unwrap_or_else(|_| missed())
}

/// Returns whether the connection is unusable after this error: it broke, its server became read-only, or prepared
/// statements are missing.
fn is_unusable(error: &Error) -> bool {
    if let Error::Database(error) = error {
        return error.code().is_some_and(|code| {
            code.starts_with("57P") || matches!(&*code, "25006" | "26000" | "42P05")
        });
    }
    matches!(error, Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed)
}
