//! The body of a request to a provider, and its progress.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::error::BoxError;

/// A streamed body; it can be sent once only.
pub type StreamBody = UnsyncBoxBody<Bytes, BoxError>;

/// The body of a request.
#[derive(Debug)]
pub(crate) enum UpstreamRequestBody {
    /// A body in memory.
    Full(Full<Bytes>),
    /// A streamed body.
    Stream(StreamBody, BodyProgress),
}

/// The progress of a streamed body. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct BodyProgress(Arc<Mutex<ProgressStep>>);

/// The last progress of a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProgressStep {
    /// When the last chunk arrived.
    pub(super) at: Instant,
    /// The number of bytes so far.
    pub(super) bytes: usize,
    /// Whether the caller has to send the next chunk; else the provider has not read the last one.
    pub(super) awaits_caller: bool,
}

impl BodyProgress {
    fn new() -> Self {
        Self(Arc::new(Mutex::new(ProgressStep {
            at: Instant::now(),
            bytes: 0,
            awaits_caller: false,
        })))
    }

    /// Returns the last step.
    pub(super) fn last(&self) -> ProgressStep {
        *self.step()
    }

    /// Records a poll for the next chunk: only a chunk is progress.
    fn record(&self, frame: &Poll<Option<Result<Frame<Bytes>, BoxError>>>) {
        let mut step = self.step();
        step.awaits_caller = frame.is_pending();
        if let Poll::Ready(frame) = frame {
            let data = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref());
            step.at = Instant::now();
            step.bytes = step.bytes.saturating_add(data.map_or(0, Bytes::len));
        }
    }

    fn step(&self) -> MutexGuard<'_, ProgressStep> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UpstreamRequestBody {
    /// Creates a streamed body.
    pub(super) fn streamed(body: StreamBody) -> Self {
        Self::Stream(body, BodyProgress::new())
    }

    /// Returns the progress of a streamed body.
    pub(super) fn progress(&self) -> Option<BodyProgress> {
        match self {
            Self::Full(_) => None,
            Self::Stream(_, progress) => Some(progress.clone()),
        }
    }
}

impl From<Bytes> for UpstreamRequestBody {
    fn from(bytes: Bytes) -> Self {
        Self::Full(Full::new(bytes))
    }
}

impl Body for UpstreamRequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Full(body) => Pin::new(body).poll_frame(cx).map_err(|never| match never {}),
            Self::Stream(body, progress) => {
                let frame = Pin::new(body).poll_frame(cx);
                progress.record(&frame);
                frame
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(body) => body.is_end_stream(),
            Self::Stream(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(body) => body.size_hint(),
            Self::Stream(body, _) => body.size_hint(),
        }
    }
}
