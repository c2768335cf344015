//! The pool of idle connections to providers.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use foldhash::HashMap;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::{Body as _, Incoming};
use tower::Service as _;

use super::body::UpstreamRequestBody;
use super::connector::Connector;
use super::error::SendError;
use super::http_conn::{self, ExchangeError, Http1Connection, Http2Handle, HttpConnection};

/// The interval between two sweeps of idle connections. A connection survives one sweep, so it is idle for at most
/// two intervals: less than the usual timeout of servers, so that this side closes first.
const SWEEP_INTERVAL: Duration = Duration::from_secs(27);
/// The maximum number of idle HTTP/1.1 connections per host.
const MAX_IDLE_PER_HOST: usize = 256;

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub(super) struct ConnectionPool {
    connector: Connector,
    idle: Arc<IdlePool>,
}

impl std::fmt::Debug for ConnectionPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ConnectionPool")
    }
}

/// The scheme and authority of a host, compared byte by byte: another spelling has its own connections.
#[derive(Clone)]
struct HostKey {
    scheme: Scheme,
    authority: Authority,
}

impl HostKey {
    fn from_uri(uri: &Uri) -> Option<Self> {
        Some(Self { scheme: uri.scheme()?.clone(), authority: uri.authority()?.clone() })
    }

    fn parts(&self) -> (&str, &str) {
        (self.scheme.as_str(), self.authority.as_str())
    }
}

impl PartialEq for HostKey {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for HostKey {}

impl Hash for HostKey {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.parts().hash(hasher);
    }
}

/// A response whose body is still to come.
pub(super) struct ExchangeResponse {
    pub(super) response: Response<Incoming>,
    /// The HTTP/1.1 connection it arrives on; `None` for HTTP/2, and when there is no body.
    pub(super) connection: Option<PooledConnection>,
}

/// The idle connections.
#[derive(Default)]
struct IdlePool(Mutex<IdleState>);

#[derive(Default)]
struct IdleState {
    hosts: HashMap<HostKey, IdleHost>,
    /// The number of sweeps so far.
    sweeps: u64,
    /// Whether the sweeper task runs.
    is_sweeping: bool,
}

/// The idle connections of one host.
#[derive(Default)]
struct IdleHost {
    /// Each with the sweep since which it is idle; the most recently used one is last.
    http1: Vec<(Http1Connection, u64)>,
    /// With the sweep in which it was used last. Its running exchanges end after it is dropped.
    http2: Option<(Http2Handle, u64)>,
}

/// An HTTP/1.1 connection in use, returned to the pool after its response was read.
pub(super) struct PooledConnection {
    pub(super) http1: Http1Connection,
    host: HostKey,
    pool: Weak<IdlePool>,
}

impl PooledConnection {
    /// Returns it to the pool, unless it can't be reused.
    pub(super) fn release(mut self) {
        if self.http1.is_ready()
            && let Some(pool) = self.pool.upgrade()
        {
            pool.put_http1(self.host, self.http1);
        }
    }
}

impl ConnectionPool {
    /// Creates an empty pool.
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, idle: Arc::default() }
    }

    /// Returns an empty pool with the same connector.
    pub(super) fn with_own_connections(&self) -> Self {
        Self::new(self.connector.clone())
    }

    /// Sends a request and waits for the head of the response. A request that an idle connection did not accept,
    /// because the peer was closing it, is sent over another one.
    pub(super) async fn exchange(
        &self,
        mut request: Box<Request<UpstreamRequestBody>>,
    ) -> Result<ExchangeResponse, SendError> {
        let host = HostKey::from_uri(request.uri())
            .ok_or_else(|| SendError::Connect("no address".into()))?;
        loop {
            let (http_connection, is_new) = match self.idle.take(&host) {
                Some(http_connection) => (http_connection, false),
                // Boxed, as all rare paths here: they would enlarge the future of every call.
                None => (Box::pin(self.connect(request.uri())).await?, true),
            };
            let result = match http_connection {
                HttpConnection::Http2(mut handle) => {
                    if is_new {
                        self.idle.put_http2(host.clone(), handle.clone());
                    }
                    to_http2(&mut request);
                    let response = http_conn::exchange_http2(&mut handle, request);
                    let response = Box::pin(response).await;
                    response.map(|response| ExchangeResponse { response, connection: None })
                }
                HttpConnection::Http1(http1) => {
                    let pool = Arc::downgrade(&self.idle);
                    let mut connection = PooledConnection { http1, host: host.clone(), pool };
                    to_http1(&mut request, connection.http1.host.clone());
                    let response = connection.http1.exchange(request).await;
                    response.map(|response| attach_connection(response, connection))
                }
            };
            match result {
                Ok(response) => return Ok(response),
                Err(ExchangeError::MaybeSent(error)) => return Err(SendError::Interrupted(error)),
                Err(ExchangeError::NotSent(_, error)) if is_new => {
                    return Err(SendError::Connect(error));
                }
                Err(ExchangeError::NotSent(mut unsent, _)) => {
                    restore(&mut unsent, &host);
                    request = unsent;
                }
            }
        }
    }

    async fn connect(&self, uri: &Uri) -> Result<HttpConnection, SendError> {
        let connect = self.connector.clone().call(uri.clone());
        let stream = connect.await.map_err(SendError::Connect)?;
        http_conn::handshake(stream, host_header(uri)).await.map_err(SendError::Connect)
    }
}

/// Attaches the connection to its response; releases it immediately when there is no body.
fn attach_connection(
    response: Response<Incoming>,
    connection: PooledConnection,
) -> ExchangeResponse {
    if response.body().is_end_stream() {
        connection.release();
        return ExchangeResponse { response, connection: None };
    }
    ExchangeResponse { response, connection: Some(connection) }
}

