//! One connection: its protocol, its time-outs, its end.

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

use super::slow_reader::{StreamExecutor, in_pieces};
use super::stall::Stall;
use super::tls;
use crate::config;
use crate::http::Front;
use crate::telemetry::OpenConnection;

/// What callers are held to.
pub(in crate::app) struct Rules {
    pub(super) max_connections: usize,
    http1: http1::Builder,
    /// Only where TLS agrees on it: on a plain connection nobody says so before the first byte, and who
    /// sends none would never be timed out.
    http2: http2::Builder<StreamExecutor>,
    tls: Option<TlsAcceptor>,
    /// For TLS to be agreed on, and for the head of a request.
    head_timeout: Duration,
    write_timeout: Duration,
    /// How long a connection without a request stays after the order to stop.
    linger: Duration,
}

impl Rules {
    /// The rules of the settings.
    ///
    /// # Errors
    ///
    /// When the certificate or its key can't be used.
    pub(in crate::app) fn new(server: &config::Server) -> anyhow::Result<Self> {
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

/// A connection that was just taken.
pub(super) struct Visitor {
    pub(super) stream: std::net::TcpStream,
    pub(super) seat: OwnedSemaphorePermit,
    pub(super) rules: Arc<Rules>,
    pub(super) stop: CancellationToken,
    pub(super) counted: OpenConnection,
}

impl Visitor {
    /// Answers its requests until it ends.
    pub(super) async fn attend(self, front: Arc<Front>) {
        let Self { stream, seat: _seat, rules, stop, counted: _counted } = self;
        let Ok(stream) = TcpStream::from_std(stream) else { return };
        let Ok(peer) = stream.peer_addr() else { return };
        let stream = Stall::new(stream, rules.write_timeout);
        // A part of it: no two threads look at the same one after each answer.
        let stopped = stop.child_token();
        let answer =
            service_fn(move |request| answer(Arc::clone(&front), peer, request, stopped.clone()));
        let end = async {
            stop.cancelled().await;
            tokio::time::sleep(rules.linger).await;
        };
        let Some(tls) = &rules.tls else {
            let stream = TokioIo::new(stream);
            until(end, rules.http1.serve_connection(stream, answer)).await;
            return;
        };
        match tokio::time::timeout(rules.head_timeout, tls.accept(stream)).await {
            Ok(Ok(stream)) => {
                let is_http2 = stream.get_ref().1.alpn_protocol() == Some(tls::HTTP2);
                let stream = TokioIo::new(stream);
                if is_http2 {
                    // It is told which requests were taken: nothing is lost when it ends at once.
                    until(stop.cancelled(), rules.http2.serve_connection(stream, answer)).await;
                } else {
                    until(end, rules.http1.serve_connection(stream, answer)).await;
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "no TLS"),
            Err(_) => tracing::debug!("no TLS in time"),
        }
    }
}

/// Talks until the caller goes, or until `end`: then running requests end.
async fn until<C>(end: impl Future<Output = ()>, connection: C)
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
        // Callers hang up, send garbage, or are too slow: theirs to know.
        tracing::debug!(%error, "a connection broke off");
    }
}

async fn answer(
    front: Arc<Front>,
    peer: SocketAddr,
    request: Request<Incoming>,
    stop: CancellationToken,
) -> Result<Response<Body>, Infallible> {
    let can_close = request.version() <= Version::HTTP_11;
    let mut request =
        request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::new(body) });
    let mut response = front.answer(&mut request, peer).await;
    if can_close && stop.is_cancelled() {
        // A proxy in front may be sending the next request at this moment: it has to know beforehand.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if !can_close {
        response = in_pieces(response);
    }
    Ok(response)
}
