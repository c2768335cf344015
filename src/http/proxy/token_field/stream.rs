//! Checks a large body while it is streamed to the provider.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::FieldFormat;
use super::editor::{FieldEditor, UnreadableFields};
use crate::http::extract::PartialBody;
use crate::upstream::BoxError;

/// Whether the `token` field came after the buffered prefix, or the rest was unreadable; the call was aborted.
#[derive(Debug, Clone, Default)]
pub(in crate::http::proxy) struct LateToken(Arc<AtomicBool>);

impl LateToken {
    /// Whether the call was aborted for it.
    pub(in crate::http::proxy) fn happened(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The buffered prefix of a body without the field, and the rest.
pub(in crate::http::proxy) struct CheckedBody {
    prefix: Bytes,
    rest: Option<Body>,
    editor: Box<dyn FieldEditor>,
    /// Number of tokens in the prefix.
    prefix_tokens: usize,
    /// Remaining bytes, if known.
    length: Option<u64>,
    late: LateToken,
}

impl CheckedBody {
    /// Creates the body, and returns the tokens in its prefix. `length` is that of the whole body.
    pub(in crate::http::proxy) fn new(
        format: &FieldFormat,
        PartialBody { begin, rest }: PartialBody,
        length: Option<u64>,
    ) -> Result<(Self, Vec<String>), UnreadableFields> {
        let mut editor = format.editor();
        let mut out = Vec::with_capacity(begin.len());
        editor.push(&begin, &mut out)?;
        let tokens = editor.found().to_vec();
        let known = tokens.len();
        // Removed fields change the length.
        let length = length.filter(|_| known == 0);
        let late = LateToken::default();
        Ok((Self { prefix: out.into(), rest, editor, prefix_tokens: known, length, late }, tokens))
    }

    /// Returns a handle that reports whether the field came too late.
    pub(in crate::http::proxy) fn late_token(&self) -> LateToken {
        self.late.clone()
    }

    fn check(&mut self, piece: Option<&[u8]>) -> Result<Bytes, BoxError> {
        let mut out = Vec::with_capacity(piece.map_or(0, <[u8]>::len));
        let pushed = match piece {
            Some(piece) => self.editor.push(piece, &mut out),
            None => self.editor.finish(&mut out),
        };
        if pushed.is_err() || self.editor.found().len() > self.prefix_tokens {
            self.late.0.store(true, Ordering::Release);
            return Err("the field `token` came too late in the body".into());
        }
        Ok(out.into())
    }

    fn data_frame(&mut self, piece: Bytes) -> Frame<Bytes> {
        let length = u64::try_from(piece.len()).unwrap_or(u64::MAX);
        self.length = self.length.map(|left| left.saturating_sub(length));
        Frame::data(piece)
    }
}

impl HttpBody for CheckedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if !this.prefix.is_empty() {
            let ahead = std::mem::take(&mut this.prefix);
            return Poll::Ready(Some(Ok(this.data_frame(ahead))));
        }
        loop {
            let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
            let piece = match ready!(Pin::new(rest).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => this.check(Some(&piece)),
                    // Trailers contain no fields and apply to this hop only.
                    Err(_) => continue,
                },
                Some(Err(error)) => Err(error.into()),
                None => {
                    this.rest = None;
                    this.check(None)
                }
            };
            match piece {
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Poll::Ready(Some(Ok(this.data_frame(piece)))),
                Err(error) => {
                    this.rest = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
