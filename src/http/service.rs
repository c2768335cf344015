//! The service behind every connection: raw calls go straight to the proxy, all others to the router; above the request
//! limit, load is shed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::Uri;
use axum::response::{IntoResponse as _, Response};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tower::ServiceExt as _;

use super::middleware::RequestLog;
use super::problem::{Problem, ProblemKind};
use super::proxy;
use super::router::router;
use super::state::AppState;

/// The paths that are exempt from the request limit, for operators.
const EXEMPT_PATHS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// The route label of rejected requests.
const SHED_ROUTE: &str = "overloaded";

/// The HTTP service. Clones share the request limit.
#[derive(Clone)]
pub struct HttpService {
    state: AppState,
    router: Router,
    /// The runtime of the router; `None` for that of the connection.
    worker_runtime: Option<Handle>,
    max_requests: usize,
}

/// Counts one request in flight until it is dropped.
struct InFlightGuard<'a>(&'a AtomicUsize);

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl HttpService {
    /// Creates a service for at most `max_requests` concurrent requests.
    #[must_use]
    pub fn new(state: AppState, max_requests: usize) -> Self {
        let router = router(Arc::clone(&state));
        Self { state, router, worker_runtime: None, max_requests }
    }

    /// Returns the service for an I/O thread: with its own connections to providers, and the router on the runtime
    /// `works_on`, so that handlers do not block the thread.
    #[must_use]
    pub fn for_thread(&self, works_on: Handle) -> Self {
        let state = Arc::new(self.state.with_own_connections());
        Self { state, worker_runtime: Some(works_on), ..self.clone() }
    }

    /// Serves a request of a connection with `peer`; consumes the request's body and extensions.
    pub async fn call(&self, request: &mut Request, peer: SocketAddr) -> Response {
        let Some(_inside) = self.admit(request.uri()) else {
            return self.shed_load(request, peer);
        };
        if proxy::is_raw_call(request.uri()) {
            return proxy::serve_raw_call(&self.state, request, peer).await;
        }
        let mut request = std::mem::take(request);
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request);
        let Some(works_on) = &self.worker_runtime else {
            return response.await.unwrap_or_else(|never| match never {});
        };
        match AbortOnDropHandle::new(works_on.spawn(response)).await {
            Ok(response) => response.unwrap_or_else(|never| match never {}),
            // The runtime is shutting down, and so is the caller's connection.
            Err(_) => overloaded().into_response(),
        }
    }

    fn admit(&self, uri: &Uri) -> Option<InFlightGuard<'_>> {
        let inside = InFlightGuard(&self.state.in_flight);
        let before = self.state.in_flight.fetch_add(1, Ordering::Relaxed);
        (before < self.max_requests || EXEMPT_PATHS.contains(&uri.path())).then_some(inside)
    }

    fn shed_load(&self, request: &Request, peer: SocketAddr) -> Response {
        let passage = RequestLog::start(&self.state, request, Some(peer));
        let mut response = overloaded().into_response();
        passage.finish(&self.state, SHED_ROUTE, request.uri(), &mut response);
        response
    }
}

fn overloaded() -> Problem {
    Problem::new(
        ProblemKind::Overloaded,
        "The gateway has reached its maximum of concurrent requests (`server.max_requests`).",
    )
    .with_retry_after(std::time::Duration::from_secs(1))
}
