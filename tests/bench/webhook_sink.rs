//! Endpoints that receive webhooks on this machine: one that responds immediately, and one that never responds.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Header with the id of the event.
const WEBHOOK_ID: &str = "webhook-id";
/// Interval of the checks whether all events have arrived.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// What an endpoint has received.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Number of requests.
    pub(crate) requests: usize,
    /// When the first request for each event was there, by the event's id.
    pub(crate) events: HashMap<String, Instant>,
}

/// An endpoint that responds with 204 and keeps its connections open. Dropping it closes the listener.
#[derive(Debug)]
pub(crate) struct Sink {
    url: String,
    received: Arc<Mutex<Received>>,
    _server: JoinSet<io::Result<()>>,
}

impl Sink {
    /// Starts one on a free port.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let received = Arc::new(Mutex::new(Received::default()));
        let recorded = Arc::clone(&received);
        let respond = move |headers: HeaderMap, _: Bytes| {
            record(&recorded, &headers);
            std::future::ready(StatusCode::NO_CONTENT)
        };
        let routes: Router = Router::new().fallback(respond);
        let listener = listener.tap_io(|stream| {
            // Without it responses may be slower, but arrive all the same.
            let _ = stream.set_nodelay(true);
        });
        let mut server = JoinSet::new();
        server.spawn(axum::serve(listener, routes).into_future());
        Ok(Self { url, received, _server: server })
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Waits until it has received as many events, at most until `deadline`. Returns whether it has.
    pub(crate) async fn wait_for(&self, events: usize, deadline: Instant) -> bool {
        loop {
            if lock(&self.received).events.len() >= events {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    /// Returns what it has received since the last call.
    pub(crate) fn take(&self) -> Received {
        std::mem::take(&mut *lock(&self.received))
    }
}

fn record(received: &Mutex<Received>, headers: &HeaderMap) {
    let at = Instant::now();
    let id = headers.get(WEBHOOK_ID).and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
    let mut received = lock(received);
    received.requests += 1;
    received.events.entry(id).or_insert(at);
}

fn lock(received: &Mutex<Received>) -> MutexGuard<'_, Received> {
    received.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An endpoint that accepts connections and never responds. Dropping it closes them.
#[derive(Debug)]
pub(crate) struct SilentEndpoint {
    url: String,
    _server: JoinSet<()>,
}

impl SilentEndpoint {
    /// Starts one on a free port.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut open = Vec::new();
            while let Ok((connection, _)) = listener.accept().await {
                open.push(connection);
            }
        });
        Ok(Self { url, _server: server })
    }

    /// Returns its URL.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}
