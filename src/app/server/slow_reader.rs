//! Protects against HTTP/2 callers that do not read a response. A flow-control window of zero occupies a stream, its
//! response and the provider's connection, and no socket timeout detects it, because other frames move. So bodies
//! are sent in pieces, and a stream whose piece is not read within the write timeout is reset.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http::Response;
use hyper::body::{Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, Sleep, sleep_until};

/// The maximum size of a piece in bytes, one HTTP/2 frame, so that a slow caller shows progress.
const MAX_PIECE_BYTES: usize = 16 * 1024;
/// The last byte of a body above this size is a separate piece: else the task would end before the last piece is read.
const MAX_SINGLE_PIECE_BYTES: usize = 1024;

tokio::task_local! {
    /// The pending piece of this task's stream.
    static PENDING: PendingPiece;
}

/// Since when a piece is pending; `None` while the body produces the next one.
#[derive(Debug, Clone, Default)]
struct PendingPiece(Arc<Mutex<Option<Instant>>>);

impl PendingPiece {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the streams of a connection, and drops those whose piece is not read within `write_timeout`.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamExecutor {
    pub(super) write_timeout: Duration,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let pending = PendingPiece::default();
        let watched = TimedStream {
            stream: Box::pin(PENDING.scope(pending.clone(), stream)),
            pending,
            write_timeout: self.write_timeout,
            timer: None,
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with its connection, as hyper's own streams do"
        )]
        tokio::spawn(watched);
    }
}

/// A stream with the timeout of its pending piece.
struct TimedStream<F> {
    stream: Pin<Box<F>>,
    pending: PendingPiece,
    write_timeout: Duration,
    /// Created by the first piece that has to wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for TimedStream<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = *self.pending.since() else { return Poll::Pending };
        let end = since + self.write_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() != end {
            timer.as_mut().reset(end);
        }
        ready!(timer.as_mut().poll(cx));
        tracing::debug!("stream reset: the caller did not read the response");
        Poll::Ready(())
    }
}

/// Splits the body of an HTTP/2 response into pieces. Outside of a stream's task it is unchanged.
pub(super) fn split_into_pieces(response: Response<Body>) -> Response<Body> {
    match PENDING.try_with(Clone::clone) {
        Ok(pending) if !response.body().is_end_stream() => response
            .map(|whole| Body::new(Pieces { whole, rest: Bytes::new(), is_end: false, pending })),
        Ok(_) | Err(_) => response,
    }
}

/// A body in pieces.
struct Pieces {
    whole: Body,
    /// The rest of its last frame.
    rest: Bytes,
    /// Whether that frame was the last one.
    is_end: bool,
    pending: PendingPiece,
}

impl Pieces {
    fn piece(&mut self) -> Bytes {
        let is_last = self.is_end && self.rest.len() <= MAX_PIECE_BYTES;
        let length = match self.rest.len() {
            all if is_last && all > MAX_SINGLE_PIECE_BYTES => all - 1,
            all => all.min(MAX_PIECE_BYTES),
        };
        self.rest.split_to(length)
    }
}

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        // A poll means that there is room: the last piece was accepted.
        *self.pending.since() = None;
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.whole).poll_frame(cx)).transpose()? {
                None => return Poll::Ready(None),
                Some(frame) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(other) => return Poll::Ready(Some(Ok(other))),
                },
            }
            self.is_end = self.whole.is_end_stream();
        }
        let piece = self.piece();
        *self.pending.since() = Some(Instant::now());
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.whole.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (of_whole, rest) = (self.whole.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(of_whole.lower().saturating_add(rest));
        if let Some(upper) = of_whole.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    #[tokio::test]
    async fn splits_a_whole_body_into_small_pieces() {
        for length in [
            0,
            1,
            MAX_SINGLE_PIECE_BYTES,
            MAX_SINGLE_PIECE_BYTES + 1,
            MAX_PIECE_BYTES,
            MAX_PIECE_BYTES + 1,
            3 * MAX_PIECE_BYTES + 7,
        ] {
            let sent: Bytes = (0..=u8::MAX).cycle().take(length).collect();
            let response = Response::new(Body::from(sent.clone()));
            let pending = PendingPiece::default();
            let mut response = PENDING.sync_scope(pending, || split_into_pieces(response));
            assert_eq!(response.body().size_hint().exact(), Some(length as u64));
            let mut received = Vec::new();
            while let Some(frame) = response.body_mut().frame().await {
                let data = frame.unwrap().into_data().unwrap();
                assert!(data.len() <= MAX_PIECE_BYTES, "{length}");
                received.extend_from_slice(&data);
            }
            assert_eq!(received, sent);
        }
    }
}
