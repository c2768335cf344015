//! Runs the request that holds an idempotency key to its end, even if the caller disconnects, and stores a final
//! response.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::stored::{
    RESOURCE_MISSING, RETENTION, ReadResourceAgain, SecretShownOnce, StoredWithoutResource,
    seal_response,
};
use crate::http::problem::{Problem, ProblemKind, WrittenProblem};
use crate::http::state::AppState;
use crate::store::{IdempotencyKey, TenantDb};

/// How often a running request renews its claim; well below `CLAIM_TIMEOUT`.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(20);
/// The response headers that are stored.
const STORED_HEADERS: [HeaderName; 2] = [header::CONTENT_TYPE, header::LOCATION];

/// Maximum bytes of a stored response whose parts have keys of their own.
const MAX_BATCH_RESPONSE_BYTES: usize = 4 * 1024 * 1024;

/// A request that holds an idempotency key.
pub(super) struct KeyedExecution {
    pub(super) state: AppState,
    pub(super) db: TenantDb,
    pub(super) key: IdempotencyKey,
    pub(super) request_id: String,
    /// Whether its operations have idempotency keys of their own.
    pub(super) has_operations: bool,
    /// When it claimed the key.
    pub(super) started_at: OffsetDateTime,
}

impl KeyedExecution {
    /// Runs the request to its end, on a task other than the caller's.
    pub(super) async fn run(self, request: Request, next: Next) -> Response {
        // A separate task isolates a panic of the handler.
        let mut handler = self.state.tasks.spawn(next.run(request));
        let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        let done = loop {
            tokio::select! {
                done = &mut handler => break done,
                _ = heartbeat.tick() => self.heartbeat().await,
            }
        };
        match done {
            Ok(response) => self.store_or_release(response).await,
            Err(error) if error.is_panic() => {
                self.store_or_release(Problem::internal().into_response()).await
            }
            // The process is shutting down: the outcome is unknown, so the row stays in flight.
            Err(_) => Problem::internal().into_response(),
        }
    }

    async fn heartbeat(&self) {
        let extended = self.db.heartbeat_idempotency_key(&self.key, self.started_at).await;
        self.report(extended.map_err(Problem::from));
    }

    /// Stores the response if it is final; releases the key otherwise.
    async fn store_or_release(&self, mut response: Response) -> Response {
        let problem = response.extensions_mut().remove::<Problem>();
        if let Some(problem) = &problem {
            // Written here and not in the middleware: the caller may be gone, and the bytes are stored.
            problem.log(&self.request_id);
            problem.write(&mut response, &self.request_id);
        }
        let (mut parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, usize::MAX).await else {
            self.report(self.release().await);
            return Problem::internal().into_response();
        };
        let is_last_word = is_final(parts.status, problem.as_ref().map(Problem::kind));
        let shown_once = parts.extensions.remove::<SecretShownOnce>();
        let again = parts.extensions.remove::<ReadResourceAgain>();
        let settled = if let Some(SecretShownOnce(id)) = shown_once {
            self.store_without_secret(&id).await
        } else if is_last_word && !self.is_too_large(&body) {
            self.store(parts.status, &parts.headers, &body, again).await
        } else {
            self.release().await
        };
        self.report(settled);
        let now = self.state.clock.now();
        self.report(self.db.purge_idempotency_keys(now).await.map_err(Problem::from));
        if let Some(problem) = problem {
            parts.extensions.insert(WrittenProblem(problem));
        }
        Response::from_parts(parts, Body::from(body))
    }

    /// Whether a response is too large to be stored; a repeated request then gets the stored responses of its
    /// operations.
    fn is_too_large(&self, body: &Bytes) -> bool {
        self.has_operations && body.len() > MAX_BATCH_RESPONSE_BYTES
    }

    /// Stores, in place of a response with a secret, the statement that it was shown.
    async fn store_without_secret(&self, id: &str) -> Result<(), Problem> {
        let detail = format!(
            "The original request with this idempotency key succeeded: it concerns {id}, and its secret was \
             shown once in the response. Secrets are not stored. If the response was lost, revoke {id} \
             and send a new request with a new idempotency key."
        );
        let mut response = Response::default();
        Problem::new(ProblemKind::SecretShownOnce, detail).write(&mut response, &self.request_id);
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
        self.store(parts.status, &parts.headers, &body, None).await
    }

    async fn store(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &Bytes,
        again: Option<ReadResourceAgain>,
    ) -> Result<(), Problem> {
        let text = String::from_utf8_lossy(body);
        let header = |name: HeaderName| {
            let value = headers.get(&name)?.to_str().ok()?.to_owned();
            Some((name.to_string(), value))
        };
        let mut headers: Vec<_> = STORED_HEADERS.into_iter().filter_map(header).collect();
        let unread = again.and_then(|again| StoredWithoutResource::of(&again, &text));
        if unread.is_some() {
            headers.push((RESOURCE_MISSING.to_owned(), String::new()));
        }
        let text = unread.as_deref().unwrap_or(&text);
        let stored = seal_response(&self.state, &self.db, &self.key, (status, headers, text))?;
        let now = self.state.clock.now();
        let times = (now, now + RETENTION);
        Ok(self.db.complete_idempotency_key(&self.key, self.started_at, &stored, times).await?)
    }

    async fn release(&self) -> Result<(), Problem> {
        Ok(self.db.release_idempotency_key(&self.key, self.started_at).await?)
    }

    /// Logs a failure to update the row; without heartbeats, its outcome counts as unknown.
    fn report(&self, done: Result<(), Problem>) {
        if let Err(problem) = done {
            problem.log(&self.request_id);
        }
    }
}

/// Whether a repeated request gets this response again. True for unknown outcomes, which must not be retried. False for
/// errors that a retry may resolve: authorization, rate limits, server errors and accounts that need attention.
fn is_final(status: StatusCode, kind: Option<ProblemKind>) -> bool {
    let passes = matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::REQUEST_TIMEOUT
            | StatusCode::TOO_MANY_REQUESTS
    );
    let is_mended = matches!(
        kind,
        Some(
            ProblemKind::AccountNeedsReauth
                | ProblemKind::ProviderAppRefused
                | ProblemKind::AccountDisconnected
                | ProblemKind::NoProviderApp
        )
    );
    let is_unknown = kind == Some(ProblemKind::ProviderOutcomeUnknown);
    is_unknown || !(status.is_server_error() || passes || is_mended)
}
