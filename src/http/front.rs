//! The front door: what every connection's requests come through. Raw calls go straight to the proxy,
//! everything else to the router; when too many are inside, the next ones are sent away.

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

use super::edge::Passage;
use super::problem::{Problem, ProblemKind};
use super::proxy;
use super::router::router;
use super::state::AppState;

/// The paths that are answered however many are inside: whoever looks after the gateway asks them.
const ALWAYS: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// How requests that are sent away are counted.
const SENT_AWAY: &str = "overloaded";

/// The front door. Clones are the same door.
#[derive(Clone)]
pub struct Front {
    state: AppState,
    router: Router,
    /// Where the router's work is done, when not on the thread of the connection.
    works_on: Option<Handle>,
    most: usize,
}

/// One request inside.
struct Inside<'a>(&'a AtomicUsize);

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Front {
    /// The door to these services, for `most` requests at once.
    #[must_use]
    pub fn new(state: AppState, most: usize) -> Self {
        let router = router(Arc::clone(&state));
        Self { state, router, works_on: None, most }
    }

    /// The same door for a thread that only moves bytes: its raw calls use connections that no other
    /// thread uses, and the router's work is done on `works_on`, so that it doesn't hold them up.
    #[must_use]
    pub fn for_thread(&self, works_on: Handle) -> Self {
        let state = Arc::new(self.state.with_own_connections());
        Self { state, works_on: Some(works_on), ..self.clone() }
    }

    /// Answers a request that came by a connection with `peer`; what of it is used is gone.
    pub async fn answer(&self, request: &mut Request, peer: SocketAddr) -> Response {
        let Some(_inside) = self.enter(request.uri()) else {
            return self.send_away(request, peer);
        };
        if proxy::is_raw(request.uri()) {
            return proxy::answer(&self.state, request, peer).await;
        }
        let mut request = std::mem::take(request);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = self.router.clone().oneshot(request);
        let Some(works_on) = &self.works_on else {
            return answer.await.unwrap_or_else(|never| match never {});
        };
        match AbortOnDropHandle::new(works_on.spawn(answer)).await {
            Ok(answer) => answer.unwrap_or_else(|never| match never {}),
            // The runtime is going away, and so is the caller's connection.
            Err(_) => overloaded().into_response(),
        }
    }

    fn enter(&self, uri: &Uri) -> Option<Inside<'_>> {
        let inside = Inside(&self.state.inside);
        let before = self.state.inside.fetch_add(1, Ordering::Relaxed);
        (before < self.most || ALWAYS.contains(&uri.path())).then_some(inside)
    }

    fn send_away(&self, request: &Request, peer: SocketAddr) -> Response {
        let passage = Passage::enter(&self.state, request, Some(peer));
        let mut response = overloaded().into_response();
        passage.leave(&self.state, SENT_AWAY, request.uri(), &mut response);
        response
    }
}

fn overloaded() -> Problem {
    Problem::new(
        ProblemKind::Overloaded,
        "More requests are on their way than this gateway takes at once.",
    )
    .retry_after(std::time::Duration::from_secs(1))
}
