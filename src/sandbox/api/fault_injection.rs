//! Common path of all provider requests: fault injection and the request log.

use std::io;

use axum::body::Body;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use time::Duration;

use crate::sandbox::Sandbox;
use crate::sandbox::faults::{FaultKind, InjectedFault};
use crate::sandbox::request_log::RecordedRequest;

/// Seconds to flush a half response before the connection is closed.
const FLUSH_DELAY_S: f64 = 0.05;

/// A response before it is sent.
#[derive(Debug)]
pub(super) struct PendingResponse {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// Headers besides the content type.
    pub(super) headers: HeaderMap,
    /// Body, usually JSON.
    pub(super) body: Vec<u8>,
    /// Error code for the request log.
    pub(super) error: Option<String>,
}

impl PendingResponse {
    /// Returns a response with a status and a body.
    pub(super) fn new(status: StatusCode, body: Vec<u8>, error: Option<String>) -> Self {
        Self { status, headers: HeaderMap::new(), body, error }
    }

    /// Adds `Retry-After` in whole seconds, rounded up.
    pub(super) fn retry_after(mut self, wait: Duration) -> Self {
        let whole = wait.whole_seconds() + i64::from(wait.subsec_nanoseconds() > 0);
        self.headers.insert(RETRY_AFTER, HeaderValue::from(whole.max(1)));
        self
    }
}

/// Format of an API's errors that do not depend on the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct ApiErrorFormat {
    /// Builds the 429 response.
    pub(super) rate_limited: fn() -> PendingResponse,
    /// Builds the 500 response.
    pub(super) server_error: fn() -> PendingResponse,
    /// Content type of all responses.
    pub(super) content_type: &'static str,
}

/// Handles one request: injects a pending fault, runs `work` and records the request.
pub(super) async fn handle_request(
    sandbox: &Sandbox,
    method: &str,
    account: Option<String>,
    format: ApiErrorFormat,
    work: impl FnOnce() -> PendingResponse,
) -> Response {
    sandbox.deactivate_expired_guests();
    let hit = sandbox.take_fault(method);
    let outcome = match &hit {
        None => work(),
        Some(hit) => match fault_response(hit, format).await {
            Some(outcome) => outcome,
            None => work(),
        },
    };
    let played = hit.as_ref().and_then(|hit| fault_name(hit.kind));
    let error = played.map(str::to_owned).or_else(|| outcome.error.clone());
    let status = outcome.status.as_u16();
    let method = method.to_owned();
    sandbox.record_request(RecordedRequest { at: sandbox.now(), method, status, error, account });
    let mut response = build_response(sandbox, outcome, format.content_type);
    if let Some(hit) = hit {
        response = apply_response_fault(hit, response).await;
    }
    response
}

/// Returns the name of a fault for the request log, if the response does not show it.
fn fault_name(kind: FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::CutBody => Some("cut_body"),
        FaultKind::LostResponse => Some("lost_response"),
        FaultKind::Timeout => Some("timeout"),
        FaultKind::Html => Some("html"),
        FaultKind::Latency
        | FaultKind::RateLimited
        | FaultKind::ServerError
        | FaultKind::Refused => None,
    }
}

/// Returns the response of a fault that prevents processing.
async fn fault_response(hit: &InjectedFault, format: ApiErrorFormat) -> Option<PendingResponse> {
    match hit.kind {
        FaultKind::RateLimited => {
            let wait = Duration::seconds_f64(clamp_seconds(hit.seconds.unwrap_or(1.0)));
            Some((format.rate_limited)().retry_after(wait))
        }
        FaultKind::ServerError => Some((format.server_error)()),
        FaultKind::Refused => {
            let code = hit.error.as_deref().unwrap_or("internal_error");
            let body = serde_json::json!({"ok": false, "error": code}).to_string().into_bytes();
            Some(PendingResponse::new(StatusCode::OK, body, Some(code.to_owned())))
        }
        FaultKind::Html => {
            let page = "<!DOCTYPE html><html><head><title>Server Error</title></head><body>\
                        <h1>Something went wrong</h1><p>We are looking into it.</p></body></html>";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let mut outcome = PendingResponse::new(status, page.as_bytes().to_vec(), None);
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            outcome.headers.insert(CONTENT_TYPE, html);
            Some(outcome)
        }
        FaultKind::Timeout => {
            sleep(hit.seconds.unwrap_or(60.0)).await;
            let mut outcome = (format.server_error)();
            outcome.status = StatusCode::GATEWAY_TIMEOUT;
            Some(outcome)
        }
        FaultKind::Latency | FaultKind::CutBody | FaultKind::LostResponse => None,
    }
}

/// Delays or truncates the response of a processed request.
async fn apply_response_fault(hit: InjectedFault, response: Response) -> Response {
    if hit.kind == FaultKind::Latency {
        sleep(hit.seconds.unwrap_or(1.0)).await;
    }
    if !matches!(hit.kind, FaultKind::CutBody | FaultKind::LostResponse) {
        return response;
    }
    sleep(hit.seconds.unwrap_or(0.0)).await;
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = whole.slice(..whole.len() / 2);
    // A failing body makes the server close the connection. If it fails before the first byte, the
    // head is not sent either and the client gets no response.
    let first = (hit.kind == FaultKind::CutBody).then_some(half);
    let pause = if first.is_some() { FLUSH_DELAY_S } else { 0.0 };
    let pieces = stream::iter(first.map(io::Result::Ok)).chain(stream::once(async move {
        if pause > 0.0 {
            sleep(pause).await;
        }
        Err(io::Error::other("response truncated by an injected fault"))
    }));
    Response::from_parts(parts, Body::from_stream(pieces))
}

/// Builds the HTTP response.
pub(super) fn build_response(
    sandbox: &Sandbox,
    outcome: PendingResponse,
    content_type: &'static str,
) -> Response {
    let mut response = Response::new(Body::from(outcome.body));
    *response.status_mut() = outcome.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.extend(outcome.headers);
    if let Ok(id) = HeaderValue::from_str(&sandbox.next_request_id()) {
        headers.insert("x-slack-req-id", id);
    }
    response
}

async fn sleep(seconds: f64) {
    tokio::time::sleep(std::time::Duration::from_secs_f64(clamp_seconds(seconds))).await;
}

/// Clamps a number of seconds to one day.
fn clamp_seconds(seconds: f64) -> f64 {
    if seconds.is_finite() { seconds.clamp(0.0, 86_400.0) } else { 0.0 }
}
