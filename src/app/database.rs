//! Opens the database: a remote server, or the embedded one.

use std::time::Duration;

use anyhow::Context as _;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection, PgPool};

use crate::config;
use crate::embedded::{Cluster, EmbeddedError, EmbeddedOptions};
use crate::store::{CacheConfig, DatabaseTimeouts, Store};

/// Maximum time to close the connections to a remote server, which may no longer respond.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// The same for the embedded server: a cancelled statement ends before its connection is closed.
const EMBEDDED_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether an embedded server of another process may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusivity {
    /// No: a gateway needs it exclusively.
    Exclusive,
    /// Yes: short commands may run beside a gateway.
    Shared,
}

/// A connected database, and the embedded server if this process runs it.
#[derive(Debug)]
pub struct Database {
    /// The connections.
    pub pool: PgPool,
    deadlines: DatabaseTimeouts,
    cluster: Option<Cluster>,
}

impl Database {
    /// Connects, and starts the embedded server first if the settings enable it. `durable`: data survives the process.
    ///
    /// # Errors
    ///
    /// When the server can't be started or reached.
    pub async fn open(
        config: &config::DatabaseSettings,
        durable: bool,
        sharing: Exclusivity,
    ) -> anyhow::Result<Self> {
        let deadlines = deadlines(config);
        if !config.embedded {
            let pool = connect(config, remote(config)?).await?;
            return Ok(Self { pool, deadlines, cluster: None });
        }
        let options = EmbeddedOptions { data_dir: config.data_dir.clone(), durable };
        match Cluster::start(options).await {
            Ok(cluster) => {
                let pool = connect(config, cluster.connect_options()).await?;
                Ok(Self { pool, deadlines, cluster: Some(cluster) })
            }
            Err(EmbeddedError::InUse { .. }) if sharing == Exclusivity::Shared => {
                let options = Cluster::running(&config.data_dir)?;
                let pool = connect(config, options).await?;
                Ok(Self { pool, deadlines, cluster: None })
            }
            Err(error) => Err(error).context("the embedded PostgreSQL did not start"),
        }
    }

    /// Returns a store without caches, for short commands.
    #[must_use]
    pub fn store(&self) -> Store {
        Store::with_config(self.pool.clone(), self.deadlines, CacheConfig::default())
    }

    /// Connects once to a remote database, without retries, to report why it is unreachable.
    ///
    /// # Errors
    ///
    /// When it can't be reached, with the server's reason.
    pub async fn ping(config: &config::DatabaseSettings) -> anyhow::Result<()> {
        let options = remote(config)?;
        let connecting = PgConnection::connect_with(&options);
        let connected = tokio::time::timeout(Duration::from_secs(5), connecting).await;
        let connection = connected.context("no response in 5 s")??;
        Ok(connection.close().await?)
    }

    /// Returns when the embedded server has exited unexpectedly; never for a remote database.
    pub async fn embedded_exited(&mut self) {
        match &mut self.cluster {
            Some(cluster) => {
                cluster.wait_for_exit().await;
            }
            None => std::future::pending().await,
        }
    }

    /// Closes the connections and stops the embedded server.
    pub async fn close(self) {
        // Connections still in use are lost with the server.
        let limit = if self.cluster.is_some() { EMBEDDED_CLOSE_TIMEOUT } else { CLOSE_TIMEOUT };
        let _ = tokio::time::timeout(limit, self.pool.close()).await;
        if let Some(cluster) = self.cluster {
            cluster.stop().await;
        }
    }
}

/// Returns the timeouts of the database.
pub(super) fn deadlines(config: &config::DatabaseSettings) -> DatabaseTimeouts {
    let seconds = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
    DatabaseTimeouts {
        acquire: seconds(config.acquire_timeout_s),
        statement: seconds(config.statement_timeout_s),
        lock: seconds(config.lock_timeout_s),
    }
}

fn remote(config: &config::DatabaseSettings) -> anyhow::Result<PgConnectOptions> {
    let url = config.url().map_err(anyhow::Error::msg)?;
    url.parse().map_err(|_| anyhow::anyhow!("database.url is not a PostgreSQL URL"))
}

async fn connect(
    config: &config::DatabaseSettings,
    options: PgConnectOptions,
) -> anyhow::Result<PgPool> {
    deadlines(config)
        .pool(config.max_connections)
        .connect_with(options)
        .await
        .context("the database can't be reached")
}
