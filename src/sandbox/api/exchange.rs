//! What every call to the provider goes through, whatever it asks: faults, and the journal.

use std::io;

use axum::body::Body;
use axum::response::Response;
use futures_util::{StreamExt, stream};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use time::Duration;

use crate::sandbox::Sandbox;
use crate::sandbox::faults::{FaultKind, Hit};
use crate::sandbox::journal::Request;

/// Half an answer is given so many seconds to leave before the connection is closed.
const FLUSH_S: f64 = 0.05;

/// An answer before it is sent.
#[derive(Debug)]
pub(super) struct Outcome {
    /// The HTTP status.
    pub(super) status: StatusCode,
    /// Headers beside the content type.
    pub(super) headers: HeaderMap,
    /// JSON.
    pub(super) body: Vec<u8>,
    /// The error code for the journal.
    pub(super) error: Option<String>,
}

impl Outcome {
    /// An answer with a status.
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

/// How an API tells of trouble that has nothing to do with the question.
#[derive(Debug, Clone, Copy)]
pub(super) struct Voice {
    /// The body of a 429.
    pub(super) rate_limited: fn() -> Outcome,
    /// The body of a 500.
    pub(super) server_error: fn() -> Outcome,
    /// The content type of its answers.
    pub(super) content_type: &'static str,
}

/// One call: plays the fault that waits for it, does the work and writes both down.
pub(super) async fn exchange(
    sandbox: &Sandbox,
    method: &str,
    account: Option<String>,
    voice: Voice,
    work: impl FnOnce() -> Outcome,
) -> Response {
    sandbox.settle();
    let hit = sandbox.meet_fault(method);
    let outcome = match &hit {
        None => work(),
        Some(hit) => match before_work(hit, voice).await {
            Some(outcome) => outcome,
            None => work(),
        },
    };
    let played = hit.as_ref().and_then(|hit| fault_name(hit.kind));
    let error = played.map(str::to_owned).or_else(|| outcome.error.clone());
    let status = outcome.status.as_u16();
    let method = method.to_owned();
    sandbox.record(Request { at: sandbox.now(), method, status, error, account });
    let mut response = respond(sandbox, outcome, voice.content_type);
    if let Some(hit) = hit {
        response = after_work(hit, response).await;
    }
    response
}

/// The name under which the journal shows a fault that its answer does not.
fn fault_name(kind: FaultKind) -> Option<&'static str> {
    match kind {
        FaultKind::CutBody => Some("cut_body"),
        FaultKind::LostAnswer => Some("lost_answer"),
        FaultKind::Timeout => Some("timeout"),
        FaultKind::Html => Some("html"),
        FaultKind::Latency
        | FaultKind::RateLimited
        | FaultKind::ServerError
        | FaultKind::Refused => None,
    }
}

/// The answer of a fault that keeps the work from being done.
async fn before_work(hit: &Hit, voice: Voice) -> Option<Outcome> {
    match hit.kind {
        FaultKind::RateLimited => {
            let wait = Duration::seconds_f64(sane(hit.seconds.unwrap_or(1.0)));
            Some((voice.rate_limited)().retry_after(wait))
        }
        FaultKind::ServerError => Some((voice.server_error)()),
        FaultKind::Refused => {
            let code = hit.error.as_deref().unwrap_or("internal_error");
            let body = serde_json::json!({"ok": false, "error": code}).to_string().into_bytes();
            Some(Outcome::new(StatusCode::OK, body, Some(code.to_owned())))
        }
        FaultKind::Html => {
            let page = "<!DOCTYPE html><html><head><title>Server Error</title></head><body>\
                        <h1>Something went wrong</h1><p>We are looking into it.</p></body></html>";
            let status = StatusCode::SERVICE_UNAVAILABLE;
            let mut outcome = Outcome::new(status, page.as_bytes().to_vec(), None);
            let html = HeaderValue::from_static("text/html; charset=utf-8");
            outcome.headers.insert(CONTENT_TYPE, html);
            Some(outcome)
        }
        FaultKind::Timeout => {
            rest(hit.seconds.unwrap_or(60.0)).await;
            let mut outcome = (voice.server_error)();
            outcome.status = StatusCode::GATEWAY_TIMEOUT;
            Some(outcome)
        }
        FaultKind::Latency | FaultKind::CutBody | FaultKind::LostAnswer => None,
    }
}

/// Spoils the answer of work that was done.
async fn after_work(hit: Hit, response: Response) -> Response {
    if hit.kind == FaultKind::Latency {
        rest(hit.seconds.unwrap_or(1.0)).await;
    }
    if !matches!(hit.kind, FaultKind::CutBody | FaultKind::LostAnswer) {
        return response;
    }
    rest(hit.seconds.unwrap_or(0.0)).await;
    let (mut parts, body) = response.into_parts();
    let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = whole.slice(..whole.len() / 2);
    // A body that fails makes the server close the connection. When it fails before its first
    // byte, the head is not sent either: the client sees no answer at all.
    let first = (hit.kind == FaultKind::CutBody).then_some(half);
    let pause = if first.is_some() { FLUSH_S } else { 0.0 };
    let pieces = stream::iter(first.map(io::Result::Ok)).chain(stream::once(async move {
        if pause > 0.0 {
            rest(pause).await;
        }
        Err(io::Error::other("the answer is cut on purpose"))
    }));
    Response::from_parts(parts, Body::from_stream(pieces))
}

/// Makes the HTTP answer.
pub(super) fn respond(sandbox: &Sandbox, outcome: Outcome, content_type: &'static str) -> Response {
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

async fn rest(seconds: f64) {
    tokio::time::sleep(std::time::Duration::from_secs_f64(sane(seconds))).await;
}

/// A number of seconds that can be waited for.
fn sane(seconds: f64) -> f64 {
    if seconds.is_finite() { seconds.clamp(0.0, 86_400.0) } else { 0.0 }
}
