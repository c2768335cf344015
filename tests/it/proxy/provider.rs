//! A provider of the test's own, for what the sandbox doesn't have: large bodies, odd headers, odd answers.
//! It stands in the place of Slack's SCIM host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use futures_util::{StreamExt as _, stream};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::task::TaskTracker;
use url::form_urlencoded;

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
    /// The last body of a call of the Web API; `None` when it broke off.
    pub(super) body: watch::Receiver<Option<Bytes>>,
    /// Pieces of the large answer that have been handed to the network.
    pub(super) sent: watch::Receiver<usize>,
    /// Lets the reader of a large request go on.
    pub(super) go: Arc<Notify>,
    /// The connections that were made to it.
    pub(super) connections: Arc<AtomicUsize>,
}

struct Inside {
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
        let inside = Arc::new(Inside { seen, body, sent, go: Arc::clone(&go) });
        let router = Router::new().fallback(answer).with_state(inside);
        let connections = Arc::new(AtomicUsize::new(0));
        let made = Arc::clone(&connections);
        let listener = listener.tap_io(move |_| {
            made.fetch_add(1, Ordering::SeqCst);
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

async fn answer(State(inside): State<Arc<Inside>>, request: Request) -> Response {
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
        // Says what it is asked to say in its headers.
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
        // Three pages of two; the second one waits until it may come.
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
        "Middling" => Body::from(vec![b'x'; PIECE]).into_response(),
        _ => "fine".into_response(),
    }
}
