//! A large body on its way to the provider, checked while it passes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::FieldFormat;
use super::editor::{Editor, Unreadable};
use crate::http::extract::Ahead;
use crate::upstream::BoxError;

/// The field came behind what is read ahead, or nobody can tell whether it did. The call was broken off.
#[derive(Debug, Clone, Default)]
pub(in crate::http::proxy) struct Late(Arc<AtomicBool>);

impl Late {
    /// Whether that happened.
    pub(in crate::http::proxy) fn happened(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// The beginning of a body, read ahead and without the field, and the rest of it.
pub(in crate::http::proxy) struct CheckedBody {
    ahead: Bytes,
    rest: Option<Body>,
    editor: Box<dyn Editor>,
    /// So many tokens were taken out of the beginning.
    known: usize,
    /// So many bytes are still to come, when that is known.
    length: Option<u64>,
    late: Late,
}

impl CheckedBody {
    /// The body behind what was read ahead, and the tokens in that. `length` is the whole body's.
    pub(in crate::http::proxy) fn new(
        format: &FieldFormat,
        Ahead { begin, rest }: Ahead,
        length: Option<u64>,
    ) -> Result<(Self, Vec<String>), Unreadable> {
        let mut editor = format.editor();
        let mut out = Vec::with_capacity(begin.len());
        editor.push(&begin, &mut out)?;
        let tokens = editor.found().to_vec();
        let known = tokens.len();
        // Without what was taken out, it is another length.
        let length = length.filter(|_| known == 0);
        let late = Late::default();
        Ok((Self { ahead: out.into(), rest, editor, known, length, late }, tokens))
    }

    /// Tells afterwards whether the field came late.
    pub(in crate::http::proxy) fn late(&self) -> Late {
        self.late.clone()
    }

    fn check(&mut self, piece: Option<&[u8]>) -> Result<Bytes, BoxError> {
        let mut out = Vec::with_capacity(piece.map_or(0, <[u8]>::len));
        let pushed = match piece {
            Some(piece) => self.editor.push(piece, &mut out),
            None => self.editor.finish(&mut out),
        };
        if pushed.is_err() || self.editor.found().len() > self.known {
            self.late.0.store(true, Ordering::Release);
            return Err("the field `token` came late in the body".into());
        }
        Ok(out.into())
    }

    fn passed(&mut self, piece: Bytes) -> Frame<Bytes> {
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
        if !this.ahead.is_empty() {
            let ahead = std::mem::take(&mut this.ahead);
            return Poll::Ready(Some(Ok(this.passed(ahead))));
        }
        loop {
            let Some(rest) = &mut this.rest else { return Poll::Ready(None) };
            let piece = match ready!(Pin::new(rest).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(piece) => this.check(Some(&piece)),
                    // Trailers say nothing about fields, and are for this hop.
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
                Ok(piece) => return Poll::Ready(Some(Ok(this.passed(piece)))),
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
