//! Connections to providers: HTTP/1.1 with one exchange at a time, and HTTP/2.
//!
//! An HTTP/1.1 connection is driven by the task that uses it, so an exchange never wakes another task or thread. An
//! HTTP/2 connection is shared and has its own task.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, Request, Response};
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::task::coop::unconstrained;

use super::body::UpstreamRequestBody;
use super::connector::ProviderStream;
use super::error::BoxError;

/// The interval and the timeout of HTTP/2 pings, in seconds.
const PING_INTERVAL_AND_TIMEOUT_S: (u64, u64) = (30, 10);

/// An HTTP/1.1 connection.
pub(super) struct Http1Connection {
    /// The value of the header `host`.
    pub(super) host: Option<HeaderValue>,
    sender: http1::SendRequest<UpstreamRequestBody>,
    /// The connection's future; `None` once it has ended.
    connection: Option<Pin<Box<http1::Connection<ProviderStream, UpstreamRequestBody>>>>,
}

/// A handle to an HTTP/2 connection.
pub(super) type Http2Handle = http2::SendRequest<UpstreamRequestBody>;

/// A new connection, by the protocol that TLS negotiated.
pub(super) enum HttpConnection {
    Http1(Http1Connection),
    Http2(Http2Handle),
}

/// An exchange without a response.
pub(super) enum ExchangeError {
    /// Nothing was sent; the request is returned.
    NotSent(Box<Request<UpstreamRequestBody>>, BoxError),
    /// A part may have been sent.
    MaybeSent(BoxError),
}

/// Performs the HTTP handshake on a stream.
pub(super) async fn handshake(
    stream: ProviderStream,
    host: Option<HeaderValue>,
) -> Result<HttpConnection, BoxError> {
    if stream.connected().is_negotiated_h2() {
        let (interval, timeout) = PING_INTERVAL_AND_TIMEOUT_S;
        let (handle, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .adaptive_window(true)
            .keep_alive_interval(std::time::Duration::from_secs(interval))
            .keep_alive_timeout(std::time::Duration::from_secs(timeout))
            .handshake(stream)
            .await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the last handle, no shutdown waits for it"
        )]
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a provider ended");
            }
        });
        return Ok(HttpConnection::Http2(handle));
    }
    let (send, connection) = http1::handshake(stream).await?;
    Ok(HttpConnection::Http1(Http1Connection {
        host,
        sender: send,
        connection: Some(Box::pin(connection)),
    }))
}

impl Http1Connection {
    /// Whether another exchange can begin. Detects a connection that the peer has closed.
    pub(super) fn is_ready(&mut self) -> bool {
        drive(&mut self.connection, &mut noop_context());
        self.connection.is_some() && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of the response.
    pub(super) async fn exchange(
        &mut self,
        request: Box<Request<UpstreamRequestBody>>,
    ) -> Result<Response<Incoming>, ExchangeError> {
        // Outside of tokio's cooperative budget: once that is used up, a poll would rely on a wake-up.
        let mut response = std::pin::pin!(unconstrained(self.sender.try_send_request(*request)));
        let (connection, mut is_sent) = (&mut self.connection, false);
        let response = std::future::poll_fn(|cx| {
            if !std::mem::replace(&mut is_sent, true) {
                // Nothing can have arrived yet.
                drive(connection, cx);
                return response.as_mut().poll(&mut noop_context());
            }
            poll_with_connection(connection, cx, |quiet| response.as_mut().poll(quiet))
        });
        response.await.map_err(|mut error| match error.take_message() {
            Some(request) => ExchangeError::NotSent(Box::new(request), error.into_error().into()),
            None => ExchangeError::MaybeSent(error.into_error().into()),
        })
    }

    /// Polls for the next frame of a response's body.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Polled first, so that the connection reads on.
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(&mut noop_context()) {
            return Poll::Ready(frame);
        }
        poll_with_connection(&mut self.connection, cx, |quiet| {
            Pin::new(&mut *body).poll_frame(quiet)
        })
    }
}

/// Drives a connection until `look` is ready. Both are parts of this task and would wake each other at every poll:
/// so they are polled without a waker while there is progress, and only the last poll, which waits for bytes, uses
/// the task's waker.
fn poll_with_connection<T>(
    connection: &mut Option<Pin<Box<http1::Connection<ProviderStream, UpstreamRequestBody>>>>,
    cx: &mut Context<'_>,
    mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    let mut quiet = noop_context();
    drive(connection, &mut quiet);
    if let Poll::Ready(found) = look(&mut quiet) {
        return Poll::Ready(found);
    }
    drive(connection, cx);
    look(&mut quiet)
}

/// Returns a context whose waker does nothing.
fn noop_context() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Polls a connection, which moves bytes; drops it when it has ended. Its exchange reports the error.
fn drive(
    connection: &mut Option<Pin<Box<http1::Connection<ProviderStream, UpstreamRequestBody>>>>,
    cx: &mut Context<'_>,
) {
    if let Some(active) = connection
        && let Poll::Ready(ended) = active.as_mut().poll(cx)
    {
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to a provider ended");
        }
        *connection = None;
    }
}

/// Sends a request on a new HTTP/2 stream and waits for the head of the response.
pub(super) async fn exchange_http2(
    handle: &mut Http2Handle,
    request: Box<Request<UpstreamRequestBody>>,
) -> Result<Response<Incoming>, ExchangeError> {
    if let Err(error) = handle.ready().await {
        return Err(ExchangeError::NotSent(request, error.into()));
    }
    handle.try_send_request(*request).await.map_err(|mut error| match error.take_message() {
        Some(request) => ExchangeError::NotSent(Box::new(request), error.into_error().into()),
        None => ExchangeError::MaybeSent(error.into_error().into()),
    })
}
