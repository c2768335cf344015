//! Connections to PostgreSQL on which nothing takes longer than its deadline. A host that vanishes without
//! closing its connections sends neither a result nor an error: the server's own limits don't help against
//! that, so each statement has a deadline on both sides, and a connection that missed one is closed.
//!
//! Until it is proven that each connection is a session of its own, statements have no names and each runs in a
//! transaction: a pooler that lends connections by the transaction mixes up everything else.

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

use self::statement::Statement;

/// How much longer than the server we wait for the end of a statement, so that its own error arrives first.
const GRACE: Duration = Duration::from_secs(1);
/// How long an idle connection may take to show that it works before another is opened in its place.
const CHECK_LIMIT: Duration = Duration::from_secs(1);
/// How long a transaction may rest between two statements. A refresh holds one while the provider is asked.
const IDLE_IN_TRANSACTION: Duration = Duration::from_mins(5);

/// How long anything may take at the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadlines {
    /// How long a statement waits for a connection.
    pub acquire: Duration,
    /// How long a statement runs.
    pub statement: Duration,
    /// How long a statement waits for a lock; less than it may run.
    pub lock: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        let (acquire, lock) = (Duration::from_secs(5), Duration::from_secs(5));
        Self { acquire, statement: Duration::from_secs(10), lock }
    }
}

impl Deadlines {
    /// For work in the background on many rows, which disturbs no caller by running long.
    pub(super) const MAINTENANCE: Self = Self {
        acquire: Duration::from_secs(5),
        statement: Duration::from_mins(5),
        lock: Duration::from_mins(1),
    };

    /// Options for up to `max_connections` connections on which the server observes these deadlines, too,
    /// and notices that we have vanished.
    #[must_use]
    pub fn pool(self, max_connections: u32) -> PgPoolOptions {
        let session = format!(
            "SET statement_timeout = {}; SET lock_timeout = {}; \
             SET idle_in_transaction_session_timeout = {}; SET tcp_keepalives_idle = 30; \
             SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3; \
             SET tcp_user_timeout = 60000",
            self.statement.as_millis(),
            self.lock.as_millis(),
            IDLE_IN_TRANSACTION.as_millis(),
        );
        let check = CHECK_LIMIT.min(self.acquire / 4);
        PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(self.acquire)
            // Ours has a limit.
            .test_before_acquire(false)
            .before_acquire(move |connection, _| {
                async move { Ok(matches!(timeout(check, connection.ping()).await, Ok(Ok(())))) }
                    .boxed()
            })
            // Not by the options of the startup message: poolers refuse those.
            .after_connect(move |connection, _| {
                let session = session.clone();
                async move {
                    let set = sqlx::raw_sql(AssertSqlSafe(session)).execute(connection);
                    in_time(self.client_side(), set).await.map(|_| ())
                }
                .boxed()
            })
    }

    /// How long we wait for the end of a statement.
    fn client_side(self) -> Duration {
        self.statement + GRACE
    }

    /// The statement that begins a transaction.
    fn begin(self) -> String {
        format!(
            "BEGIN; SET LOCAL statement_timeout = {}; SET LOCAL lock_timeout = {}",
            self.statement.as_millis(),
            self.lock.as_millis(),
        )
    }
}

/// A pool on which every statement has a deadline.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    pool: PgPool,
    deadlines: Deadlines,
    /// Whether each connection is known to be a session of its own.
    has_sessions: Arc<AtomicBool>,
}

impl Connections {
    /// Those of `pool`.
    pub(super) fn new(pool: PgPool, deadlines: Deadlines) -> Self {
        Self { pool, deadlines, has_sessions: Arc::default() }
    }

    /// Whether each connection is a session of its own, as it was found out.
    pub(super) fn set_has_sessions(&self, has_sessions: bool) {
        self.has_sessions.store(has_sessions, Ordering::Relaxed);
    }

    /// The pool itself, to look at.
    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// How to open one more connection.
    pub(super) fn connect_options(&self) -> PgConnectOptions {
        (*self.pool.connect_options()).clone()
    }

    /// Begins a transaction.
    pub(super) async fn begin(&self) -> Result<Transaction, Error> {
        self.begin_within(self.deadlines).await
    }

    /// Begins a transaction whose statements have other deadlines.
    pub(super) async fn begin_within(&self, deadlines: Deadlines) -> Result<Transaction, Error> {
        let mut connection = self.acquire(deadlines).await?;
        connection.begin(deadlines).await?;
        Ok(Transaction(connection))
    }

