//! What a provider answered: the head is looked at, the rest may still be on its way.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, Response, StatusCode, header};

use super::client::{Arriving, BodyRead};
use super::error::UpstreamError;
use super::packed::plain;
use super::retry_after::retry_after;
use crate::domain::clock::Clock;
use crate::limit::HeldBytes;

/// Bodies up to this size are looked at before they are passed on: providers that report failures in
/// the body keep those short.
const PEEK: usize = 8 * 1024;
/// The largest body of the operator's providers that is read as a whole.
pub(super) const MAX_WHOLE: usize = 64 * 1024 * 1024;
/// A longer body is large: an environment reads a few of these at the same time.
const LARGE: usize = 256 * 1024;
/// So many times a byte that is read as a whole counts: for itself, for what is read of it and for what is made of it.
const WEIGHT: usize = 3;

/// What an answer means for whoever sent the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// An answer to pass on: a success, or a failure that would be the same again.
    Final,
    /// The provider says that the access token is invalid. Nothing was done.
    DeadToken,
    /// The access token was not taken, and nothing was done: it is dead, or it is not for this.
    RefusedToken,
    /// Rate limited. Nothing was done.
    TooFast,
    /// The provider is in trouble: something may have been done.
    Trouble,
}

impl Verdict {
    /// Whether the answer is a sign of an invalid token.
    pub(super) fn is_about_the_token(&self) -> bool {
        matches!(self, Self::DeadToken | Self::RefusedToken)
    }
}

/// What it took to get an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// How often the call was sent.
    pub attempts: u32,
    /// How long it took before that: turns, the token, attempts that failed and the pauses after them.
    pub waited: Duration,
    /// How long the provider took to begin the answer, the last time.
    pub upstream: Duration,
}

/// The body of an answer that is passed on.
pub enum Passed<S> {
    /// All of it.
    Whole(Bytes),
    /// As it comes.
    Stream(S),
}

/// An answer of a provider. It is handed on in a box: it is large, and many hands pass it.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, all of them.
    pub headers: HeaderMap,
    /// What it means.
    pub verdict: Verdict,
    /// How long the provider asks to be left alone.
    pub retry_after: Option<Duration>,
    /// What it took.
    pub facts: Facts,
    head: Bytes,
    rest: Option<Arriving>,
    held: Option<HeldBytes>,
}

/// A body that was read as a whole. Its bytes are in flight until it is dropped.
#[derive(Debug)]
pub struct WholeBody {
    bytes: Bytes,
    _held: Option<HeldBytes>,
}

impl std::ops::Deref for WholeBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Answer {
    /// Takes the head of a response, and of its body what can be looked at.
    pub(super) async fn receive(
        response: Response<Arriving>,
        clock: &dyn Clock,
        verdict: impl FnOnce(StatusCode, &HeaderMap, Option<&[u8]>) -> Verdict,
    ) -> Result<Box<Self>, UpstreamError> {
        let (parts, mut body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        let mut head = Head::default();
        let mut whole = body.is_at_end();
        if may_tell(status, &headers) {
            while !whole && head.len() <= PEEK {
                match body.chunk().await? {
                    None => whole = true,
                    Some(chunk) => {
                        head.push(chunk);
                        whole = body.is_at_end();
                    }
                }
            }
        }
        let head = head.finish();
        let verdict = match plain(&headers, &head) {
            Some(text) => verdict(status, &headers, whole.then_some(&*text)),
            None => verdict(status, &headers, None),
        };
        let rest = (!whole).then_some(body);
        let retry_after = headers
            .contains_key(header::RETRY_AFTER)
            .then(|| retry_after(&headers, clock.now()))
            .flatten();
        let facts = Facts::default();
        Ok(Box::new(Self { status, headers, verdict, retry_after, facts, head, rest, held: None }))
    }

    /// The same answer with its whole body in memory, of `most` bytes at the most, which count as `held`.
    pub(super) async fn whole(
        mut self: Box<Self>,
        most: usize,
        mut held: HeldBytes,
    ) -> Result<Box<Self>, UpstreamError> {
        hold(&mut held, self.head.len())?;
        if let Some(mut rest) = self.rest.take() {
            let mut body = BytesMut::from(std::mem::take(&mut self.head));
            let mut read = BodyRead::Enough;
            if rest.declared().saturating_add(body.len()) <= LARGE {
                read = rest.read(&mut body, LARGE, most, |more| hold(&mut held, more)).await?;
            }
            if read == BodyRead::Enough {
                let _permit = held.large_read().await?;
                read = rest.read(&mut body, usize::MAX, most, |more| hold(&mut held, more)).await?;
            }
            if read == BodyRead::TooLarge {
                return Err(UpstreamError::TooLarge);
            }
            self.head = body.freeze();
        }
        self.held = Some(held);
        Ok(self)
    }

    /// The body, of an answer that was asked for as a whole.
    #[must_use]
    pub fn into_body(self) -> WholeBody {
        WholeBody { bytes: self.head, _held: self.held }
    }

    /// The body, to be passed on: piece by piece as it comes, or all of it where it is here already.
    pub fn into_passed(
        self,
    ) -> Passed<impl Stream<Item = Result<Bytes, UpstreamError>> + Send + 'static> {
        let Some(mut rest) = self.rest else { return Passed::Whole(self.head) };
        rest.lift_deadline();
        let head = (!self.head.is_empty()).then_some(Ok(self.head));
        let rest = stream::unfold(Some(rest), |rest| async move {
            let mut rest: Arriving = rest?;
            match rest.chunk().await {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), Some(rest))),
                Err(error) => Some((Err(error.into()), None)),
            }
        });
        Passed::Stream(stream::iter(head).chain(rest))
    }

    /// An answer of which only the verdict matters.
    #[cfg(test)]
    pub(super) fn of_verdict(verdict: Verdict) -> Box<Self> {
        let (status, headers, facts) = (StatusCode::OK, HeaderMap::new(), Facts::default());
        let (retry_after, head) = (None, Bytes::new());
        Box::new(Self {
            status,
            headers,
            verdict,
            retry_after,
            facts,
            head,
            rest: None,
            held: None,
        })
    }
}

/// What came of a body so far. One that came in one piece is not copied.
#[derive(Default)]
struct Head {
    first: Bytes,
    more: BytesMut,
}

impl Head {
    fn len(&self) -> usize {
        self.first.len().max(self.more.len())
    }

    fn push(&mut self, chunk: Bytes) {
        if self.len() == 0 {
            self.first = chunk;
            return;
        }
        if self.more.is_empty() {
            self.more.extend_from_slice(&self.first);
        }
        self.more.extend_from_slice(&chunk);
    }

    fn finish(self) -> Bytes {
        if self.more.is_empty() { self.first } else { self.more.freeze() }
    }
}

/// Holds bytes that are read as a whole.
fn hold(held: &mut HeldBytes, bytes: usize) -> Result<(), UpstreamError> {
    Ok(held.grow(bytes.saturating_mul(WEIGHT))?)
}

/// Whether the body of such an answer may say that the call failed.
fn may_tell(status: StatusCode, headers: &HeaderMap) -> bool {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().windows(4).any(|part| part == b"json"));
    (is_json || !status.is_success()) && length.is_none_or(|length| length <= PEEK)
}
