//! Connections to Redis: to one server, or to a cluster.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo as _, RedisError};
use redis::{RedisResult, ScriptInvocation};
use socket2::TcpKeepalive;

/// The maximum number of redirections of a command in a cluster.
const CLUSTER_RETRIES: u32 = 3;

/// The URL of Redis is invalid. The text does not repeat it, because it may hold a password.
#[derive(Debug, thiserror::Error)]
#[error(
    "limits.redis_url: is not a valid Redis URL; write redis://[USER:PASSWORD@]HOST:PORT/NUMBER, or \
     redis+unix:///PATH"
)]
pub struct InvalidRedisUrl;

/// Connects to one Redis URL.
pub(super) struct RedisConnector {
    client: Client,
    timeout: Duration,
    /// Whether a server has redirected a key to another one.
    is_cluster: AtomicBool,
}

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) enum RedisConnection {
    /// To one server.
    Server(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

impl RedisConnector {
    /// Creates a connector for `url`; each connection and command may take `limit`. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When the URL is invalid.
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, InvalidRedisUrl> {
        // The text of the error may repeat the URL.
        let client = open_client(url).map_err(|_| InvalidRedisUrl)?;
        Ok(Self { client, timeout, is_cluster: AtomicBool::new(false) })
    }

    /// Connects to the server, or to every node when it is part of a cluster.
    pub(super) async fn connect(&self) -> Result<RedisConnection, RedisError> {
        let mut server = self.connect_server().await?;
        // `INFO` may be denied; then the first redirection shows it.
        let info = redis::cmd("INFO").arg("cluster").query_async(&mut server).await;
        let info: String = info.unwrap_or_default();
        if !info.contains("cluster_enabled:1") && !self.is_cluster.load(Ordering::SeqCst) {
            return Ok(RedisConnection::Server(server));
        }
        let cluster = ClusterClient::builder([self.client.get_connection_info().clone()])
            .tcp_settings(self.client.get_connection_info().tcp_settings().clone())
            .connection_timeout(self.timeout)
            .response_timeout(self.timeout)
            .overall_response_timeout(Some(self.timeout))
            .retries(CLUSTER_RETRIES)
            .build()?;
        Ok(RedisConnection::Cluster(Box::pin(cluster.get_async_connection()).await?))
    }

    /// Returns the server's `INFO`; empty when the command is denied.
    pub(super) async fn info(&self) -> Result<String, RedisError> {
        let mut server = self.connect_server().await?;
        let info = redis::cmd("INFO").arg("server").query_async(&mut server).await;
        Ok(info.unwrap_or_default())
    }

    /// Records an error: after a redirection the next connection is to the whole cluster.
    pub(super) fn note_error(&self, error: &RedisError) {
        if error.is_cluster_error() {
            self.is_cluster.store(true, Ordering::SeqCst);
        }
    }

    async fn connect_server(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(Some(self.timeout));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// Creates a client whose connections detect a silent peer by TCP keepalive.
fn open_client(url: &str) -> RedisResult<Client> {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(20))
        .with_interval(Duration::from_secs(5))
        .with_retries(3);
    let tcp = TcpSettings::default().set_keepalive(keepalive);
    Client::open(url.into_connection_info()?.set_tcp_settings(tcp))
}

impl RedisConnection {
    /// Runs a script.
    pub(super) async fn invoke<T: FromRedisValue>(
        &mut self,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, RedisError> {
        match self {
            Self::Server(server) => script.invoke_async(server).await,
            Self::Cluster(cluster) => Box::pin(script.invoke_async(cluster)).await,
        }
    }

    /// Whether the server is a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}
