//! Connections to Redis: to one server, or to a cluster of them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, IntoConnectionInfo as _, RedisError};
use redis::{RedisResult, ScriptInvocation};
use socket2::TcpKeepalive;

/// How often a cluster's connection sends a command to the node that it was redirected to.
const CLUSTER_RETRIES: u32 = 3;

/// An address that is none of a Redis server.
#[derive(Debug, thiserror::Error)]
#[error(
    "limits.redis_url: is no Redis address; write redis://[USER:PASSWORD@]HOST:PORT/NUMBER, or \
     redis+unix:///PATH"
)]
pub struct UnusableUrl;

/// Where Redis is.
pub(super) struct Redis {
    client: Client,
    limit: Duration,
    /// Whether a server has said that others hold some of the keys.
    is_cluster: AtomicBool,
}

/// A connection. Clones are the same one.
#[derive(Clone)]
pub(super) enum RedisConnection {
    /// To one server.
    Server(MultiplexedConnection),
    /// To all nodes of a cluster.
    Cluster(ClusterConnection),
}

impl Redis {
    /// The Redis at `url`, which may take `limit` for anything. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// When the address is invalid.
    pub(super) fn new(url: &str, limit: Duration) -> Result<Self, UnusableUrl> {
        // Its words may repeat the address.
        let client = client(url).map_err(|_| UnusableUrl)?;
        Ok(Self { client, limit, is_cluster: AtomicBool::new(false) })
    }

    /// Connects: to every node, where the server is part of a cluster.
    pub(super) async fn connect(&self) -> Result<RedisConnection, RedisError> {
        let mut server = self.server().await?;
        // Not everybody may ask for it: then the first redirection says so.
        let info = redis::cmd("INFO").arg("cluster").query_async(&mut server).await;
        let info: String = info.unwrap_or_default();
        if !info.contains("cluster_enabled:1") && !self.is_cluster.load(Ordering::SeqCst) {
            return Ok(RedisConnection::Server(server));
        }
        let cluster = ClusterClient::builder([self.client.get_connection_info().clone()])
            .tcp_settings(self.client.get_connection_info().tcp_settings().clone())
            .connection_timeout(self.limit)
            .response_timeout(self.limit)
            .overall_response_timeout(Some(self.limit))
            .retries(CLUSTER_RETRIES)
            .build()?;
        Ok(RedisConnection::Cluster(Box::pin(cluster.get_async_connection()).await?))
    }

    /// What the server at the address says of itself; empty when it doesn't.
    pub(super) async fn info(&self) -> Result<String, RedisError> {
        let mut server = self.server().await?;
        let info = redis::cmd("INFO").arg("server").query_async(&mut server).await;
        Ok(info.unwrap_or_default())
    }

    /// Takes note of an error: the next connection is to the whole cluster when it was a redirection.
    pub(super) fn note(&self, error: &RedisError) {
        if error.is_cluster_error() {
            self.is_cluster.store(true, Ordering::SeqCst);
        }
    }

    async fn server(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.limit))
            .set_response_timeout(Some(self.limit));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }
}

/// A client whose connections notice that Redis is gone without a word.
fn client(url: &str) -> RedisResult<Client> {
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

    /// Whether it is to a cluster.
    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}
