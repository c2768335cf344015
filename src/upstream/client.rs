//! The HTTP client: connection pools, timeouts and the address policy.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body as _, Frame, Incoming};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::body::{BodyProgress, UpstreamRequestBody};
use super::connector::Connector;
use super::error::{ClientError, SendError};
use super::pool::{ConnectionPool, ExchangeResponse, PooledConnection};
use super::ssrf::{AddressPolicy, AddressSource, may_be_public};

/// The room, in bytes, that a declared length alone makes.
const MAX_PREALLOCATED: usize = 1 << 20;
/// How many times the bytes that came already are made room for, when a longer body is declared.
const MAX_GROWTH: usize = 8;

/// The `User-Agent` of every request.
pub(crate) const USER_AGENT: &str = concat!("switchboard/", env!("CARGO_PKG_VERSION"));

/// The timeouts of a provider.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// For a connection, TLS included.
    pub connect: Duration,
    /// From the end of the request to the head of the response, and between two chunks of either.
    pub read: Duration,
    /// For the rest of a buffered response.
    pub buffered: Duration,
}

/// How the body of a response is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadMode {
    /// Buffered, within the timeout of [`Timeouts`] for buffered responses.
    Buffered,
    /// Its prefix within [`Timeouts::read`]; the rest streams without a deadline as long as it makes progress.
    Prefix,
}

/// The HTTP client of the process. Clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    operator: ConnectionPool,
    customer: ConnectionPool,
    address_policy: AddressPolicy,
    timeouts: Timeouts,
}

impl HttpClient {
    /// Creates a client that follows no redirects, reuses connections and decompresses nothing.
    ///
    /// # Errors
    ///
    /// When the TLS roots of the system can't be read.
    pub fn new(timeouts: Timeouts, policy: AddressPolicy) -> Result<Self, ClientError> {
        let operator = ConnectionPool::new(Connector::new(AddressPolicy::Any, timeouts.connect)?);
        let customer = match policy {
            AddressPolicy::Any => operator.clone(),
            AddressPolicy::PublicOnly => {
                ConnectionPool::new(Connector::new(AddressPolicy::PublicOnly, timeouts.connect)?)
            }
        };
        Ok(Self { operator, customer, address_policy: policy, timeouts })
    }

    /// Returns the client with separate connection pools, so that a thread never waits for another thread.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        let (operator, customer) =
            (self.operator.with_own_connections(), self.customer.with_own_connections());
        Self { operator, customer, ..*self }
    }

    /// Returns the policy for addresses of customers.
    pub(crate) fn address_policy(&self) -> AddressPolicy {
        self.address_policy
    }

    /// Returns the timeout of a short buffered response, head and body together.
    pub(super) fn response_timeout(&self) -> Duration {
        self.timeouts.read
    }

    /// Sends a request once, without permit, token or retry.
    pub(crate) async fn execute(
        &self,
        mut request: Box<Request<UpstreamRequestBody>>,
        source: AddressSource,
        mode: ReadMode,
    ) -> Result<Response<IncomingBody>, SendError> {
        let pool = match source {
            AddressSource::Config => &self.operator,
            AddressSource::Customer
                if self.address_policy == AddressPolicy::PublicOnly
                    && !may_be_public(request.uri()) =>
            {
                return Err(SendError::NotAllowed);
            }
            AddressSource::Customer => &self.customer,
        };
        request
            .headers_mut()
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(USER_AGENT));
        let idle_timeout = self.timeouts.read;
        let progress = request.body().progress();
        let ExchangeResponse { response, connection } = match progress {
            None => with_idle_timeout(idle_timeout, None, pin!(pool.exchange(request))).await??,
            // Boxed: it is rare, and as large as the rest of this future.
            Some(progress) => {
                Box::pin(while_progressing(pool.exchange(request), &progress, idle_timeout))
                    .await??
            }
        };
        let timeout = match mode {
            ReadMode::Buffered => self.timeouts.buffered,
            ReadMode::Prefix => idle_timeout,
        };
        let deadline = Instant::now().checked_add(timeout);
        Ok(response.map(|body| IncomingBody {
            body,
            connection,
            idle_timeout: Some(idle_timeout),
            deadline,
        }))
    }

    /// Sends a request to an address of the settings and buffers a response of up to `max_bytes`.
    ///
    /// # Errors
    ///
    /// When there is no response, or a larger one.
    pub(crate) async fn fetch(
        &self,
        request: Request<Bytes>,
        max_bytes: usize,
    ) -> Result<Response<Bytes>, SendError> {
        let request = Box::new(request.map(UpstreamRequestBody::from));
        let received = self.execute(request, AddressSource::Config, ReadMode::Buffered).await?;
        let (head, mut body) = received.into_parts();
        let whole = body.read_to_end(Bytes::new(), max_bytes).await?;
        let whole =
            whole.ok_or_else(|| SendError::Interrupted("the response is too large".into()))?;
        Ok(Response::from_parts(head, whole))
    }
}

/// Awaits a future for up to `idle_timeout`, and until `deadline` if there is one. A future that is ready needs no
/// timer.
async fn with_idle_timeout<T>(
    idle_timeout: Duration,
    deadline: Option<Instant>,
    mut awaited: Pin<&mut impl Future<Output = T>>,
) -> Result<T, SendError> {
    let mut timer = pin!(None::<Sleep>);
    let first = poll_fn(|cx| {
        if let Poll::Ready(here) = awaited.as_mut().poll(cx) {
            return Poll::Ready(Ok(here));
        }
        if timer.is_none() {
            let end = Instant::now().checked_add(idle_timeout);
            timer.set(end.into_iter().chain(deadline).min().map(sleep_until));
        }
        let timer = timer.as_mut().as_pin_mut();
        timer.map_or(Poll::Pending, |timer| timer.poll(cx)).map(|()| Err(SendError::Timeout))
    });
    first.await
}

