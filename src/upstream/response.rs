//! A provider's response: the head and a prefix of the body are classified, the rest may still be arriving.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, Response, StatusCode, header};

use super::client::{BodyRead, IncomingBody};
use super::decompress::decompress_prefix;
use super::error::UpstreamError;
use super::retry_after_header::retry_after;
use crate::domain::clock::Clock;
use crate::limit::ByteReservation;

/// Bodies up to this size are read before they are passed on: providers that report failures in the body send
/// short ones.
const MAX_PEEK_BYTES: usize = 8 * 1024;
/// The maximum size of a buffered body from an address of the settings, in bytes.
pub(super) const MAX_BUFFERED_BYTES: usize = 64 * 1024 * 1024;
/// The size above which a body is large, in bytes: an environment reads a few of these at the same time.
const LARGE_BODY_BYTES: usize = 256 * 1024;
/// Multiple of its size that a buffered body reserves: for itself, the parsed values and the response made of them.
const MEMORY_FACTOR: usize = 3;

/// The class of a response, which decides on a retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResponseClass {
    /// A response to pass on: a success, or an error that a retry would not change.
    Final,
    /// The provider reports that the access token is invalid. The call had no effect.
    TokenInvalid,
    /// The access token was rejected: it is invalid, or does not permit the call. The call had no effect.
    TokenRejected,
    /// Rate limited. The call had no effect.
    RateLimited,
    /// A server error. The call may have had an effect.
    ServerError,
}

impl ResponseClass {
    /// Whether the response indicates an invalid token.
    pub(super) fn is_token_error(&self) -> bool {
        matches!(self, Self::TokenInvalid | Self::TokenRejected)
    }
}

/// Attempts and durations of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallStats {
    /// The number of attempts sent.
    pub attempts: u32,
    /// The time before the last attempt: permits, the token, failed attempts and the pauses after them.
    pub waited: Duration,
    /// The time to the head of the response in the last attempt.
    pub provider_time: Duration,
}

/// The body of a response that is passed on.
pub enum ResponseBody<S> {
    /// The full body.
    Full(Bytes),
    /// Chunks as they arrive.
    Stream(S),
}

/// A response of a provider. It is boxed because it is large and moved often.
#[derive(Debug)]
pub struct ProviderResponse {
    /// The status.
    pub status: StatusCode,
    /// All headers.
    pub headers: HeaderMap,
    /// Its class.
    pub class: ResponseClass,
    /// The pause that the provider requests.
    pub retry_after: Option<Duration>,
    /// Attempts and durations.
    pub stats: CallStats,
    prefix: Bytes,
    rest: Option<IncomingBody>,
    reserved: Option<ByteReservation>,
}

/// A buffered body. Its bytes count as in flight until it is dropped.
#[derive(Debug)]
pub struct BufferedBody {
    bytes: Bytes,
    _reserved: Option<ByteReservation>,
}

impl std::ops::Deref for BufferedBody {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl ProviderResponse {
    /// Reads the head of a response and, where the body may report a failure, a prefix of it.
    pub(super) async fn receive(
        response: Response<IncomingBody>,
        clock: &dyn Clock,
        classify: impl FnOnce(StatusCode, &HeaderMap, Option<&[u8]>) -> ResponseClass,
    ) -> Result<Box<Self>, UpstreamError> {
        let (parts, mut body) = response.into_parts();
        let (status, headers) = (parts.status, parts.headers);
        let mut head = BodyPrefix::default();
        let mut is_complete = body.is_end();
        if may_report_failure(status, &headers) {
            while !is_complete && head.len() <= MAX_PEEK_BYTES {
                match body.chunk().await? {
                    None => is_complete = true,
                    Some(chunk) => {
                        head.push(chunk);
                        is_complete = body.is_end();
                    }
                }
            }
        }
        let head = head.finish();
        let class = match decompress_prefix(&headers, &head) {
            Some(text) => classify(status, &headers, is_complete.then_some(&*text)),
            None => classify(status, &headers, None),
        };
        let rest = (!is_complete).then_some(body);
        let retry_after = headers
            .contains_key(header::RETRY_AFTER)
            .then(|| retry_after(&headers, clock.now()))
            .flatten();
        Ok(Box::new(Self {
            status,
            headers,
            class,
            retry_after,
            stats: CallStats::default(),
            prefix: head,
            rest,
            reserved: None,
        }))
    }

    /// Buffers the whole body, up to `max_bytes`, which count for `reserved`.
    pub(super) async fn buffer(
        mut self: Box<Self>,
        max_bytes: usize,
        mut reserved: ByteReservation,
    ) -> Result<Box<Self>, UpstreamError> {
        reserve(&mut reserved, self.prefix.len())?;
        if let Some(mut rest) = self.rest.take() {
            let mut body = BytesMut::from(std::mem::take(&mut self.prefix));
            let mut read = BodyRead::Enough;
            if rest.declared().saturating_add(body.len()) <= LARGE_BODY_BYTES {
                read = rest
                    .read(&mut body, LARGE_BODY_BYTES, max_bytes, |more| {
                        reserve(&mut reserved, more)
                    })
                    .await?;
            }
            if read == BodyRead::Enough {
                let _permit = reserved.acquire_large_read().await?;
                read = rest
                    .read(&mut body, usize::MAX, max_bytes, |more| reserve(&mut reserved, more))
                    .await?;
            }
            if read == BodyRead::TooLarge {
                return Err(UpstreamError::TooLarge);
            }
            self.prefix = body.freeze();
        }
        self.reserved = Some(reserved);
        Ok(self)
    }

    /// Returns the body of a buffered response.
    #[must_use]
    pub fn into_body(self) -> BufferedBody {
        BufferedBody { bytes: self.prefix, _reserved: self.reserved }
    }

    /// Returns the body to pass on: in full when it has arrived, else as a stream.
    pub fn into_response_body(
        self,
    ) -> ResponseBody<impl Stream<Item = Result<Bytes, UpstreamError>> + Send + 'static> {
        let Some(mut rest) = self.rest else { return ResponseBody::Full(self.prefix) };
        rest.clear_deadline();
        let head = (!self.prefix.is_empty()).then_some(Ok(self.prefix));
        let rest = stream::unfold(Some(rest), |rest| async move {
            let mut rest: IncomingBody = rest?;
            match rest.chunk().await {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), Some(rest))),
                Err(error) => Some((Err(error.into()), None)),
            }
        });
        ResponseBody::Stream(stream::iter(head).chain(rest))
    }

    /// Creates a response of a class.
    #[cfg(test)]
    pub(super) fn of_class(class: ResponseClass) -> Box<Self> {
        let (retry_after, head) = (None, Bytes::new());
        Box::new(Self {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            class,
            retry_after,
            stats: CallStats::default(),
            prefix: head,
            rest: None,
            reserved: None,
        })
    }
}

/// The prefix of a body. A body that arrives in one chunk is not copied.
#[derive(Default)]
struct BodyPrefix {
    first: Bytes,
    more: BytesMut,
}

impl BodyPrefix {
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
fn reserve(reserved: &mut ByteReservation, bytes: usize) -> Result<(), UpstreamError> {
    Ok(reserved.grow(bytes.saturating_mul(MEMORY_FACTOR))?)
}

/// Whether the body of such a response may say that the call failed.
fn may_report_failure(status: StatusCode, headers: &HeaderMap) -> bool {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().windows(4).any(|part| part == b"json"));
    (is_json || !status.is_success()) && length.is_none_or(|length| length <= MAX_PEEK_BYTES)
}
