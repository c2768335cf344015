//! One connection to a provider, and one exchange on it at a time.
//!
//! Nothing drives a connection but whoever uses it: the bytes move in the task that waits for them, so
//! that no exchange has to wake another task, or another thread. An HTTP/2 connection is shared, and has
//! a task of its own.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, Request, Response};
use hyper::body::{Body as _, Bytes, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::connect::Connection as _;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::task::coop::unconstrained;

use super::connect::Connection;
use super::error::BoxError;
use super::payload::Payload;

/// How often an HTTP/2 connection is tried, and how long that may take, in seconds.
const PING_S: (u64, u64) = (30, 10);

/// A connection whose exchanges come one after the other.
pub(super) struct Line {
    /// Whom it leads to, as the header `host` has it.
    pub(super) host: Option<HeaderValue>,
    send: http1::SendRequest<Payload>,
    /// `None` once it has ended.
    connection: Option<Pin<Box<http1::Connection<Connection, Payload>>>>,
}

/// A connection whose exchanges go side by side.
pub(super) type Lanes = http2::SendRequest<Payload>;

/// What a host gave us.
pub(super) enum Opened {
    Line(Line),
    Lanes(Lanes),
}

/// Why there is no answer.
pub(super) enum Broken {
    /// Nothing of the request was sent: here it is again.
    Unsent(Box<Request<Payload>>, BoxError),
    /// Some of it may have been.
    Lost(BoxError),
}

/// Agrees on the protocol with whoever is at the other end.
pub(super) async fn open(
    stream: Connection,
    host: Option<HeaderValue>,
) -> Result<Opened, BoxError> {
    if stream.connected().is_negotiated_h2() {
        let (interval, patience) = PING_S;
        let (lanes, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .adaptive_window(true)
            .keep_alive_interval(std::time::Duration::from_secs(interval))
            .keep_alive_timeout(std::time::Duration::from_secs(patience))
            .handshake(stream)
            .await?;
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the last of its lanes, nobody waits for it"
        )]
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection to a provider ended");
            }
        });
        return Ok(Opened::Lanes(lanes));
    }
    let (send, connection) = http1::handshake(stream).await?;
    Ok(Opened::Line(Line { host, send, connection: Some(Box::pin(connection)) }))
}

impl Line {
    /// Whether another exchange can begin. One that the other end has closed is found out here.
    pub(super) fn is_free(&mut self) -> bool {
        drive(&mut self.connection, &mut quiet());
        self.connection.is_some() && self.send.is_ready()
    }

    /// Sends a request and waits for the head of the answer.
    pub(super) async fn exchange(
        &mut self,
        request: Box<Request<Payload>>,
    ) -> Result<Response<Incoming>, Broken> {
        // Outside of tokio's budget for a task: where that is used up, a look would count on a wake-up.
        let mut answer = std::pin::pin!(unconstrained(self.send.try_send_request(*request)));
        let (connection, mut is_sent) = (&mut self.connection, false);
        let answer = std::future::poll_fn(|cx| {
            if !std::mem::replace(&mut is_sent, true) {
                // There is nothing to turn around for yet.
                drive(connection, cx);
                return answer.as_mut().poll(&mut quiet());
            }
            poll_driven(connection, cx, |quiet| answer.as_mut().poll(quiet))
        });
        answer.await.map_err(|mut error| match error.take_message() {
            Some(request) => Broken::Unsent(Box::new(request), error.into_error().into()),
            None => Broken::Lost(error.into_error().into()),
        })
    }

    /// The next frame of an answer's body.
    pub(super) fn poll_frame(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // Asked beforehand, the connection reads on.
        if let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(&mut quiet()) {
            return Poll::Ready(frame);
        }
        poll_driven(&mut self.connection, cx, |quiet| Pin::new(&mut *body).poll_frame(quiet))
    }
}

/// Drives a connection until it has brought what is looked for. Both are parts of this task and wake each other
/// at every turn, which would only have the task look at nothing once more: so they turn without wake-ups as long
/// as there is something to do, and the last time, which waits for bytes, with the task's own.
fn poll_driven<T>(
    connection: &mut Option<Pin<Box<http1::Connection<Connection, Payload>>>>,
    cx: &mut Context<'_>,
    mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
) -> Poll<T> {
    let mut quiet = quiet();
    drive(connection, &mut quiet);
    if let Poll::Ready(found) = look(&mut quiet) {
        return Poll::Ready(found);
    }
    drive(connection, cx);
    look(&mut quiet)
}

/// A context without wake-ups.
fn quiet() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

/// Moves bytes; how a connection ended, its exchange is told.
fn drive(
    connection: &mut Option<Pin<Box<http1::Connection<Connection, Payload>>>>,
    cx: &mut Context<'_>,
) {
    if let Some(alive) = connection
        && let Poll::Ready(ended) = alive.as_mut().poll(cx)
    {
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection to a provider ended");
        }
        *connection = None;
    }
}

/// Sends a request on a lane of its own and waits for the head of the answer.
pub(super) async fn exchange(
    lanes: &mut Lanes,
    request: Box<Request<Payload>>,
) -> Result<Response<Incoming>, Broken> {
    if let Err(error) = lanes.ready().await {
        return Err(Broken::Unsent(request, error.into()));
    }
    lanes.try_send_request(*request).await.map_err(|mut error| match error.take_message() {
        Some(request) => Broken::Unsent(Box::new(request), error.into_error().into()),
        None => Broken::Lost(error.into_error().into()),
    })
}
