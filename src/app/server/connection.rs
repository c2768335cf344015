//! Serves one connection of a caller: protocol, timeouts, graceful shutdown.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Request, Response, Version, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::slow_reader::{StreamExecutor, split_into_pieces};
use super::tls;
use super::write_timeout::WriteTimeoutStream;
use crate::config;
use crate::http::HttpService;
use crate::telemetry::OpenConnection;

/// The configuration of connections.
pub(in crate::app) struct ConnectionConfig {
    pub(super) max_connections: usize,
    http1: http1::Builder,
    /// Only when TLS negotiates it: on a plain connection the first bytes decide, and a caller that sends none would
    /// never time out.
    http2: http2::Builder<StreamExecutor>,
    tls: Option<TlsAcceptor>,
    /// For the TLS handshake, and for the head of a request.
    head_timeout: Duration,
    write_timeout: Duration,
    /// How long an idle connection stays open after the shutdown signal.
    linger: Duration,
}

impl ConnectionConfig {
    /// Creates the configuration from the settings.
    ///
    /// # Errors
    ///
    /// When the certificate or its key is invalid.
    pub(in crate::app) fn new(server: &config::ServerSettings) -> anyhow::Result<Self> {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(server.header_timeout())
            .max_buf_size(server.max_header_bytes);
        let mut http2 =
            http2::Builder::new(StreamExecutor { write_timeout: server.write_timeout() });
        http2
            .timer(TokioTimer::new())
            .keep_alive_interval(server.header_timeout())
            .max_header_list_size(server.max_header_bytes.try_into().unwrap_or(u32::MAX))
            .max_concurrent_streams(200)
            .adaptive_window(true);
        Ok(Self {
            max_connections: server.max_connections,
            http1,
            http2,
            tls: tls::acceptor(server)?,
            head_timeout: server.header_timeout(),
            write_timeout: server.write_timeout(),
            linger: server.linger(),
        })
    }
}

/// An accepted connection.
pub(super) struct ServerConnection {
    pub(super) stream: std::net::TcpStream,
    pub(super) permit: OwnedSemaphorePermit,
    pub(super) config: Arc<ConnectionConfig>,
    pub(super) stop: CancellationToken,
    pub(super) open_connection: OpenConnection,
}

impl ServerConnection {
    /// Serves its requests until it ends.
    pub(super) async fn serve(self, service: Arc<HttpService>) {
        let Self { stream, permit: _seat, config, stop, open_connection: _counted } = self;
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        let Ok(peer) = stream.peer_addr() else { return };
        let stream = WriteTimeoutStream::new(stream, config.write_timeout);
        // A child token: threads do not contend for the same one after each response.
        let stopped = stop.child_token();
        let http_service = service_fn(move |request| {
            respond(Arc::clone(&service), peer, request, stopped.clone())
        });
        let end = async {
            stop.cancelled().await;
            tokio::time::sleep(config.linger).await;
        };
        let Some(tls) = &config.tls else {
            let stream = TokioIo::new(stream);
            serve_until(end, config.http1.serve_connection(stream, http_service)).await;
            return;
        };
        match tokio::time::timeout(config.head_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
                let stream = TokioIo::new(stream);
                if is_http2 {
                    // GOAWAY names the accepted requests: nothing is lost by an immediate shutdown.
                    serve_until(
                        stop.cancelled(),
                        config.http2.serve_connection(stream, http_service),
                    )
                    .await;
                } else {
                    serve_until(end, config.http1.serve_connection(stream, http_service)).await;
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
            Err(_) => tracing::debug!("TLS handshake timed out"),
        }
    }
}

/// Drives a connection until the caller closes it, or until `end`; then it finishes the running requests.
async fn serve_until<C>(end: impl Future<Output = ()>, connection: C)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = end => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        // Callers disconnect, send malformed requests, or are too slow.
        tracing::debug!(%error, "a connection of a caller failed");
    }
}

async fn respond(
    service: Arc<HttpService>,
    peer: SocketAddr,
    request: Request<Incoming>,
    stop: CancellationToken,
) -> Result<Response<Body>, Infallible> {
    let can_close = request.version() <= Version::HTTP_11;
    let mut request =
        request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(body) });
    let mut response = service.call(&mut request, peer).await;
    if can_close && stop.is_cancelled() {
        // A proxy in front may be sending the next request now: it has to be informed beforehand.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if !can_close {
        response = split_into_pieces(response);
    }
    Ok(response)
}
