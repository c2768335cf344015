//! HTTP/2 callers that take nothing of a response. A window of zero holds a stream, its response and the provider's
//! connection behind it, and no time-out of the socket sees it: other frames move. So the body is offered in pieces,
//! and the task of a stream whose piece is not taken in time is dropped, which resets the stream.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use http::Response;
use hyper::body::{Frame, SizeHint};
use hyper::rt::Executor;
use tokio::time::{Instant, Sleep, sleep_until};

/// The most bytes that are offered together, so that a slow caller shows progress: one frame of HTTP/2.
const PIECE: usize = 16 * 1024;
/// The last byte of a body above this size is offered apart: else the task would end before its last piece was taken.
const SMALL: usize = 1024;

tokio::task_local! {
    /// The piece that the stream of this task offers.
    static OFFERED: Offered;
}

/// Since when a piece is offered; `None` when the body has to come up with the next one.
#[derive(Debug, Clone, Default)]
struct Offered(Arc<Mutex<Option<Instant>>>);

impl Offered {
    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the streams of a connection, and drops those that take no piece within `write_timeout`.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamExecutor {
    pub(super) write_timeout: Duration,
}

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let offered = Offered::default();
        let watched = Watched {
            stream: Box::pin(OFFERED.scope(offered.clone(), stream)),
            offered,
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

/// A stream, and the time that its offer has left.
struct Watched<F> {
    stream: Pin<Box<F>>,
    offered: Offered,
    write_timeout: Duration,
    /// Made by the first offer that has to wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for Watched<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.stream.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let Some(since) = *self.offered.since() else { return Poll::Pending };
        let end = since + self.write_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
        if timer.deadline() != end {
            timer.as_mut().reset(end);
        }
        ready!(timer.as_mut().poll(cx));
        tracing::debug!("a caller took nothing of a response");
        Poll::Ready(())
    }
}

/// Offers the body of a response of HTTP/2 in pieces. Outside of a stream's task it stays as it is.
pub(super) fn in_pieces(response: Response<Body>) -> Response<Body> {
    match OFFERED.try_with(Clone::clone) {
        Ok(offered) if !response.body().is_end_stream() => response
            .map(|whole| Body::new(Pieces { whole, rest: Bytes::new(), is_end: false, offered })),
        Ok(_) | Err(_) => response,
    }
}

/// A body in pieces.
struct Pieces {
    whole: Body,
    /// What is left of its last frame.
    rest: Bytes,
    /// Whether that was the last one.
    is_end: bool,
    offered: Offered,
}

impl Pieces {
    fn piece(&mut self) -> Bytes {
        let is_last = self.is_end && self.rest.len() <= PIECE;
        let length = match self.rest.len() {
            all if is_last && all > SMALL => all - 1,
            all => all.min(PIECE),
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
        // Whoever asks has room: the last piece is on its way.
        *self.offered.since() = None;
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
        *self.offered.since() = Some(Instant::now());
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
    async fn offers_all_of_a_body_in_small_pieces() {
        for length in [0, 1, SMALL, SMALL + 1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let sent: Bytes = (0..=u8::MAX).cycle().take(length).collect();
            let response = Response::new(Body::from(sent.clone()));
            let offered = Offered::default();
            let mut response = OFFERED.sync_scope(offered, || in_pieces(response));
            assert_eq!(response.body().size_hint().exact(), Some(length as u64));
            let mut came = Vec::new();
            while let Some(frame) = response.body_mut().frame().await {
                let data = frame.unwrap().into_data().unwrap();
                assert!(data.len() <= PIECE, "{length}");
                came.extend_from_slice(&data);
            }
            assert_eq!(came, sent);
        }
    }
}
