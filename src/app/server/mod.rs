//! The HTTP server: takes connections, and gives each to the thread that has the fewest.
//!
//! A thread moves the bytes of its callers and of its own connections to the providers, so that a raw
//! call never waits for another thread; what computes is done on the main runtime ([`Front`]).

mod connection;
mod processors;
mod slow_reader;
mod stall;
mod threads;
mod tls;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(super) use self::connection::Rules;
use self::connection::Visitor;
pub(super) use self::threads::Threads;
use crate::http::Front;
use crate::telemetry::Metrics;

/// The pause after the system could not give a connection, mostly for want of file handles.
const PAUSE: Duration = Duration::from_millis(100);

/// How a connection is tried that says nothing: its other end may have gone without a word.
const KEEPALIVE: TcpKeepalive = TcpKeepalive::new()
    .with_time(Duration::from_mins(1))
    .with_interval(Duration::from_secs(10))
    .with_retries(3);

/// Where connections are attended to.
pub(super) enum Place {
    /// On the runtime that takes them.
    Here(Arc<Front>),
    /// On threads of their own.
    Threads(Threads),
}

/// Takes connections until `stop`, then lets running requests end. Dropping it cuts them off.
pub(super) async fn serve(
    listener: TcpListener,
    place: &Place,
    rules: Rules,
    metrics: &Metrics,
    stop: CancellationToken,
) {
    let rules = Arc::new(rules);
    let seats = Arc::new(Semaphore::new(rules.max_connections));
    let open = TaskTracker::new();
    while let Some((stream, seat)) = next(&listener, &seats, &stop).await {
        let (rules, stop, counted) = (Arc::clone(&rules), stop.clone(), metrics.open_connection());
        let visitor = Visitor { stream, seat, rules, stop, counted };
        match place {
            Place::Here(front) => drop(open.spawn(visitor.attend(Arc::clone(front)))),
            Place::Threads(threads) => threads.give(visitor, &open),
        }
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// The next connection and its seat; `None` once told to stop.
async fn next(
    listener: &TcpListener,
    seats: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(std::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    loop {
        let accepted = async {
            let seat = Arc::clone(seats).acquire_owned().await.map_err(io::Error::other)?;
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_keepalive(&KEEPALIVE)?;
            Ok::<_, io::Error>((stream.into_std()?, seat))
        };
        tokio::select! {
            () = stop.cancelled() => return None,
            accepted = accepted => match accepted {
                Ok(accepted) => return Some(accepted),
                Err(error) => {
                    tracing::debug!(%error, "no connection");
                    tokio::time::sleep(PAUSE).await;
                }
            },
        }
    }
}
