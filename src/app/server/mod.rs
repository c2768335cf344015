//! The HTTP server: accepts connections and dispatches each to the worker with the fewest.
//!
//! A worker does the I/O of its callers and of its own connections to providers, so a raw call never waits for
//! another thread; computation runs on the main runtime ([`HttpService`]).

mod connection;
mod cpu_affinity;
mod slow_reader;
mod tls;
mod workers;
mod write_timeout;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use self::connection::ConnectionConfig;
use self::connection::ServerConnection;
pub(super) use self::workers::Workers;
use crate::http::HttpService;
use crate::telemetry::Metrics;

/// The pause after a failed `accept`, mostly for lack of file descriptors.
const ACCEPT_ERROR_PAUSE: Duration = Duration::from_millis(100);

/// TCP keepalive, which detects a peer that disappeared without closing the connection.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_mins(1))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// Where connections are served.
pub(super) enum ConnectionExecutor {
    /// On the current runtime.
    Current(Arc<HttpService>),
    /// On worker threads.
    Workers(Workers),
}

/// Accepts connections until `stop`, then finishes the running requests. Dropping it interrupts them.
pub(super) async fn serve(
    listener: TcpListener,
    executor: &ConnectionExecutor,
    config: ConnectionConfig,
    metrics: &Metrics,
    stop: CancellationToken,
) {
    let config = Arc::new(config);
    let permits = Arc::new(Semaphore::new(config.max_connections));
    let connections = TaskTracker::new();
    while let Some((stream, permit)) = accept(&listener, &permits, &stop).await {
        let (config, stop, open_connection) =
            (Arc::clone(&config), stop.clone(), metrics.open_connection());
        let connection = ServerConnection { stream, permit, config, stop, open_connection };
        match executor {
            ConnectionExecutor::Current(service) => {
                drop(connections.spawn(connection.serve(Arc::clone(service))));
            }
            ConnectionExecutor::Workers(workers) => workers.dispatch(connection, &connections),
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// Returns the next connection and its permit; `None` after `stop`.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(std::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    loop {
        let accepted = async {
            let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
            Ok::<_, io::Error>((stream.into_std()?, permit))
        };
        tokio::select! {
            () = stop.cancelled() => return None,
            accepted = accepted => match accepted {
                Ok(accepted) => return Some(accepted),
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_ERROR_PAUSE).await;
                }
            },
        }
    }
}
