//! The body of a request on its way to a provider.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::error::BoxError;

/// A body that passes through once.
pub type OneWay = UnsyncBoxBody<Bytes, BoxError>;

/// What is sent.
#[derive(Debug)]
pub(crate) enum Payload {
    /// All of it is here.
    Whole(Full<Bytes>),
    /// It comes piece by piece.
    Passing(OneWay, Progress),
}

/// How far a body has come on its way.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Mutex<Step>>);

/// The last step of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// When its last piece came.
    pub(super) at: Instant,
    /// So many bytes have come.
    pub(super) bytes: usize,
    /// Whether the next piece is to come from the caller; else the provider has not taken the last one.
    pub(super) awaits_caller: bool,
}

impl Progress {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(Step { at: Instant::now(), bytes: 0, awaits_caller: false })))
    }

    /// Returns the last step.
    pub(super) fn last(&self) -> Step {
        *self.step()
    }

    /// Notes what a poll for the next piece gave: only a piece is progress.
    fn note(&self, frame: &Poll<Option<Result<Frame<Bytes>, BoxError>>>) {
        let mut step = self.step();
        step.awaits_caller = frame.is_pending();
        if let Poll::Ready(frame) = frame {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            step.at = Instant::now();
            step.bytes = step.bytes.saturating_add(data.map_or(0, Bytes::len));
        }
    }

    fn step(&self) -> MutexGuard<'_, Step> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Payload {
    /// A body that passes through.
    pub(super) fn passing(body: OneWay) -> Self {
        Self::Passing(body, Progress::new())
    }

    /// Tells when its pieces go out, of a body that passes through.
    pub(super) fn progress(&self) -> Option<Progress> {
        match self {
            Self::Whole(_) => None,
            Self::Passing(_, progress) => Some(progress.clone()),
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::Whole(Full::new(bytes))
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Passing(body, progress) => {
                let frame = Pin::new(body).poll_frame(cx);
                progress.note(&frame);
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Passing(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Passing(body, _) => body.size_hint(),
        }
    }
}
