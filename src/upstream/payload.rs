//! The body of a request on its way to a provider.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::client::BoxError;

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

/// When the last piece of a body went out.
#[derive(Debug, Clone)]
pub(crate) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    /// When that was.
    pub(super) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl Payload {
    /// A body that passes through.
    pub(super) fn passing(body: OneWay) -> Self {
        Self::Passing(body, Progress(Arc::new(Mutex::new(Instant::now()))))
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
                progress.note();
                Pin::new(body).poll_frame(cx)
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
