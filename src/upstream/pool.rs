//! The connections to providers that are kept for the next call.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use foldhash::HashMap;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Request, Response, Uri, Version, header};
use hyper::body::{Body as _, Incoming};
use tower::Service as _;

use super::connect::Connector;
use super::error::SendError;
use super::line::{self, Broken, Lanes, Line, Opened};
use super::payload::Payload;

/// How often unused connections are looked through. One is kept for one round, so for twice as long at the most:
/// less than servers commonly do, so that we close it first.
const ROUND: Duration = Duration::from_secs(27);
/// The most unused connections of one host.
const MOST: usize = 256;

/// Connections; clones share them.
#[derive(Clone)]
pub(super) struct Pool {
    connector: Connector,
    shelf: Arc<Shelf>,
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pool")
    }
}

/// Where connections lead, letter by letter: the same one written otherwise has others, and is as good.
#[derive(Clone)]
struct Host {
    scheme: Scheme,
    authority: Authority,
}

impl Host {
    fn of(uri: &Uri) -> Option<Self> {
        Some(Self { scheme: uri.scheme()?.clone(), authority: uri.authority()?.clone() })
    }

    fn text(&self) -> (&str, &str) {
        (self.scheme.as_str(), self.authority.as_str())
    }
}

impl PartialEq for Host {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Host {}

impl Hash for Host {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.text().hash(hasher);
    }
}

/// An answer whose body is still to come.
pub(super) struct Exchanged {
    pub(super) response: Response<Incoming>,
    /// The line it comes on, when no other answer may come on it meanwhile.
    pub(super) lent: Option<Lent>,
}

/// The connections that nobody uses at the moment.
#[derive(Default)]
struct Shelf(Mutex<Shelved>);

#[derive(Default)]
struct Shelved {
    hosts: HashMap<Host, Kept>,
    /// How often they were looked through.
    round: u64,
    /// Whether a task lets go what gets old.
    is_watched: bool,
}

/// What is kept of one host.
#[derive(Default)]
struct Kept {
    /// With the round since which each is unused; the last one was used last.
    lines: Vec<(Line, u64)>,
    /// With the round in which it was used last. What is under way on it ends, when it is let go.
    lanes: Option<(Lanes, u64)>,
}

/// A line in use, that goes back when its answer was read.
pub(super) struct Lent {
    pub(super) line: Line,
    host: Host,
    home: Weak<Shelf>,
}

impl Lent {
    /// Gives it back, unless it can't be used again.
    pub(super) fn give_back(mut self) {
        if self.line.is_free()
            && let Some(home) = self.home.upgrade()
        {
            home.put(self.host, self.line);
        }
    }
}

impl Pool {
    /// No connections yet.
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, shelf: Arc::default() }
    }

    /// The same with connections of its own.
    pub(super) fn apart(&self) -> Self {
        Self::new(self.connector.clone())
    }

    /// Sends a request and waits for the head of the answer. One that a kept connection did not take,
    /// because it was just being closed, is sent on another.
    pub(super) async fn exchange(
        &self,
        mut request: Box<Request<Payload>>,
    ) -> Result<Exchanged, SendError> {
        let host =
            Host::of(request.uri()).ok_or_else(|| SendError::Connect("no address".into()))?;
        loop {
            let (opened, is_new) = match self.shelf.take(&host) {
                Some(opened) => (opened, false),
                // Apart, as all that is rare here: the future of every call would be as large.
                None => (Box::pin(self.open(request.uri())).await?, true),
            };
            let ended = match opened {
                Opened::Lanes(mut lanes) => {
                    if is_new {
                        self.shelf.share(host.clone(), lanes.clone());
                    }
                    fit_for_lanes(&mut request);
                    let answer = line::exchange(&mut lanes, request);
                    let answer = Box::pin(answer).await;
                    answer.map(|response| Exchanged { response, lent: None })
                }
                Opened::Line(line) => {
                    let home = Arc::downgrade(&self.shelf);
                    let mut lent = Lent { line, host: host.clone(), home };
                    fit_for_line(&mut request, lent.line.host.clone());
                    let answer = lent.line.exchange(request).await;
                    answer.map(|answer| passing(answer, lent))
                }
            };
            match ended {
                Ok(answer) => return Ok(answer),
                Err(Broken::Lost(error)) => return Err(SendError::Broken(error)),
                Err(Broken::Unsent(_, error)) if is_new => return Err(SendError::Connect(error)),
                Err(Broken::Unsent(mut unsent, _)) => {
                    make_whole_again(&mut unsent, &host);
                    request = unsent;
                }
            }
        }
    }

    async fn open(&self, uri: &Uri) -> Result<Opened, SendError> {
        let connect = self.connector.clone().call(uri.clone());
        let stream = connect.await.map_err(SendError::Connect)?;
        line::open(stream, host_header(uri)).await.map_err(SendError::Connect)
    }
}

/// The answer; its line goes back at once when there is no body to wait for.
fn passing(response: Response<Incoming>, lent: Lent) -> Exchanged {
    if response.body().is_end_stream() {
        lent.give_back();
        return Exchanged { response, lent: None };
    }
    Exchanged { response, lent: Some(lent) }
}

