//! What a provider answered: the head is looked at, the rest may still be on its way.

use std::borrow::Cow;
use std::io::Read;
use std::time::Duration;

use brotli_decompressor::Decompressor;
use bytes::{Bytes, BytesMut};
use flate2::read::{GzDecoder, ZlibDecoder};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use super::client::Arriving;
use super::error::UpstreamError;

/// Bodies up to this size are looked at before they are passed on: providers that report failures in
/// the body keep those short.
const PEEK: usize = 8 * 1024;
/// So much of a compressed head is unpacked to be looked at.
const UNPACKED: u64 = 64 * 1024;
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
    /// What it took.
    pub facts: Facts,
    head: Bytes,
    rest: Option<Arriving>,
}

impl Answer {
    /// Takes the head of a response, and of its body what can be looked at.
    pub(super) async fn receive(
        response: Response<Arriving>,
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
        Ok(Box::new(Self { status, headers, verdict, facts: Facts::default(), head, rest }))
    }

    /// The same answer with its whole body in memory.
    pub(super) async fn whole(mut self: Box<Self>) -> Result<Box<Self>, UpstreamError> {
        let Some(mut rest) = self.rest.take() else { return Ok(self) };
        let head = std::mem::take(&mut self.head);
        self.head = rest.whole(head, MAX_WHOLE).await?.ok_or(UpstreamError::TooLarge)?;
        Ok(self)
    }

    /// The body, of an answer that was asked for as a whole.
    #[must_use]
    pub fn into_body(self) -> Bytes {
        self.head
    }

    /// The body, to be passed on: piece by piece as it comes, or all of it where it is here already.
    pub fn into_passed(
        self,
    ) -> Passed<impl Stream<Item = Result<Bytes, UpstreamError>> + Send + 'static> {
        let Some(rest) = self.rest else { return Passed::Whole(self.head) };
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
        Box::new(Self { status, headers, verdict, facts, head: Bytes::new(), rest: None })
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

/// The head of a body as it can be looked at. The caller asks the provider for compression, and gets what
/// comes untouched; `None` for a compression that we can't look into.
fn plain<'h>(headers: &HeaderMap, head: &'h Bytes) -> Option<Cow<'h, [u8]>> {
    let coding = headers.get(header::CONTENT_ENCODING).map(HeaderValue::as_bytes);
    let packed = &**head;
    let unpack: &mut dyn Read = match coding {
        None | Some(b"identity") => return Some(Cow::Borrowed(head)),
        Some(b"gzip" | b"x-gzip") => &mut GzDecoder::new(packed),
        Some(b"deflate") => &mut ZlibDecoder::new(packed),
        Some(b"br") if !has_large_window(packed) => &mut Decompressor::new(packed, PEEK),
        Some(_) => return None,
    };
    let mut text = Vec::new();
    unpack.take(UNPACKED).read_to_end(&mut text).ok()?;
    Some(Cow::Owned(text))
}

/// Whether a brotli stream wants a window of up to 1 GB. The standard has none above 16 MB, and keeps this
/// beginning free: <https://www.rfc-editor.org/rfc/rfc7932#section-9.1>. The decoder would take it.
fn has_large_window(packed: &[u8]) -> bool {
    packed.first().is_some_and(|first| first & 0x7f == 0x11)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A refusal, packed in each way, in hexadecimal digits.
    const PACKED: [(&str, &str); 4] = [
        ("identity", "7b226f6b223a66616c73652c226572726f72223a22746f6b656e5f7265766f6b6564227d"),
        (
            "gzip",
            "1f8b0800000000000003ab56cacf56b24a4bcc294ed5514a2d2aca2f52b2522ac9cf4ecd8b2f4a2dcbcf4e4d51aa05\
             000badd43224000000",
        ),
        (
            "deflate",
            "789cab56cacf56b24a4bcc294ed5514a2d2aca2f52b2522ac9cf4ecd8b2f4a2dcbcf4e4d51aa0500e64d0ce4",
        ),
        ("br", "8b11807b226f6b223a66616c73652c226572726f72223a22746f6b656e5f7265766f6b6564227d03"),
    ];
    /// The same, for a window of 256 MB.
    const WIDE: &str =
        "111c4600027b226f6b223a66616c73652c226572726f72223a22746f6b656e5f7265766f6b6564227d03";

    fn bytes(hex: &str) -> Bytes {
        let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
        pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    #[test]
    fn a_refusal_is_seen_however_it_is_packed() {
        for (coding, packed) in PACKED {
            let packed = bytes(packed);
            let headers = HeaderMap::from_iter([(
                header::CONTENT_ENCODING,
                HeaderValue::from_static(coding),
            )]);
            let text = plain(&headers, &packed).unwrap();
            assert_eq!(&*text, br#"{"ok":false,"error":"token_revoked"}"#, "{coding}");
            if coding != "identity" {
                let garbage = Bytes::from_static(b"{\"ok\":false}");
                assert_eq!(plain(&headers, &garbage), None, "{coding}");
            }
        }
        let headers =
            HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static("other"))]);
        assert_eq!(plain(&headers, &Bytes::new()), None);
    }

    #[test]
    fn nobody_makes_us_keep_a_window_larger_than_the_standard_has() {
        let headers =
            HeaderMap::from_iter([(header::CONTENT_ENCODING, HeaderValue::from_static("br"))]);
        assert_eq!(plain(&headers, &bytes(WIDE)), None);
    }
}
