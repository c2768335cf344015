//! The write timeout of a connection: a caller that does not read its response, or reads almost nothing, would occupy
//! the response and the provider's connection forever.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// The minimum that a caller reads within the timeout, in bytes, while there is more to read.
const MIN_BYTES_PER_TIMEOUT: usize = 16 * 1024;

/// A TCP stream whose writes fail when the peer reads too little.
pub(super) struct WriteTimeoutStream {
    stream: TcpStream,
    write_timeout: Duration,
    /// Created by the first write that has to wait.
    timer: Option<Pin<Box<Sleep>>>,
    /// The bytes read by the peer since the timer started; `None` while no write waits.
    read_bytes: Option<usize>,
}

impl WriteTimeoutStream {
    pub(super) fn new(stream: TcpStream, write_timeout: Duration) -> Self {
        Self { stream, write_timeout, timer: None, read_bytes: None }
    }

    /// Returns the result of a write. The timer runs from the first write that has to wait until everything is written,
    /// and restarts with each [`MIN_BYTES_PER_TIMEOUT`].
    fn apply_timeout(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if let (Ok(length), Some(read_bytes)) = (&written, &mut self.read_bytes) {
                *read_bytes = read_bytes.saturating_add(*length);
            }
            return Poll::Ready(written);
        }
        let until = Instant::now() + self.write_timeout;
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        if self.read_bytes.is_none_or(|read_bytes| read_bytes >= MIN_BYTES_PER_TIMEOUT) {
            self.read_bytes = Some(0);
            timer.as_mut().reset(until);
        }
        timer.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for WriteTimeoutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for WriteTimeoutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.apply_timeout(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.apply_timeout(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A flush follows when everything is written.
        self.read_bytes = None;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
