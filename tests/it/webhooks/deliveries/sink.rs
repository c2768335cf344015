//! An endpoint whose responses are scripted, down to single bytes.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use url::Url;

/// How an endpoint responds to a request.
#[derive(Debug, Clone)]
pub(crate) enum EndpointReply {
    /// A status, with these header lines.
    Status(u16, String),
    /// These bytes, then the end of the connection.
    Bytes(&'static [u8]),
    /// These bytes, then nothing: the connection stays open.
    Stalled(&'static [u8]),
    /// A success whose body has no end.
    Endless,
}

impl EndpointReply {
    /// Returns a status without further headers.
    pub(crate) fn status(status: u16) -> Self {
        Self::Status(status, String::new())
    }

    fn is_success(&self) -> bool {
        matches!(self, Self::Status(200..=299, _) | Self::Endless)
    }
}

/// A request that an endpoint has received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Vec<u8>,
    /// Whether the response was a success.
    pub(crate) is_accepted: bool,
}

impl Received {
    /// Returns a header as text; empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the event.
    pub(crate) fn event(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_slice(&self.body)?)
    }
}

/// An endpoint.
#[derive(Clone)]
pub(crate) struct Sink {
    /// Its URL.
    pub(crate) url: Url,
    state: Arc<Mutex<State>>,
    arrived: Arc<Notify>,
}

struct State {
    script: VecDeque<EndpointReply>,
    otherwise: EndpointReply,
    rejected: BTreeSet<String>,
    received: Vec<Received>,
    connections: usize,
}

impl Sink {
    /// Starts an endpoint that returns 200.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = Url::parse(&format!("http://{}/hook", listener.local_addr()?))?;
        let state = Arc::new(Mutex::new(State {
            script: VecDeque::new(),
            otherwise: EndpointReply::status(200),
            rejected: BTreeSet::new(),
            received: Vec::new(),
            connections: 0,
        }));
        let sink = Self { url, state, arrived: Arc::new(Notify::new()) };
        let (tasks, shared) = (TaskTracker::new(), sink.clone());
        TaskTracker::new().spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.state().connections += 1;
                tasks.spawn(serve(stream, shared.clone()));
            }
        });
        Ok(sink)
    }

    /// Sets the response to all requests that the script has none for.
    pub(crate) fn respond_with(&self, response: EndpointReply) {
        self.state().otherwise = response;
    }

    /// Adds a response to the script.
    pub(crate) fn respond_next_with(&self, response: EndpointReply) {
        self.state().script.push_back(response);
    }

    /// Rejects these events with 400, whatever the response to others.
    pub(crate) fn reject(&self, events: &[String]) {
        self.state().rejected.extend(events.iter().cloned());
    }

    /// Returns all requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state().received.clone()
    }

    /// Returns the ids of the events that were accepted, in the order of their arrival.
    pub(crate) fn accepted(&self) -> Vec<String> {
        let state = self.state();
        let accepted = state.received.iter().filter(|received| received.is_accepted);
        accepted.map(|received| received.header("webhook-id").to_owned()).collect()
    }

    /// Returns the number of connections so far.
    pub(crate) fn connections(&self) -> usize {
        self.state().connections
    }

    /// Waits until `count` requests have arrived.
    pub(crate) async fn wait_for(&self, count: usize) {
        loop {
            let arrived = self.arrived.notified();
            if self.state().received.len() >= count {
                return;
            }
            arrived.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a request and returns its response.
    fn record(&self, headers: HeaderMap, body: Vec<u8>) -> EndpointReply {
        let mut state = self.state();
        let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
        let response = if state.rejected.contains(id) {
            EndpointReply::status(400)
        } else {
            state.script.pop_front().unwrap_or_else(|| state.otherwise.clone())
        };
        state.received.push(Received { headers, body, is_accepted: response.is_success() });
        drop(state);
        self.arrived.notify_waiters();
        response
    }
}

/// Answers the requests of a connection.
async fn serve(mut stream: TcpStream, sink: Sink) {
    let mut buffer = Vec::new();
    while let Ok((headers, body)) = read_request(&mut stream, &mut buffer).await {
        let response = sink.record(headers, body);
        if !write_response(&mut stream, response).await.unwrap_or_default() {
            return;
        }
    }
}

/// Writes a response, and returns whether the connection can be used again.
async fn write_response(stream: &mut TcpStream, response: EndpointReply) -> std::io::Result<bool> {
    match response {
        EndpointReply::Status(status, headers) => {
            let text =
                format!("HTTP/1.1 {status} Scripted\r\ncontent-length: 2\r\n{headers}\r\nok");
            stream.write_all(text.as_bytes()).await?;
            Ok(true)
        }
        EndpointReply::Bytes(bytes) => {
            stream.write_all(bytes).await?;
            Ok(false)
        }
        EndpointReply::Stalled(bytes) => {
            stream.write_all(bytes).await?;
            stream.read_to_end(&mut Vec::new()).await?;
            Ok(false)
        }
        EndpointReply::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 4096]).await?;
            }
        }
    }
}

/// Reads a request with its body.
async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> anyhow::Result<(HeaderMap, Vec<u8>)> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        anyhow::ensure!(stream.read_buf(buffer).await? > 0, "the connection was closed");
    };
    let rest = buffer.split_off(end);
    let head = String::from_utf8(std::mem::replace(buffer, rest))?;
    let mut headers = HeaderMap::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(": ")) {
        headers.insert(name.parse::<HeaderName>()?, value.parse::<HeaderValue>()?);
    }
    let length = headers.get("content-length").context("no length")?.to_str()?.parse()?;
    while buffer.len() < length {
        anyhow::ensure!(stream.read_buf(buffer).await? > 0, "the connection was closed");
    }
    let rest = buffer.split_off(length);
    Ok((headers, std::mem::replace(buffer, rest)))
}
