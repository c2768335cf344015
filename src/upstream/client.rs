//! The one HTTP client: its connections, its time-outs, and where it may go.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header};
use hyper::body::{Body as _, Frame, Incoming};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};

use super::connect::Connector;
use super::error::{ClientError, SendError};
use super::guard::{NamedBy, Reach, may_be_public};
use super::payload::{Payload, Progress};
use super::pool::{Exchanged, Lent, Pool};

/// The room, in bytes, that a declared length alone makes.
const RESERVED: usize = 1 << 20;
/// How many times the bytes that came already are made room for, when a longer body is declared.
const GROWTH: usize = 8;

const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("switchboard/", env!("CARGO_PKG_VERSION")));

/// How long a provider may take.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// To accept a connection, TLS included.
    pub connect: Duration,
    /// To begin its response once it has the request, and between two pieces of either.
    pub read: Duration,
    /// To send the rest of a response that is read as a whole.
    pub whole: Duration,
}

/// How the body of a response is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// As a whole, within [`Timeouts::whole`].
    Whole,
    /// Its beginning, within [`Timeouts::read`]. What is passed on after that may take longer, as long as it moves.
    Beginning,
}

/// The HTTP client that the whole program shares. Clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpClient {
    operator: Pool,
    customer: Pool,
    reach: Reach,
    timeouts: Timeouts,
}

impl HttpClient {
    /// A client that follows no redirect, keeps connections open and unpacks nothing.
    ///
    /// # Errors
    ///
    /// When the machine's TLS roots can't be read.
    pub fn new(timeouts: Timeouts, reach: Reach) -> Result<Self, ClientError> {
        let operator = Pool::new(Connector::new(Reach::Anywhere, timeouts.connect)?);
        let customer = match reach {
            Reach::Anywhere => operator.clone(),
            Reach::Public => Pool::new(Connector::new(Reach::Public, timeouts.connect)?),
        };
        Ok(Self { operator, customer, reach, timeouts })
    }

    /// The same client with connections of its own: a thread that uses no others' never waits for
    /// another thread.
    #[must_use]
    pub fn with_own_connections(&self) -> Self {
        let (operator, customer) = (self.operator.apart(), self.customer.apart());
        Self { operator, customer, ..*self }
    }

    /// Where addresses that customers name may lead.
    pub(crate) fn reach(&self) -> Reach {
        self.reach
    }

    /// Returns how long a response may take that is read as a whole and has to be short, head and body together.
    pub(super) fn response_timeout(&self) -> Duration {
        self.timeouts.read
    }

    /// Sends a request as it is, without turn, token or repetition.
    pub(crate) async fn execute(
        &self,
        mut request: Box<Request<Payload>>,
        named_by: NamedBy,
        reading: Reading,
    ) -> Result<Response<Arriving>, SendError> {
        let pool = match named_by {
            NamedBy::Operator => &self.operator,
            NamedBy::Customer if self.reach == Reach::Public && !may_be_public(request.uri()) => {
                return Err(SendError::NotAllowed);
            }
            NamedBy::Customer => &self.customer,
        };
        request.headers_mut().entry(header::USER_AGENT).or_insert(USER_AGENT);
        let patience = self.timeouts.read;
        let progress = request.body().progress();
        let Exchanged { response, lent } = match progress {
            None => in_time(patience, None, pin!(pool.exchange(request))).await??,
            // Apart, for it is rare and as large as all the rest.
            Some(progress) => {
                Box::pin(while_it_moves(pool.exchange(request), &progress, patience)).await??
            }
        };
        let limit = match reading {
            Reading::Whole => self.timeouts.whole,
            Reading::Beginning => patience,
        };
        let deadline = Instant::now().checked_add(limit);
        Ok(response.map(|body| Arriving { body, lent, patience: Some(patience), deadline }))
    }

    /// Sends a request to where the settings say, and reads an answer of `most` bytes at the most.
    ///
    /// # Errors
    ///
    /// When there is no answer, or a larger one.
    pub(crate) async fn fetch(
        &self,
        request: Request<Bytes>,
        most: usize,
    ) -> Result<Response<Bytes>, SendError> {
        let request = Box::new(request.map(Payload::from));
        let answer = self.execute(request, NamedBy::Operator, Reading::Whole).await?;
        let (head, mut body) = answer.into_parts();
        let whole = body.whole(Bytes::new(), most).await?;
        let whole = whole.ok_or_else(|| SendError::Broken("the answer is too large".into()))?;
        Ok(Response::from_parts(head, whole))
    }
}

/// Waits for something for `patience`, and until `deadline`, where there is one. What is there already needs no timer
/// and gets none.
async fn in_time<T>(
    patience: Duration,
    deadline: Option<Instant>,
    mut awaited: Pin<&mut impl Future<Output = T>>,
) -> Result<T, SendError> {
    let mut timer = pin!(None::<Sleep>);
    let first = poll_fn(|cx| {
        if let Poll::Ready(here) = awaited.as_mut().poll(cx) {
            return Poll::Ready(Ok(here));
        }
        if timer.is_none() {
            let end = Instant::now().checked_add(patience);
            timer.set(end.into_iter().chain(deadline).min().map(sleep_until));
        }
        let timer = timer.as_mut().as_pin_mut();
        timer.map_or(Poll::Pending, |timer| timer.poll(cx)).map(|()| Err(SendError::Timeout))
    });
    first.await
}