impl IdlePool {
    fn state(&self) -> MutexGuard<'_, IdleState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns a usable connection.
    fn take(&self, host: &HostKey) -> Option<HttpConnection> {
        let mut state = self.state();
        let round = state.sweeps;
        let idle = state.hosts.get_mut(host)?;
        if let Some((handle, used)) = &mut idle.http2 {
            if !handle.is_closed() {
                *used = round;
                return Some(HttpConnection::Http2(handle.clone()));
            }
            idle.http2 = None;
        }
        while let Some((mut http1, _)) = idle.http1.pop() {
            if http1.is_ready() {
                return Some(HttpConnection::Http1(http1));
            }
        }
        None
    }

    fn put_http2(self: &Arc<Self>, host: HostKey, handle: Http2Handle) {
        self.insert(|state| {
            let round = state.sweeps;
            state.hosts.entry(host).or_default().http2 = Some((handle, round));
        });
    }

    fn put_http1(self: &Arc<Self>, host: HostKey, http1: Http1Connection) {
        self.insert(|state| {
            let round = state.sweeps;
            let idle_connections = &mut state.hosts.entry(host).or_default().http1;
            if idle_connections.len() < MAX_IDLE_PER_HOST {
                idle_connections.push((http1, round));
            }
        });
    }

    /// Inserts a connection and starts the sweeper if necessary.
    fn insert(self: &Arc<Self>, put: impl FnOnce(&mut IdleState)) {
        let mut state = self.state();
        put(&mut state);
        let was_watched = std::mem::replace(&mut state.is_sweeping, true);
        drop(state);
        if !was_watched {
            self.start_sweeper();
        }
    }

    /// Sweeps idle connections until there is none.
    fn start_sweeper(self: &Arc<Self>) {
        let pool = Arc::downgrade(self);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the last connection, no shutdown waits for it"
        )]
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(SWEEP_INTERVAL).await;
                match pool.upgrade() {
                    Some(pool) if !pool.sweep() => {}
                    Some(_) | None => return,
                }
            }
        });
    }

    /// Drops connections that are old or closed; returns whether none is left.
    fn sweep(&self) -> bool {
        let mut state = self.state();
        let round = state.sweeps;
        for idle in state.hosts.values_mut() {
            idle.http1.retain_mut(|(http1, since)| *since == round && http1.is_ready());
            idle.http2.take_if(|(handle, used)| *used != round || handle.is_closed());
        }
        state.sweeps += 1;
        state.hosts.retain(|_, idle| !idle.http1.is_empty() || idle.http2.is_some());
        state.is_sweeping = !state.hosts.is_empty();
        !state.is_sweeping
    }
}

/// Returns the value of the header `host` for a URI.
fn host_header(uri: &Uri) -> Option<HeaderValue> {
    let default_port = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let authority = uri.authority()?;
    let name = match authority.port_u16() {
        Some(port) if port != default_port => authority.as_str(),
        _ => authority.host(),
    };
    HeaderValue::from_str(name).ok()
}

/// Converts a request to HTTP/1.1: the path as the target, and the host in a header.
fn to_http1(request: &mut Request<UpstreamRequestBody>, host: Option<HeaderValue>) {
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(path) = request.uri().path_and_query() {
        *request.uri_mut() = path.clone().into();
    }
}

/// Converts a request to HTTP/2.
fn to_http2(request: &mut Request<UpstreamRequestBody>) {
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(header::HOST);
}

/// Reverts the conversion of a request for a connection.
fn restore(request: &mut Request<UpstreamRequestBody>, host: &HostKey) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(host.scheme.clone());
    parts.authority = Some(host.authority.clone());
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    *request.version_mut() = Version::HTTP_11;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use hyper::client::conn::http2 as client;
    use hyper::server::conn::http2 as server;
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use tokio_util::task::TaskTracker;

    use super::*;

    /// Returns an HTTP/2 connection and a future that ends with it.
    async fn http2_connection() -> (Http2Handle, impl Future<Output = ()>) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
        let serving = server::Builder::new(TokioExecutor::new());
        let tasks = TaskTracker::new();
        let served = tasks.spawn(serving.serve_connection(TokioIo::new(far), service));
        let (handle, connection) =
            client::handshake(TokioExecutor::new(), TokioIo::new(near)).await.unwrap();
        tasks.spawn(connection);
        (handle, async move { drop(served.await.unwrap()) })
    }

    #[tokio::test(start_paused = true)]
    async fn closes_idle_http2_connections_only() {
        let host = |name: &str| HostKey::from_uri(&name.parse().unwrap()).unwrap();
        let (used, unused) = (host("https://used.example"), host("https://unused.example"));
        let pool = Arc::<IdlePool>::default();
        let ((one, _stays), (other, closed)) = (http2_connection().await, http2_connection().await);
        pool.put_http2(used.clone(), one);
        pool.put_http2(unused.clone(), other);
        for _ in 0..3 {
            assert!(matches!(pool.take(&used), Some(HttpConnection::Http2(_))));
            tokio::time::sleep(SWEEP_INTERVAL).await;
        }
        closed.await;
        assert!(pool.take(&unused).is_none());
        assert!(!pool.state().hosts.contains_key(&unused), "the host is removed");
        assert!(pool.take(&used).is_some());
        tokio::time::sleep(3 * SWEEP_INTERVAL).await;
        let state = pool.state();
        assert!(state.hosts.is_empty() && !state.is_sweeping);
    }
}
