//! A line to a server that a test can make fall silent: it takes every byte, brings none back, and closes nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::task::TaskTracker;

/// Where a line leads.
#[derive(Debug, Clone)]
pub(crate) enum Far {
    /// To a port.
    Tcp(SocketAddr),
    /// To a socket.
    Unix(PathBuf),
}

/// A line that works until it is silenced.
pub(crate) struct Line {
    /// Its near end.
    pub(crate) address: SocketAddr,
    /// So many bytes more come back on it.
    left: Arc<AtomicUsize>,
}

impl Line {
    /// A line to a server.
    pub(crate) async fn to(far: Far) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let (tasks, shared) = (TaskTracker::new(), Arc::clone(&left));
        TaskTracker::new().spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tasks.spawn(carry(near, far.clone(), Arc::clone(&shared)));
            }
        });
        Ok(Self { address, left })
    }

    /// Falls silent when so many bytes more have come back, in the middle of whatever they are a part of.
    pub(crate) fn silence_after(&self, bytes: usize) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Works again. What fell silent on it stays so.
    pub(crate) fn mend(&self) {
        self.left.store(usize::MAX, Ordering::SeqCst);
    }
}

async fn carry(near: TcpStream, far: Far, left: Arc<AtomicUsize>) {
    match far {
        Far::Tcp(address) => {
            if let Ok(far) = TcpStream::connect(address).await {
                both(near, far, left).await;
            }
        }
        Far::Unix(path) => {
            if let Ok(far) = UnixStream::connect(path).await {
                both(near, far, left).await;
            }
        }
    }
}

async fn both(near: TcpStream, far: impl AsyncRead + AsyncWrite, left: Arc<AtomicUsize>) {
    let (mut from_near, mut to_near) = near.into_split();
    let (mut from_far, mut to_far) = tokio::io::split(far);
    let there = tokio::io::copy(&mut from_near, &mut to_far);
    let back = async {
        let mut bytes = vec![0; 16 * 1024];
        loop {
            let length = from_far.read(&mut bytes).await.unwrap_or_default();
            let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                Some(if left == usize::MAX { left } else { left.saturating_sub(length) })
            });
            let passes = length.min(taken.unwrap_or_default());
            if length == 0
                || to_near.write_all(bytes.get(..passes).unwrap_or_default()).await.is_err()
            {
                return;
            }
            if passes < length {
                std::future::pending::<()>().await;
            }
        }
    };
    // The caller hangs up: so does the line.
    tokio::select! {
        _ = there => {}
        () = back => {}
    }
}