impl Shelf {
    fn shelved(&self) -> MutexGuard<'_, Shelved> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that can be used.
    fn take(&self, host: &Host) -> Option<Opened> {
        let mut shelved = self.shelved();
        let round = shelved.round;
        let kept = shelved.hosts.get_mut(host)?;
        if let Some((lanes, used)) = &mut kept.lanes {
            if !lanes.is_closed() {
                *used = round;
                return Some(Opened::Lanes(lanes.clone()));
            }
            kept.lanes = None;
        }
        while let Some((mut line, _)) = kept.lines.pop() {
            if line.is_free() {
                return Some(Opened::Line(line));
            }
        }
        None
    }

    fn share(self: &Arc<Self>, host: Host, lanes: Lanes) {
        self.keep(|shelved| {
            let round = shelved.round;
            shelved.hosts.entry(host).or_default().lanes = Some((lanes, round));
        });
    }

    fn put(self: &Arc<Self>, host: Host, line: Line) {
        self.keep(|shelved| {
            let round = shelved.round;
            let lines = &mut shelved.hosts.entry(host).or_default().lines;
            if lines.len() < MOST {
                lines.push((line, round));
            }
        });
    }

    /// Puts something on the shelf, which is looked through from then on.
    fn keep(self: &Arc<Self>, put: impl FnOnce(&mut Shelved)) {
        let mut shelved = self.shelved();
        put(&mut shelved);
        let was_watched = std::mem::replace(&mut shelved.is_watched, true);
        drop(shelved);
        if !was_watched {
            self.watch();
        }
    }

    /// Lets connections go that nobody has used for long, until there is none.
    fn watch(self: &Arc<Self>) {
        let home = Arc::downgrade(self);
        #[expect(
            clippy::disallowed_methods,
            reason = "it ends with the last connection, nobody waits for it"
        )]
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(ROUND).await;
                match home.upgrade() {
                    Some(home) if !home.sweep() => {}
                    Some(_) | None => return,
                }
            }
        });
    }

    /// Drops what is old or closed; whether nothing is left.
    fn sweep(&self) -> bool {
        let mut shelved = self.shelved();
        let round = shelved.round;
        for kept in shelved.hosts.values_mut() {
            kept.lines.retain_mut(|(line, since)| *since == round && line.is_free());
            kept.lanes.take_if(|(lanes, used)| *used != round || lanes.is_closed());
        }
        shelved.round += 1;
        shelved.hosts.retain(|_, kept| !kept.lines.is_empty() || kept.lanes.is_some());
        shelved.is_watched = !shelved.hosts.is_empty();
        !shelved.is_watched
    }
}

/// The header `host` of requests to an address.
fn host_header(uri: &Uri) -> Option<HeaderValue> {
    let usual = if uri.scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
    let authority = uri.authority()?;
    let name = match authority.port_u16() {
        Some(port) if port != usual => authority.as_str(),
        _ => authority.host(),
    };
    HeaderValue::from_str(name).ok()
}

/// Makes a request one of HTTP/1: the path alone, and the host in a header.
fn fit_for_line(request: &mut Request<Payload>, host: Option<HeaderValue>) {
    if let Some(host) = host {
        request.headers_mut().insert(header::HOST, host);
    }
    if let Some(path) = request.uri().path_and_query() {
        *request.uri_mut() = path.clone().into();
    }
}

/// Makes a request one of HTTP/2.
fn fit_for_lanes(request: &mut Request<Payload>) {
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(header::HOST);
}

/// Makes a request what it was before it was made fit for a connection.
fn make_whole_again(request: &mut Request<Payload>, host: &Host) {
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

    /// An HTTP/2 connection, and what ends with it.
    async fn lanes() -> (Lanes, impl Future<Output = ()>) {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let answer = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
        let serving = server::Builder::new(TokioExecutor::new());
        let tasks = TaskTracker::new();
        let served = tasks.spawn(serving.serve_connection(TokioIo::new(far), answer));
        let (lanes, connection) =
            client::handshake(TokioExecutor::new(), TokioIo::new(near)).await.unwrap();
        tasks.spawn(connection);
        (lanes, async move { drop(served.await.unwrap()) })
    }

    #[tokio::test(start_paused = true)]
    async fn an_unused_http_2_connection_is_closed_and_one_in_use_stays() {
        let host = |name: &str| Host::of(&name.parse().unwrap()).unwrap();
        let (used, unused) = (host("https://used.example"), host("https://unused.example"));
        let shelf = Arc::<Shelf>::default();
        let ((one, _stays), (other, closed)) = (lanes().await, lanes().await);
        shelf.share(used.clone(), one);
        shelf.share(unused.clone(), other);
        for _ in 0..3 {
            assert!(matches!(shelf.take(&used), Some(Opened::Lanes(_))));
            tokio::time::sleep(ROUND).await;
        }
        closed.await;
        assert!(shelf.take(&unused).is_none());
        assert!(!shelf.shelved().hosts.contains_key(&unused), "nothing of the host stays");
        assert!(shelf.take(&used).is_some());
        tokio::time::sleep(3 * ROUND).await;
        let shelved = shelf.shelved();
        assert!(shelved.hosts.is_empty() && !shelved.is_watched);
    }
}
