//! Sends numbers on a channel that only this gateway listens to, to prove that notifications are delivered.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::time::Instant;

/// Maximum age of the sending connection. After a fail-over a new connection leads to the new primary, as those of all
/// other gateways do.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(3);

/// Sender of numbers on its own channel, over its own connection.
pub(super) struct Echo {
    options: PgConnectOptions,
    channel: String,
    connection: Option<(PgConnection, Instant)>,
    sent: u64,
}

impl Echo {
    /// Creates a sender. `name` consists of letters and digits.
    pub(super) fn new(options: PgConnectOptions, name: &str) -> Self {
        let channel = format!("switchboard_echo_{name}");
        Self { options, channel, connection: None, sent: 0 }
    }

    /// Returns the channel on which its numbers arrive.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Sends the next number. The connection is closed if this fails or is cancelled.
    pub(super) async fn send(&mut self) -> Result<u64, sqlx::Error> {
        self.sent += 1;
        let (mut connection, since) = self.connection().await?;
        let notify = format!("NOTIFY {}, '{}'", self.channel, self.sent);
        sqlx::raw_sql(AssertSqlSafe(notify)).execute(&mut connection).await?;
        self.connection = Some((connection, since));
        Ok(self.sent)
    }

    /// Returns the process id of the server process behind its connection.
    pub(super) async fn backend(&mut self) -> Result<i32, sqlx::Error> {
        let (mut connection, since) = self.connection().await?;
        let backend = backend(&mut connection).await?;
        self.connection = Some((connection, since));
        Ok(backend)
    }

    /// Returns the connection, or a new one when it is too old.
    async fn connection(&mut self) -> Result<(PgConnection, Instant), sqlx::Error> {
        let recent = self.connection.take().filter(|(_, at)| at.elapsed() < MAX_CONNECTION_AGE);
        match recent {
            Some(recent) => Ok(recent),
            None => Ok((PgConnection::connect_with(&self.options).await?, Instant::now())),
        }
    }
}

/// Returns the process id of the server process that runs a statement.
pub(super) async fn backend(executor: impl sqlx::PgExecutor<'_>) -> Result<i32, sqlx::Error> {
    executor.fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()")).await?.try_get(0)
}
