//! A provider for cases that the sandbox does not have: large bodies, unusual headers and responses.
//! It stands in for Slack's SCIM host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use futures_util::{StreamExt as _, stream};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use url::form_urlencoded;

/// Chunk of a large body.
pub(super) const CHUNK: usize = 64 * 1024;
/// Chunks in 100 MB.
pub(super) const CHUNKS: usize = 100 * 1024 * 1024 / CHUNK;

/// Requests that the provider received, and the progress of its large bodies.
#[derive(Clone)]
pub(super) struct Provider {
    /// Its URL.
    pub(super) url: String,
    /// Method, target and headers of the last request.
    pub(super) seen: watch::Receiver<Option<(Method, String, HeaderMap)>>,
    /// Last body of a call of the Web API; `None` if it broke off.
    pub(super) body: watch::Receiver<Option<Bytes>>,
    /// Chunks of the large response that have been written to the network.
    pub(super) sent: watch::Receiver<usize>,
    /// Resumes the reader of a large request.
    pub(super) go: Arc<Notify>,
    /// Number of connections accepted.
    pub(super) connections: Arc<AtomicUsize>,
}

struct State {
    seen: watch::Sender<Option<(Method, String, HeaderMap)>>,
    body: watch::Sender<Option<Bytes>>,
    sent: watch::Sender<usize>,
    go: Arc<Notify>,
}

impl Provider {
    /// Starts one.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (seen, seen_by_test) = watch::channel(None);
        let (body, body_by_test) = watch::channel(None);
        let (sent, sent_by_test) = watch::channel(0);
        let go = Arc::new(Notify::new());
        let inside = Arc::new(State { seen, body, sent, go: Arc::clone(&go) });
        let router = Router::new().fallback(respond).with_state(inside);
        let connections = Arc::new(AtomicUsize::new(0));
        let created = Arc::clone(&connections);
        let listener = listener.tap_io(move |_| {
            created.fetch_add(1, Ordering::SeqCst);
        });
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        Ok(Self {
            url,
            seen: seen_by_test,
            body: body_by_test,
            sent: sent_by_test,
            go,
            connections,
        })
    }
}

async fn respond(Shared(inside): Shared<Arc<State>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let second = parts.uri.query().is_some_and(|query| query.contains("startIndex"));
    let kind = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let is_web = parts.uri.path().starts_with("/api/");
    inside.seen.send_replace(Some((parts.method, parts.uri.to_string(), parts.headers)));
    if is_web {
        let whole = axum::body::to_bytes(body, usize::MAX).await.ok();
        inside.body.send_replace(whole);
        return ([(header::CONTENT_TYPE, "application/json")], "{\"ok\":true}").into_response();
    }
    match kind.as_str() {
        // Returns the headers that the request asks for.
        "Says" => {
            let mut response = (StatusCode::CREATED, "said").into_response();
            for (name, value) in form_urlencoded::parse(query.as_bytes()) {
                let name = HeaderName::from_bytes(name.as_bytes()).ok();
                if let (Some(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
                    response.headers_mut().append(name, value);
                }
            }
            response
        }
        "Large" => {
            let pieces = stream::iter(0..CHUNKS).map(move |piece| {
                inside.sent.send_replace(piece + 1);
                Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; CHUNK]))
            });
            Body::from_stream(pieces).into_response()
        }
        "Taken" => {
            let mut pieces = body.into_data_stream();
            let mut length = pieces.next().await.map_or(0, |piece| piece.map_or(0, |p| p.len()));
            inside.go.notified().await;
            while let Some(Ok(piece)) = pieces.next().await {
                length += piece.len();
            }
            length.to_string().into_response()
        }
        "Broken" if second => {
            let body = "{\"schemas\":[],\"detail\":\"no_such_user\",\"status\":404}";
            (StatusCode::NOT_FOUND, [(header::CONTENT_TYPE, "application/json")], body)
                .into_response()
        }
        "Broken" => {
            let body = "{\"totalResults\":4,\"startIndex\":1,\"Resources\":[{\n\"id\": \"a\"},{\"id\":\"b\"}]}";
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        // Three pages of two rows; the second one waits for the test.
        "Paged" => {
            let at =
                form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "startIndex");
            let at: u32 = at.and_then(|(_, at)| at.parse().ok()).unwrap_or(1);
            if at == 3 {
                inside.go.notified().await;
            }
            let body = format!(
                "{{\"totalResults\":6,\"startIndex\":{at},\"Resources\":[{{\"id\":\"{at}\"}},{{\"id\":\"{}\"}}]}}",
                at + 1
            );
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
        "Coded" => {
            let mut response = Body::from(vec![0x1f, 0x8b, 1, 2, 3]).into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("br"));
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
            response
        }
        "Odd" => {
            let mut response = (StatusCode::IM_A_TEAPOT, "odd").into_response();
            for (name, value) in [
                ("set-cookie", "a=b"),
                ("connection", "x-hop"),
                ("x-hop", "1"),
                ("x-kept", "1"),
                ("switchboard-attempts", "77"),
                ("location", "https://elsewhere.test/"),
            ] {
                response.headers_mut().append(name, HeaderValue::from_static(value));
            }
            response
        }
        "Closed" => ([(header::CONNECTION, "close")], "fine").into_response(),
        "Middling" => Body::from(vec![b'x'; CHUNK]).into_response(),
        _ => "fine".into_response(),
    }
}