/// The least that a caller has to send within the patience between two pieces, in bytes, while there is more to come:
/// a byte now and then would hold a place for ever.
const MIN_SENT: usize = 8 * 1024;

/// Waits for an answer as long as the request is on its way, and for `patience` after that.
async fn while_it_moves<T>(
    answer: impl Future<Output = T>,
    progress: &Progress,
    patience: Duration,
) -> Result<T, SendError> {
    let mut answer = pin!(answer);
    let (mut seen, mut window_ends) = (0, Instant::now() + patience);
    let mut until = window_ends;
    loop {
        if let Ok(answer) = timeout_at(until, &mut answer).await {
            return Ok(answer);
        }
        let (step, now) = (progress.last(), Instant::now());
        let is_idle = step.at + patience <= now;
        let is_over = window_ends <= now;
        let is_slow = is_over && step.bytes.saturating_sub(seen) < MIN_SENT;
        match step.awaits_caller {
            true if is_idle || is_slow => return Err(SendError::CallerStalled),
            false if is_idle => return Err(SendError::Timeout),
            true | false => {}
        }
        if is_over {
            (seen, window_ends) = (step.bytes, now + patience);
        }
        until = window_ends.min(step.at + patience);
    }
}

/// The body of an answer, on its way.
pub(crate) struct Arriving {
    body: Incoming,
    /// The line it comes on, when no other answer may come on it meanwhile.
    lent: Option<Lent>,
    /// Between two pieces.
    patience: Option<Duration>,
    /// For what is left of it.
    deadline: Option<Instant>,
}

impl std::fmt::Debug for Arriving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Arriving")
    }
}

/// How far a body was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyRead {
    /// To its end.
    Ended,
    /// As far as was asked for.
    Enough,
    /// It is longer than it may be.
    TooLarge,
}

impl Arriving {
    /// Sets the end of reading the rest.
    pub(super) fn limit(&mut self, deadline: Instant) {
        self.deadline = Some(deadline);
    }

    /// Lets the rest take as long as it moves.
    pub(super) fn lift_deadline(&mut self) {
        self.deadline = None;
    }

    /// The next piece; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, SendError> {
        while !self.body.is_end_stream() {
            let (patience, deadline) = (self.patience.unwrap_or(Duration::MAX), self.deadline);
            let frame = in_time(patience, deadline, pin!(self.frame())).await?;
            let frame = frame.transpose().map_err(|error| SendError::Broken(error.into()))?;
            let is_last = frame.is_none() || self.body.is_end_stream();
            if is_last && let Some(lent) = self.lent.take() {
                lent.give_back();
            }
            // What is no data is trailers, which end with this hop.
            match frame.map(Frame::into_data) {
                None => break,
                Some(Ok(data)) => return Ok(Some(data)),
                Some(Err(_)) => {}
            }
        }
        Ok(None)
    }

    async fn frame(&mut self) -> Option<Result<Frame<Bytes>, hyper::Error>> {
        let Self { body, lent, .. } = self;
        poll_fn(|cx| match lent {
            Some(lent) => lent.line.poll_frame(body, cx),
            None => Pin::new(&mut *body).poll_frame(cx),
        })
        .await
    }

    /// What comes behind `head`, all of it; `None` when it is more than `most` bytes together.
    pub(crate) async fn whole(
        &mut self,
        head: Bytes,
        most: usize,
    ) -> Result<Option<Bytes>, SendError> {
        let mut body = BytesMut::from(head);
        let read = self.read(&mut body, usize::MAX, most, |_| Ok::<(), SendError>(())).await?;
        Ok((read != BodyRead::TooLarge).then(|| body.freeze()))
    }

    /// Reads on until `body` has `enough` bytes, but no more than `most`. `count` is told of bytes before they are
    /// held, and can refuse them.
    pub(crate) async fn read<E: From<SendError>>(
        &mut self,
        body: &mut BytesMut,
        enough: usize,
        most: usize,
        mut count: impl FnMut(usize) -> Result<(), E>,
    ) -> Result<BodyRead, E> {
        let told = self.declared();
        if told > most.saturating_sub(body.len()) {
            return Ok(BodyRead::TooLarge);
        }
        body.reserve(told.min(RESERVED));
        while body.len() < enough {
            let Some(chunk) = self.chunk().await? else { return Ok(BodyRead::Ended) };
            if body.len() + chunk.len() > most {
                return Ok(BodyRead::TooLarge);
            }
            count(chunk.len())?;
            self.make_room(body, chunk.len());
            body.extend_from_slice(&chunk);
        }
        Ok(BodyRead::Enough)
    }

    /// Makes room for a chunk in `body`, and for what comes after it: as much as the provider declared, but no more than
    /// a few times what came already, or as much again where nothing was declared.
    fn make_room(&self, body: &mut BytesMut, chunk: usize) {
        if body.capacity() - body.len() >= chunk {
            return;
        }
        let ahead = match self.body.size_hint().exact() {
            Some(_) => self.declared().min(body.len().saturating_mul(GROWTH)),
            None => body.len(),
        };
        let mut roomy = BytesMut::with_capacity(body.len() + chunk + ahead);
        roomy.extend_from_slice(body);
        *body = roomy;
    }

    /// How many bytes are to come at least, as the provider declared.
    pub(crate) fn declared(&self) -> usize {
        usize::try_from(self.body.size_hint().lower()).unwrap_or(usize::MAX)
    }

    /// Whether nothing more comes.
    pub(crate) fn is_at_end(&self) -> bool {
        self.body.is_end_stream()
    }
}
