//! The edge: each request gets an id, each problem its body, each answer a line in the log.

use std::fmt::Display;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;
use tracing::field::DisplayValue;

use super::current::CurrentRequest;
use super::problem::{Problem, ProblemKind, Written};
use super::proxy::ErrorFormat;
use super::state::AppState;
use super::{limits, refusals};
use crate::domain::ids::RequestId;
use crate::telemetry::Span;

/// The header with the request's id.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request on its way through the gateway.
#[derive(Debug)]
pub(super) struct Passage {
    current: CurrentRequest,
    method: Method,
    started: Instant,
}

impl Passage {
    /// A request came by a connection with `peer`: it gets an id, and what counts its turns.
    pub(super) fn enter(state: &AppState, request: &Request, peer: Option<SocketAddr>) -> Self {
        let theirs = request.headers().get(X_REQUEST_ID).filter(|id| is_plain(id.as_bytes()));
        let id = theirs.cloned().unwrap_or_else(|| new_id(state));
        let current = CurrentRequest::new(id, state.traces.request(request.headers()), peer);
        if let Some(whole) = request.extensions().get() {
            current.is_part_of(whole);
        }
        Self { current, method: request.method().clone(), started: Instant::now() }
    }

    /// The request.
    pub(super) fn current(&self) -> &CurrentRequest {
        &self.current
    }

    /// Its answer goes: a problem gets its body, the headers are told, the line is logged. A problem at one of the
    /// proxy's paths has the form of the provider's errors there.
    pub(super) fn leave(self, state: &AppState, route: &str, uri: &Uri, response: &mut Response) {
        let Self { current, method, started } = self;
        let id = current.id();
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            problem.log(id);
            problem.write(response, id);
            if let Some(format) = ErrorFormat::of(uri.path(), current.provider()) {
                format.write(&problem, response);
            }
            current.span().note("switchboard.problem", || problem.kind().name());
            refusals::note(state, &current, &problem);
        }
        if let Some(Written(problem)) = response.extensions_mut().remove() {
            refusals::note(state, &current, &problem);
        }
        current.meter().read(|standings| limits::tell(standings, response.headers_mut()));
        let status = response.status().as_u16();
        let took = started.elapsed();
        state.metrics.request(&method, route, status, took);
        trace(current.span(), &method, route, status);
        let (ms, environment) = (took.as_millis(), current.environment_id());
        let (environment, account) = (shown(environment), shown(current.account_id()));
        tracing::info!(request_id = id, environment, account, %method, route, status, ms, "answered");
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, current.id_header().clone());
        let nosniff = HeaderValue::from_static("nosniff");
        headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    }
}

/// Wraps every request to a route.
pub(super) async fn around(
    State(state): State<AppState>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get().map(|ConnectInfo(peer)| *peer);
    let passage = Passage::enter(&state, &request, peer);
    let current = passage.current().clone();
    request.extensions_mut().insert(current.clone());
    let uri = request.uri().clone();
    let mut response = match refusal(&uri) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    // The route, not the path: a path may hold a link token.
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    passage.leave(&state, route, &uri, &mut response);
    protect(&state, response.headers_mut());
    // For whoever asks the API in the name of a caller of another one.
    response.extensions_mut().insert(current);
    response
}

/// Marks a response of a route that logs its requests itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Logged;

/// Wraps the routes that put a request into other words and ask one of ours, which logs it. What they answer without asking
/// gets its id and its line in the log here.
pub(super) async fn log_unasked(
    State(state): State<AppState>,
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let head = Request::from_parts(parts.clone(), axum::body::Body::empty());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if response.extensions_mut().remove::<Logged>().is_none() {
        let peer = head.extensions().get().map(|ConnectInfo(peer)| *peer);
        let passage = Passage::enter(&state, &head, peer);
        let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
        passage.leave(&state, route, head.uri(), &mut response);
        protect(&state, response.headers_mut());
    }
    response
}

/// Tells browsers to be careful with what is ours; pages and scripts have said more by themselves. Answers hold
/// people's data: nobody in between keeps them.
pub(super) fn protect(state: &AppState, headers: &mut HeaderMap) {
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if state.links.public_url.scheme() == "https" {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(year);
    }
}

/// What a request's part of a trace is called, and how it ended.
/// <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
fn trace(span: &Span, method: &Method, route: &str, status: u16) {
    span.rename(|| format!("{method} {route}"));
    span.note("http.request.method", || method.to_string());
    span.note("http.route", || route.to_owned());
    span.note("http.response.status_code", || i64::from(status));
    if status >= 500 {
        span.fail("server_error");
    }
}

/// An id as a field of the log, where there is one.
fn shown<T: Display + 'static>(id: Option<T>) -> Option<DisplayValue<T>> {
    id.map(tracing::field::display)
}

/// Why an address is not even looked at.
pub(super) fn refusal(uri: &Uri) -> Option<Problem> {
    has_nul(uri).then(|| {
        let detail = "The address holds the character U+0000 (`%00`), which no name or id has.";
        Problem::new(ProblemKind::InvalidQuery, detail)
    })
}

/// The answer to a panic: a problem like any other.
pub(super) fn after_panic(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    Problem::internal().into_response()
}

/// Whether an address holds U+0000, which neither the database nor a provider takes.
fn has_nul(uri: &Uri) -> bool {
    uri.path_and_query().is_some_and(|text| text.as_str().contains("%00"))
}

fn is_plain(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn new_id(state: &AppState) -> HeaderValue {
    let id = RequestId::generate(&*state.clock, &*state.entropy).text();
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static(""))
}
