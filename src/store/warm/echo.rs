//! The other end of the feed's proof: numbers, sent on a channel that only one gateway listens to.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Row as _};
use tokio::time::Instant;

/// How old the sending connection may be. A new one leads to where a new connection leads, as those of all
/// other gateways do in the end: after a fail-over, to the new primary.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(3);

/// Sends numbers on a channel of its own, over a connection of its own.
pub(super) struct Echo {
    options: PgConnectOptions,
    channel: String,
    connection: Option<(PgConnection, Instant)>,
    sent: u64,
}

impl Echo {
    /// One that has sent nothing. `name` holds letters and digits.
    pub(super) fn new(options: PgConnectOptions, name: &str) -> Self {
        let channel = format!("switchboard_echo_{name}");
        Self { options, channel, connection: None, sent: 0 }
    }

    /// Where its numbers arrive.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }

    /// Sends the next number. Cancelled or failed, it closes the connection.
    pub(super) async fn send(&mut self) -> Result<u64, sqlx::Error> {
        self.sent += 1;
        let (mut connection, since) = self.connected().await?;
        let notify = format!("NOTIFY {}, '{}'", self.channel, self.sent);
        sqlx::raw_sql(AssertSqlSafe(notify)).execute(&mut connection).await?;
        self.connection = Some((connection, since));
        Ok(self.sent)
    }

    /// Which of the server's processes its statements run in.
    pub(super) async fn backend(&mut self) -> Result<i32, sqlx::Error> {
        let (mut connection, since) = self.connected().await?;
        let backend = backend(&mut connection).await?;
        self.connection = Some((connection, since));
        Ok(backend)
    }

    /// Takes the connection, or a new one when it is too old.
    async fn connected(&mut self) -> Result<(PgConnection, Instant), sqlx::Error> {
        let recent = self.connection.take().filter(|(_, at)| at.elapsed() < MAX_CONNECTION_AGE);
        match recent {
            Some(recent) => Ok(recent),
            None => Ok((PgConnection::connect_with(&self.options).await?, Instant::now())),
        }
    }
}

/// Which of the server's processes a statement runs in.
pub(super) async fn backend(executor: impl sqlx::PgExecutor<'_>) -> Result<i32, sqlx::Error> {
    executor.fetch_one(sqlx::raw_sql("SELECT pg_backend_pid()")).await?.try_get(0)
}
