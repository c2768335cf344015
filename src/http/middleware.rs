//! The middleware around every request: request id, problem body, access log, metrics and security headers.

use std::fmt::Display;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;
use tracing::field::DisplayValue;

use super::problem::{Problem, ProblemKind, WrittenProblem};
use super::proxy::ErrorFormat;
use super::request_context::{InternalCaller, RequestContext};
use super::state::AppState;
use super::{rate_limit_headers, rejection_audit};
use crate::domain::ids::RequestId;
use crate::telemetry::Span;

/// The header with the request's id.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The log entry of a request in flight.
#[derive(Debug)]
pub(super) struct RequestLog {
    context: RequestContext,
    method: Method,
    started: Instant,
}

impl RequestLog {
    /// Starts the entry of a request from a connection with `peer`: assigns the id and the context.
    pub(super) fn start(state: &AppState, request: &Request, peer: Option<SocketAddr>) -> Self {
        let theirs = request.headers().get(X_REQUEST_ID).filter(|id| is_valid_id(id.as_bytes()));
        let id = theirs.cloned().unwrap_or_else(|| generate_id(state));
        let current = RequestContext::new(id, state.traces.request(request.headers()), peer);
        if let Some(whole) = request.extensions().get() {
            current.set_parent(whole);
        }
        if let Some(InternalCaller(caller)) = request.extensions().get() {
            // It shares the request slot of the page.
            let _ = current.set_caller(caller, &state.places);
        }
        Self { context: current, method: request.method().clone(), started: Instant::now() }
    }

    /// Returns the request's context.
    pub(super) fn context(&self) -> &RequestContext {
        &self.context
    }

    /// Finishes the entry: writes the problem body and the headers, records metrics and the access log. On proxy paths
    /// a problem has the provider's error format.
    pub(super) fn finish(self, state: &AppState, route: &str, uri: &Uri, response: &mut Response) {
        let Self { context: current, method, started } = self;
        let id = current.id();
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            problem.log(id);
            problem.write(response, id);
            if let Some(format) = ErrorFormat::of(uri.path(), current.provider()) {
                format.write(&problem, response);
            }
            current.span().set_attribute("switchboard.problem", || problem.kind().name());
            rejection_audit::record(state, &current, &problem);
        }
        if let Some(WrittenProblem(problem)) = response.extensions_mut().remove() {
            rejection_audit::record(state, &current, &problem);
        }
        current
            .limit_report()
            .read(|standings| rate_limit_headers::write_headers(standings, response.headers_mut()));
        let status = response.status().as_u16();
        let took = started.elapsed();
        state.metrics.record_request(&method, route, status, took);
        record_span(current.span(), &method, route, status);
        let (ms, environment) = (took.as_millis(), current.environment_id());
        let (environment, account) = (log_field(environment), log_field(current.account_id()));
        tracing::info!(request_id = id, environment, account, %method, route, status, ms, "request completed");
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, current.id_header().clone());
        let nosniff = HeaderValue::from_static("nosniff");
        headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(nosniff);
    }
}

/// Middleware for every request to a route.
pub(super) async fn log_request(
    State(state): State<AppState>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request.extensions().get().map(|ConnectInfo(peer)| *peer);
    let passage = RequestLog::start(&state, &request, peer);
    let current = passage.context().clone();
    request.extensions_mut().insert(current.clone());
    let uri = request.uri().clone();
    let mut response = match check_uri(&uri).or_else(|| check_path(&uri)) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    // The route, not the path: a path may contain a link token.
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    passage.finish(&state, route, &uri, &mut response);
    set_security_headers(&state, response.headers_mut());
    // For callers inside the process, such as the Truto routes.
    response.extensions_mut().insert(current);
    response
}

/// Marks a response whose request has been logged.
#[derive(Debug, Clone, Copy)]
pub(super) struct AlreadyLogged;

/// Middleware for routes that call our own API in memory, which logs the request. Responses without such a call get
/// their id and log entry here.
pub(super) async fn log_unforwarded(
    State(state): State<AppState>,
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    let head = Request::from_parts(parts.clone(), axum::body::Body::empty());
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if response.extensions_mut().remove::<AlreadyLogged>().is_none() {
        let peer = head.extensions().get().map(|ConnectInfo(peer)| *peer);
        let passage = RequestLog::start(&state, &head, peer);
        let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
        passage.finish(&state, route, head.uri(), &mut response);
        set_security_headers(&state, response.headers_mut());
    }
    response
}

/// Adds security headers, unless a page or script has set its own. Responses contain personal data, so they must not be
/// cached.
pub(super) fn set_security_headers(state: &AppState, headers: &mut HeaderMap) {
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

/// Records method, route and status in the request's span.
/// <https://opentelemetry.io/docs/specs/semconv/http/http-spans/>
fn record_span(span: &Span, method: &Method, route: &str, status: u16) {
    span.rename(|| format!("{method} {route}"));
    span.set_attribute("http.request.method", || method.to_string());
    span.set_attribute("http.route", || route.to_owned());
    span.set_attribute("http.response.status_code", || i64::from(status));
    if status >= 500 {
        span.set_error("server_error");
    }
}

/// Returns an id as a log field, if present.
fn log_field<T: Display + 'static>(id: Option<T>) -> Option<DisplayValue<T>> {
    id.map(tracing::field::display)
}

/// Returns the problem of a URI that must not be processed.
pub(super) fn check_uri(uri: &Uri) -> Option<Problem> {
    has_nul(uri).then(|| {
        let detail =
            "The URL contains the character U+0000 (`%00`), which is not valid in names and ids.";
        Problem::new(ProblemKind::InvalidQuery, detail)
    })
}

/// Returns the problem of a path that no handler can read: after percent-decoding it is not UTF-8.
fn check_path(uri: &Uri) -> Option<Problem> {
    percent_decode_str(uri.path()).decode_utf8().is_err().then(|| {
        let detail = "The path is not UTF-8 after percent-decoding. Encode names as UTF-8.";
        Problem::new(ProblemKind::RouteNotFound, detail)
    })
}

/// Returns the response to a panic: an internal problem.
pub(super) fn panic_response(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    Problem::internal().into_response()
}

/// Whether a URI contains U+0000, which neither the database nor a provider accepts.
fn has_nul(uri: &Uri) -> bool {
    uri.path_and_query().is_some_and(|text| text.as_str().contains("%00"))
}

fn is_valid_id(id: &[u8]) -> bool {
    (1..=128).contains(&id.len())
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn generate_id(state: &AppState) -> HeaderValue {
    let id = RequestId::generate(&*state.clock, &*state.entropy).text();
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static(""))
}
