//! A provider of the test's own, for what the sandbox doesn't have: large bodies, odd headers, odd answers.
//! It stands in the place of Slack's SCIM host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use futures_util::{StreamExt as _, stream};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;

/// One piece of a large body.
pub(super) const PIECE: usize = 64 * 1024;
/// So many of them are 100 MB.
pub(super) const PIECES: usize = 100 * 1024 * 1024 / PIECE;

/// What the provider was asked, and how far its large bodies have come.
#[derive(Clone)]
pub(super) struct Provider {
    /// Its address.
    pub(super) url: String,
    /// The last request's method, target and headers.
    pub(super) seen: watch::Receiver<Option<(Method, String, HeaderMap)>>,
    /// Pieces of the large answer that have been handed to the network.
    pub(super) sent: watch::Receiver<usize>,
    /// Lets the reader of a large request go on.
    pub(super) go: Arc<Notify>,
    /// The connections that were made to it.
    pub(super) connections: Arc<AtomicUsize>,
}

struct Inside {
    seen: watch::Sender<Option<(Method, String, HeaderMap)>>,
    sent: watch::Sender<usize>,
    go: Arc<Notify>,
}

impl Provider {
    /// Starts one.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let (seen, seen_by_test) = watch::channel(None);
        let (sent, sent_by_test) = watch::channel(0);
        let go = Arc::new(Notify::new());
        let inside = Arc::new(Inside { seen, sent, go: Arc::clone(&go) });
        let router = Router::new().fallback(answer).with_state(inside);
        let connections = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&connections);
        let listener = listener.tap_io(move |_| {
            made.fetch_add(1, Ordering::SeqCst);
        });
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        Ok(Self { url, seen: seen_by_test, sent: sent_by_test, go, connections })
    }
}

async fn answer(State(inside): State<Arc<Inside>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let second = parts.uri.query().is_some_and(|query| query.contains("startIndex"));
    let kind = parts.uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    inside.seen.send_replace(Some((parts.method, parts.uri.to_string(), parts.headers)));
    match kind.as_str() {
        "Large" => {
            let pieces = stream::iter(0..PIECES).map(move |piece| {
                inside.sent.send_replace(piece + 1);
                Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; PIECE]))
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
        "Middling" => Body::from(vec![b'x'; PIECE]).into_response(),
        _ => "fine".into_response(),
    }
}
