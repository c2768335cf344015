//! The edge: each request gets an id, each problem its body, each answer a line in the log.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tokio::time::Instant;

use super::limits;
use super::problem::{Problem, ProblemKind};
use super::state::AppState;
use crate::domain::ids::RequestId;
use crate::limit::Meter;

/// The header with the request's id.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request at hand: the caller's own, when it sent a plain one.
#[derive(Debug, Clone)]
pub(super) struct CurrentRequest(pub(super) String);

/// Wraps every request.
pub(super) async fn around(
    State(state): State<AppState>,
    matched: Option<MatchedPath>,
    mut request: Request,
    next: Next,
) -> Response {
    let id = request
        .headers()
        .get(X_REQUEST_ID)
        .and_then(|id| id.to_str().ok())
        .filter(|id| is_plain(id))
        .map_or_else(
            || RequestId::generate(&*state.clock, &*state.entropy).to_string(),
            str::to_owned,
        );
    request.extensions_mut().insert(CurrentRequest(id.clone()));
    let meter = Meter::default();
    request.extensions_mut().insert(meter.clone());
    let method = request.method().clone();
    let started = Instant::now();
    let mut response = if has_nul(request.uri()) {
        let detail = "The address holds the character U+0000 (`%00`), which no name or id has.";
        Problem::new(ProblemKind::InvalidQuery, detail).into_response()
    } else {
        next.run(request).await
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        problem.log(&id);
        problem.write(&mut response, &id);
    }
    limits::tell(&meter.read(), &mut response);
    let status = response.status().as_u16();
    let took = started.elapsed();
    // The route, not the path: a path may hold a link token.
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    state.metrics.request(&method, route, status, took);
    let ms = took.as_millis();
    tracing::info!(request_id = id, %method, route, status, ms, "answered");
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.entry(header::X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    response
}

/// The answer to a panic: a problem like any other.
pub(super) fn after_panic(_: Box<dyn std::any::Any + Send + 'static>) -> Response {
    Problem::internal().into_response()
}

/// Whether an address holds U+0000, which neither the database nor a provider takes.
fn has_nul(uri: &Uri) -> bool {
    uri.path_and_query().is_some_and(|text| text.as_str().contains("%00"))
}

fn is_plain(id: &str) -> bool {
    (1..=128).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
