//! What a provider answered: the head is looked at, the rest may still be on its way.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, StatusCode, header};

use super::error::UpstreamError;

/// Bodies up to this size are looked at before they are passed on: providers that report failures in
/// the body keep those short.
const PEEK: usize = 8 * 1024;
/// The largest body that is read as a whole.
const MAX_WHOLE: usize = 64 * 1024 * 1024;

/// What an answer means for whoever sent the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// An answer to pass on: a success, or a failure that would be the same again.
    Final,
    /// The access token is dead. Nothing was done.
    DeadToken,
    /// Too fast. Nothing was done. The provider said how long to wait, or didn't.
    TooFast(Option<Duration>),
    /// The provider is in trouble: something may have been done.
    Trouble,
}

/// An answer of a provider.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers, all of them.
    pub headers: HeaderMap,
    /// What it means.
    pub verdict: Verdict,
    head: Bytes,
    rest: Option<reqwest::Response>,
}

impl Answer {
    /// Takes the head of a response, and of its body what can be looked at.
    pub(super) async fn receive(
        mut response: reqwest::Response,
        verdict: impl FnOnce(StatusCode, &HeaderMap, Option<&[u8]>) -> Verdict,
    ) -> Result<Self, UpstreamError> {
        let status = response.status();
        let headers = response.headers().clone();
        let mut head = BytesMut::new();
        let mut whole = false;
        if may_tell(status, &headers) {
            loop {
                match response.chunk().await.map_err(UpstreamError::broken)? {
                    None => {
                        whole = true;
                        break;
                    }
                    Some(chunk) => head.extend_from_slice(&chunk),
                }
                if head.len() > PEEK {
                    break;
                }
            }
        }
        let verdict = verdict(status, &headers, whole.then_some(head.as_ref()));
        let rest = (!whole).then_some(response);
        Ok(Self { status, headers, verdict, head: head.freeze(), rest })
    }

    /// The same answer with its whole body in memory.
    pub(super) async fn whole(mut self) -> Result<Self, UpstreamError> {
        let Some(mut response) = self.rest.take() else { return Ok(self) };
        let mut body = BytesMut::from(self.head);
        while let Some(chunk) = response.chunk().await.map_err(UpstreamError::broken)? {
            if body.len() + chunk.len() > MAX_WHOLE {
                return Err(UpstreamError::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        self.head = body.freeze();
        Ok(self)
    }

    /// The body, of an answer that was asked for as a whole.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.head
    }

    /// The body, piece by piece, as it comes.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, UpstreamError>> + Send + 'static {
        let head = (!self.head.is_empty()).then_some(Ok(self.head));
        let rest = stream::unfold(self.rest, |rest| async move {
            let mut response = rest?;
            match response.chunk().await {
                Ok(None) => None,
                Ok(Some(chunk)) => Some((Ok(chunk), Some(response))),
                Err(error) => Some((Err(UpstreamError::broken(error)), None)),
            }
        });
        stream::iter(head).chain(rest)
    }
}

/// Whether the body of such an answer may say that the call failed.
fn may_tell(status: StatusCode, headers: &HeaderMap) -> bool {
    let length = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let is_json = headers
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().windows(4).any(|part| part == b"json"));
    let is_plain = !headers.contains_key(header::CONTENT_ENCODING);
    is_plain && (is_json || !status.is_success()) && length.is_none_or(|length| length <= PEEK)
}
