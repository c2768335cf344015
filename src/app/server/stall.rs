//! A stream whose other end has to take what is written: a caller that asks and does not read, or next to nothing,
//! would hold its response, and the provider's connection behind it, for ever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// The least that has to be taken within the time-out, in bytes, while there is more to take.
const MIN_TAKEN: usize = 16 * 1024;

/// A stream that fails when too little of what is written is taken.
pub(super) struct Stall {
    stream: TcpStream,
    write_timeout: Duration,
    /// Made by the first write that has to wait.
    timer: Option<Pin<Box<Sleep>>>,
    /// What was taken since the time runs; `None` while nothing waits.
    taken: Option<usize>,
}

impl Stall {
    pub(super) fn new(stream: TcpStream, write_timeout: Duration) -> Self {
        Self { stream, write_timeout, timer: None, taken: None }
    }

    /// Passes on what a write came to. The time runs from the first write that has to wait until everything is
    /// written, and begins anew with each [`MIN_TAKEN`].
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if let (Ok(length), Some(taken)) = (&written, &mut self.taken) {
                *taken = taken.saturating_add(*length);
            }
            return Poll::Ready(written);
        }
        let until = Instant::now() + self.write_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if self.taken.is_none_or(|taken| taken >= MIN_TAKEN) {
            self.taken = Some(0);
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Stall {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stall {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // It is asked for when everything was written.
        self.taken = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