    /// Whether the database answers within `limit`.
    pub(super) async fn is_reachable(&self, limit: Duration) -> bool {
        let ask = async { sqlx::raw_sql("SELECT 1").execute(self).await };
        matches!(timeout(limit, ask).await, Ok(Ok(_)))
    }

    async fn acquire(&self, deadlines: Deadlines) -> Result<Connection, Error> {
        let acquired = timeout(deadlines.acquire, self.pool.acquire()).await;
        let inner = Some(acquired.unwrap_or(Err(Error::PoolTimedOut))?);
        let is_session = self.has_sessions.load(Ordering::Relaxed);
        let limit = deadlines.client_side();
        Ok(Connection { inner, limit, is_session, is_in_transaction: false })
    }

    /// A connection for one statement.
    async fn acquire_for_one(&self) -> Result<Connection, Error> {
        let mut connection = self.acquire(self.deadlines).await?;
        if !connection.is_session {
            connection.begin(self.deadlines).await?;
        }
        Ok(connection)
    }
}

/// A transaction; it is rolled back when it is dropped without a commit.
#[derive(Debug)]
pub(super) struct Transaction(Connection);

impl Transaction {
    /// Ends it and makes its changes last.
    pub(super) async fn commit(self) -> Result<(), Error> {
        self.0.commit().await
    }
}

impl std::ops::Deref for Transaction {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl std::ops::DerefMut for Transaction {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.0
    }
}

/// A connection of the pool, taken for a while.
#[derive(Debug)]
pub(super) struct Connection {
    /// `None` once it was closed.
    inner: Option<PoolConnection<Postgres>>,
    limit: Duration,
    is_session: bool,
    is_in_transaction: bool,
}

impl Connection {
    async fn begin(&mut self, deadlines: Deadlines) -> Result<(), Error> {
        self.is_in_transaction = true;
        sqlx::raw_sql(AssertSqlSafe(deadlines.begin())).execute(self).await.map(|_| ())
    }

    /// Ends the transaction, if one was begun, and makes its changes last.
    async fn commit(mut self) -> Result<(), Error> {
        if self.is_in_transaction {
            sqlx::raw_sql("COMMIT").execute(&mut self).await?;
            self.is_in_transaction = false;
        }
        Ok(())
    }

    fn statement<E>(&self, query: E) -> Statement<E> {
        Statement { query, may_have_name: self.is_session }
    }

    /// The connection that is behind it, unless it was closed.
    fn inner(&mut self) -> Result<&mut PgConnection, Error> {
        self.inner.as_deref_mut().ok_or(Error::WorkerCrashed)
    }

    /// Closes the connection when an error says that it is of no use.
    fn settle<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &result
            && is_lost(error)
            && let Some(connection) = self.inner.take()
        {
            drop(connection.detach());
        }
        result
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let connection = Returning(self.inner.take());
        if let Ok(runtime) = Handle::try_current()
            && connection.0.is_some()
        {
            runtime.spawn(give_back(connection, self.is_in_transaction, self.limit));
        }
    }
}

/// A connection on its way back to the pool. Dropped on the way it is closed: the pool would wait for it.
struct Returning(Option<PoolConnection<Postgres>>);

impl Drop for Returning {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(connection.detach());
        }
    }
}

/// Brings a connection back to the pool, within a limit: the pool's own way waits without end for a host
/// that is silent, and nobody else can have the place meanwhile.
async fn give_back(mut returning: Returning, rolls_back: bool, limit: Duration) {
    let Some(connection) = returning.0.as_mut() else { return };
    if rolls_back {
        let rollback = sqlx::raw_sql("ROLLBACK").execute(&mut **connection);
        if in_time(limit, rollback).await.is_err() {
            return;
        }
    }
    // From here on the pool's own future holds the connection, and closes it when it is dropped.
    let returned = returning.0.take().map(|mut connection| connection.return_to_pool());
    if let Some(returned) = returned {
        let _ = timeout(limit, returned).await;
    }
}

async fn in_time<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let missed = || Err(Error::Io(std::io::ErrorKind::TimedOut.into()));
    timeout(limit, work).await.unwrap_or_else(|_| missed())
}

/// Whether the connection is of no use after this error: it broke, its server takes no changes any more, or
/// names of statements are not where we prepared them.
fn is_lost(error: &Error) -> bool {
    if let Error::Database(error) = error {
        return error.code().is_some_and(|code| {
            code.starts_with("57P") || matches!(&*code, "25006" | "26000" | "42P05")
        });
    }
    matches!(error, Error::Io(_) | Error::Tls(_) | Error::Protocol(_) | Error::WorkerCrashed)
}
