//! The database of the program: one that is elsewhere, or the embedded one.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::config;
use crate::embedded::{Cluster, EmbeddedError, Options};
use crate::store::{Deadlines, Keeping, Store};

/// Whether an embedded database that another process runs will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// It must be ours alone: for whoever serves.
    Alone,
    /// It may be another process's: for short commands beside a running gateway.
    Shared,
}

/// A connected database, and the server behind it when we run it.
#[derive(Debug)]
pub struct Database {
    /// The connections.
    pub pool: PgPool,
    deadlines: Deadlines,
    cluster: Option<Cluster>,
}

impl Database {
    /// Connects, and starts the embedded server first when the settings want one. `durable` is for data
    /// that outlives the program.
    ///
    /// # Errors
    ///
    /// When the server can't be started or reached.
    pub async fn open(
        config: &config::Database,
        durable: bool,
        sharing: Sharing,
    ) -> anyhow::Result<Self> {
        let deadlines = deadlines(config);
        if !config.embedded {
            let pool = connect(config, remote(config)?).await?;
            return Ok(Self { pool, deadlines, cluster: None });
        }
        let options = Options { data_dir: config.data_dir.clone(), durable };
        match Cluster::start(options).await {
            Ok(cluster) => {
                let pool = connect(config, cluster.connect_options()).await?;
                Ok(Self { pool, deadlines, cluster: Some(cluster) })
            }
            Err(EmbeddedError::InUse { .. }) if sharing == Sharing::Shared => {
                let options = Cluster::running(&config.data_dir)?;
                let pool = connect(config, options).await?;
                Ok(Self { pool, deadlines, cluster: None })
            }
            Err(error) => Err(error).context("the embedded PostgreSQL did not start"),
        }
    }

    /// Its rows, for short commands.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::with(self.pool.clone(), self.deadlines, Keeping::default())
    }

    /// Connects once, without patience, to a database that is elsewhere: for whoever wants to hear why it
    /// can't be reached.
    ///
    /// # Errors
    ///
    /// When it can't be reached, with the server's own reason.
    pub async fn knock(config: &config::Database) -> anyhow::Result<()> {
        let options = remote(config)?;
        let connecting = PgConnection::connect_with(&options);
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        let connection = connected.context("no answer in 5 s")??;
        Ok(connection.close().await?)
    }

    /// Answers when the embedded server has ended though nobody stopped it; never for another database.
    pub async fn ended(&mut self) {
        match &mut self.cluster {
            Some(cluster) => {
                cluster.ended().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Closes the connections and stops the embedded server.
    pub async fn close(self) {
        // Whoever still holds a connection loses it with the server.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.pool.close()).await;
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// How long anything may take at the database.
pub(super) fn deadlines(config: &config::Database) -> Deadlines {
    let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    Deadlines {
        acquire: seconds(config.acquire_timeout_s),
        statement: seconds(config.statement_timeout_s),
        lock: seconds(config.lock_timeout_s),
    }
}

fn remote(config: &config::Database) -> anyhow::Result<PgConnectOptions> {
    let url = config.url().map_err(anyhow::Error::msg)?;
    url.parse().map_err(|_| anyhow::anyhow!("database.url is no PostgreSQL URL"))
}

async fn connect(config: &config::Database, options: PgConnectOptions) -> anyhow::Result<PgPool> {
    deadlines(config)
        .pool(config.max_connections)
        .connect_with(options)
        .await
        .context("the database can't be reached")
}