/// The minimum that a caller sends within an idle timeout, in bytes, while there is more to come. It stops callers
/// that send a byte at a time from occupying a connection.
const MIN_SENT_BYTES: usize = 8 * 1024;

/// Awaits a response while the body of the request makes progress, and for `idle_timeout` after that.
async fn while_progressing<T>(
    response: impl Future<Output = T>,
    progress: &BodyProgress,
    idle_timeout: Duration,
) -> Result<T, SendError> {
    let mut response = pin!(response);
    let (mut seen, mut window_ends) = (0, Instant::now() + idle_timeout);
    let mut until = window_ends;
    loop {
        if let Ok(response) = timeout_at(until, &mut response).await {
            return Ok(response);
        }
        let (step, now) = (progress.last(), Instant::now());
        let is_idle = step.at + idle_timeout <= now;
        let is_over = window_ends <= now;
        let is_slow = is_over && step.bytes.saturating_sub(seen) < MIN_SENT_BYTES;
        match step.awaits_caller {
            true if is_idle || is_slow => return Err(SendError::CallerStalled),
            false if is_idle => return Err(SendError::Timeout),
            true | false => {}
        }
        if is_over {
            (seen, window_ends) = (step.bytes, now + idle_timeout);
        }
        until = window_ends.min(step.at + idle_timeout);
    }
}

/// The body of a response that is arriving.
pub(crate) struct IncomingBody {
    body: Incoming,
    /// The HTTP/1.1 connection it arrives on; `None` for HTTP/2.
    connection: Option<PooledConnection>,
    /// The timeout between two chunks.
    idle_timeout: Option<Duration>,
    /// The deadline for the rest.
    deadline: Option<Instant>,
}

impl std::fmt::Debug for IncomingBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("IncomingBody")
    }
}

/// Result of reading a part of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyRead {
    /// To its end.
    Ended,
    /// As far as was requested.
    Enough,
    /// The body exceeds the maximum.
    TooLarge,
}

impl IncomingBody {
    /// Sets the deadline for the rest.
    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// Removes the deadline: the rest may take as long as it makes progress.
    pub(super) fn clear_deadline(&mut self) {
        self.deadline = None;
    }

    /// Returns the next chunk; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, SendError> {
        while !self.body.is_end_stream() {
            let (idle_timeout, deadline) =
                (self.idle_timeout.unwrap_or(Duration::MAX), self.deadline);
            let frame = with_idle_timeout(idle_timeout, deadline, pin!(self.frame())).await?;
            let frame = frame.transpose().map_err(|error| SendError::Interrupted(error.into()))?;
            let is_last = frame.is_none() || self.body.is_end_stream();
            if is_last && let Some(connection) = self.connection.take() {
                connection.release();
            }
            // Frames without data are trailers, which end with this hop.
            match frame.map(Frame::into_data) {
                None => break,
                Some(Ok(data)) => return Ok(Some(data)),
                Some(Err(_)) => {}
            }
        }
        Ok(None)
    }

    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        let Self { body, connection, .. } = self;
        poll_fn(|cx| match connection {
            Some(connection) => connection.http1.poll_frame(body, cx),
            None => Pin::new(&mut *body).poll_frame(cx),
        })
        .await
    }

    /// Returns `head` with the rest of the body; `None` if they exceed `max_bytes` together.
    pub(crate) async fn read_to_end(
        &mut self,
        head: Bytes,
        max_bytes: usize,
    ) -> Result<Option<Bytes>, SendError> {
        let mut body = BytesMut::from(head);
        let read = self.read(&mut body, usize::MAX, max_bytes, |_| Ok::<(), SendError>(())).await?;
        Ok((read != BodyRead::TooLarge).then(|| body.freeze()))
    }

    /// Reads until `body` has `enough` bytes, but no more than `max_bytes`. `count` is called with the number of bytes
    /// before they are buffered, and can reject them.
    pub(crate) async fn read<E: From<SendError>>(
        &mut self,
        body: &mut BytesMut,
        enough: usize,
        max_bytes: usize,
        mut count: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<BodyRead, E> {
        let declared = self.declared();
        if declared > max_bytes.saturating_sub(body.len()) {
            return Ok(BodyRead::TooLarge);
        }
        body.reserve(declared.min(MAX_PREALLOCATED));
        while body.len() < enough {
            let Some(chunk) = self.chunk().await? else { return Ok(BodyRead::Ended) };
            if body.len() + chunk.len() > max_bytes {
                return Ok(BodyRead::TooLarge);
            }
            count(chunk.len())?;
            self.grow_for(body, chunk.len());
            body.extend_from_slice(&chunk);
        }
        Ok(BodyRead::Enough)
    }

    /// Grows `body` for a chunk and for the declared rest, but by no more than [`MAX_GROWTH`] times its length; it
    /// doubles where no length was declared.
    fn grow_for(&self, body: &mut BytesMut, chunk: usize) {
        if body.capacity() - body.len() >= chunk {
            return;
        }
        let ahead = match self.body.size_hint().exact() {
            Some(_) => self.declared().min(body.len().saturating_mul(MAX_GROWTH)),
            None => body.len(),
        };
        let mut larger = BytesMut::with_capacity(body.len() + chunk + ahead);
        larger.extend_from_slice(body);
        *body = larger;
    }

    /// Returns the number of bytes that are still to come at least, by the declared length.
    pub(crate) fn declared(&self) -> usize {
        usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX)
    }

    /// Whether the body has ended.
    pub(crate) fn is_end(&self) -> bool {
        self.body.is_end_stream()
    }
}
