//! Proxy between a gateway and the sandbox that injects faults into single calls: malformed headers, hanging
//! responses, one byte at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// Scripted behaviour for a call.
#[derive(Debug, Clone)]
pub(crate) enum Script {
    /// Returns this response, without calling the sandbox.
    Respond { status: u16, headers: Vec<(&'static str, String)>, body: &'static str },
    /// Replaces the body of the sandbox's response.
    Rewrite(Rewrite),
    /// Breaks off the sandbox's response in the middle of its body.
    Cut,
    /// Sends no response for as long as the client waits.
    Hang,
    /// Sends a body of this type one byte at a time, endless without a length.
    Trickle { content_type: &'static str, every: Duration, length: Option<usize> },
}

/// Rewrites a body.
#[derive(Clone)]
pub(crate) struct Rewrite(pub(crate) Arc<dyn Fn(&str) -> String + Send + Sync>);

impl std::fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rewrite")
    }
}

/// The proxy.
#[derive(Clone)]
pub(crate) struct FaultProxy {
    /// Its URL.
    pub(crate) url: String,
    inner: Arc<Inner>,
}

struct Inner {
    provider: String,
    http: reqwest::Client,
    /// Scripts by substring of the path.
    rules: Mutex<Vec<(String, Script)>>,
    calls: Mutex<Vec<String>>,
    /// Parameters that are not forwarded.
    dropped_parameters: Mutex<Vec<String>>,
}

impl FaultProxy {
    /// Starts one in front of `provider`.
    pub(super) async fn start(provider: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let inner = Arc::new(Inner {
            provider: provider.to_owned(),
            http: super::client::http()?,
            rules: Mutex::default(),
            calls: Mutex::default(),
            dropped_parameters: Mutex::default(),
        });
        let router = Router::new().fallback(respond).with_state(Arc::clone(&inner));
        TaskTracker::new().spawn(axum::serve(listener, router).into_future());
        Ok(Self { url, inner })
    }

    /// Applies this script to every call whose path contains `path`.
    pub(crate) fn set(&self, path: &str, script: Script) {
        let mut rules = self.inner.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.retain(|(known, _)| known != path);
        rules.push((path.to_owned(), script));
    }

    /// Removes this parameter from every call.
    pub(crate) fn drop_parameter(&self, parameter: &str) {
        let mut dropped_parameters =
            self.inner.dropped_parameters.lock().unwrap_or_else(PoisonError::into_inner);
        dropped_parameters.push(parameter.to_owned());
    }

    /// Removes all scripts.
    pub(crate) fn clear(&self) {
        self.inner.rules.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Returns the number of calls whose path contains this.
    pub(crate) fn calls(&self, path: &str) -> usize {
        let calls = self.inner.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().filter(|called| called.contains(path)).count()
    }
}

async fn respond(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let script = {
        let rules = inner.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().find(|(part, _)| path.contains(part)).map(|(_, script)| script.clone())
    };
    inner.calls.lock().unwrap_or_else(PoisonError::into_inner).push(path);
    match script {
        None => forward(&inner, request).await.unwrap_or_else(|error| {
            (StatusCode::BAD_GATEWAY, format!("fault proxy: {error:#}")).into_response()
        }),
        Some(Script::Rewrite(change)) => {
            rewritten(&inner, request, |body| Body::from(change.0(&String::from_utf8_lossy(&body))))
                .await
                .unwrap_or_else(|error| format!("fault proxy: {error:#}").into_response())
        }
        Some(Script::Cut) => rewritten(&inner, request, |body| {
            let half = body.slice(..body.len() / 2);
            let pieces = [Ok(half), Err(std::io::Error::other("cut"))];
            Body::from_stream(stream::iter(pieces))
        })
        .await
        .unwrap_or_else(|error| format!("fault proxy: {error:#}").into_response()),
        Some(Script::Hang) => std::future::pending().await,
        Some(Script::Respond { status, headers, body }) => {
            let mut response =
                (StatusCode::from_u16(status).unwrap_or_default(), body).into_response();
            for (name, value) in headers {
                let name = HeaderName::from_static(name);
                let value = HeaderValue::try_from(value);
                response.headers_mut().insert(name, value.unwrap_or(HeaderValue::from_static("?")));
            }
            response
        }
        Some(Script::Trickle { content_type, every, length }) => {
            let left = length.unwrap_or(usize::MAX);
            let bytes = stream::unfold(left, move |left| async move {
                if left == 0 {
                    return None;
                }
                tokio::time::sleep(every).await;
                Some((Ok::<_, std::io::Error>(Bytes::from_static(b" ")), left - 1))
            });
            ([("content-type", content_type)], Body::from_stream(bytes)).into_response()
        }
    }
}

/// Returns the sandbox's response with its body rewritten.
async fn rewritten(
    inner: &Inner,
    request: Request,
    change: impl FnOnce(Bytes) -> Body,
) -> anyhow::Result<Response> {
    let (mut head, body) = forward(inner, request).await?.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await?;
    head.headers.remove("content-length");
    Ok(Response::from_parts(head, change(body)))
}

async fn forward(inner: &Inner, request: Request) -> anyhow::Result<Response> {
    let (head, body) = request.into_parts();
    let target = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let mut headers = head.headers;
    headers.remove("host");
    headers.remove("content-length");
    let bytes = axum::body::to_bytes(body, usize::MAX).await?;
    let dropped_parameters =
        inner.dropped_parameters.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let without = |text: &str| {
        let is_kept = |pair: &&str| {
            !dropped_parameters.iter().any(|name| pair.split('=').next() == Some(name))
        };
        text.split('&').filter(is_kept).collect::<Vec<_>>().join("&")
    };
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let target =
        if query.is_empty() { path.to_owned() } else { format!("{path}?{}", without(query)) };
    let bytes = if dropped_parameters.is_empty() {
        bytes
    } else {
        Bytes::from(without(&String::from_utf8_lossy(&bytes)))
    };
    let url = format!("{}{target}", inner.provider);
    let sent = inner.http.request(head.method, url).headers(headers).body(bytes).send().await?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = sent.status();
    *response.headers_mut() = sent.headers().clone();
    response.headers_mut().remove("transfer-encoding");
    *response.body_mut() = Body::from_stream(sent.bytes_stream());
    Ok(response)
}
