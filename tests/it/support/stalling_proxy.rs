//! Proxy in front of a server that a test can make unresponsive: it reads every byte, returns none, and closes nothing.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio_util::task::TaskTracker;

/// Target of a proxy.
#[derive(Debug, Clone)]
pub(crate) enum ProxyTarget {
    /// A port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

/// A proxy that works until it stalls.
pub(crate) struct StallingProxy {
    /// Address that clients connect to.
    pub(crate) address: SocketAddr,
    /// Bytes until the stall, in the direction of the client.
    left: Arc<AtomicUsize>,
}

impl StallingProxy {
    /// Starts a proxy in front of a server.
    pub(crate) async fn start(target: ProxyTarget) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let left = Arc::new(AtomicUsize::new(usize::MAX));
        let (tasks, shared) = (TaskTracker::new(), Arc::clone(&left));
        TaskTracker::new().spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                tasks.spawn(forward(near, target.clone(), Arc::clone(&shared)));
            }
        });
        Ok(Self { address, left })
    }

    /// Stalls after so many bytes to the client, also in the middle of a message.
    pub(crate) fn stall_after(&self, bytes: usize) {
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Works again for new connections. Stalled ones stay stalled.
    pub(crate) fn restore(&self) {
        self.left.store(usize::MAX, Ordering::SeqCst);
    }
}

async fn forward(near: TcpStream, far: ProxyTarget, left: Arc<AtomicUsize>) {
    match far {
        ProxyTarget::Tcp(address) => {
            if let Ok(far) = TcpStream::connect(address).await {
                copy_both_ways(near, far, left).await;
            }
        }
        ProxyTarget::Unix(path) => {
            if let Ok(far) = UnixStream::connect(path).await {
                copy_both_ways(near, far, left).await;
            }
        }
    }
}

async fn copy_both_ways(near: TcpStream, far: impl AsyncRead + AsyncWrite, left: Arc<AtomicUsize>) {
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
    // When the caller closes the connection, so does the proxy.
    tokio::select! {
        _ = there => {}
        () = back => {}
    }
}
