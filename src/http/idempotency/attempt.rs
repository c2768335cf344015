//! The one request that holds a key: it runs to its end even if its caller hangs up, and its answer is
//! kept when it is the last word.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::KEPT;
use super::replay::{ReadAgain, ShownOnce, UNREAD, Unread};
use crate::http::problem::{Problem, ProblemKind, Written};
use crate::http::state::AppState;
use crate::store::{IdempotencyKey, SealedAnswer, TenantDb};

/// How often a running request says that it runs: several times in the longest silence.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(20);
/// The headers that belong to an answer; the others belong to the moment.
const ANSWER_HEADERS: [HeaderName; 2] = [header::CONTENT_TYPE, header::LOCATION];

/// The longest stored response of a request whose parts have keys of their own, in bytes.
const MAX_BYTES_OF_PARTS: usize = 4 * 1024 * 1024;

/// A request that holds a key.
pub(super) struct Attempt {
    pub(super) state: AppState,
    pub(super) db: TenantDb,
    pub(super) key: IdempotencyKey,
    pub(super) request_id: String,
    /// Whether its parts have keys of their own.
    pub(super) has_parts: bool,
    /// When it took the key.
    pub(super) started_at: OffsetDateTime,
}

impl Attempt {
    /// Runs the request to its end; the caller's own task is another one.
    pub(super) async fn run(self, request: Request, next: Next) -> Response {
        // A task inside of the task, so that a panic of the handler ends nothing but the handler.
        let mut handler = self.state.tasks.spawn(next.run(request));
        let mut heartbeat = tokio::time::interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
        let done = loop {
            tokio::select! {
                done = &mut handler => break done,
                _ = heartbeat.tick() => self.keep().await,
            }
        };
        match done {
            Ok(response) => self.settle(response).await,
            Err(error) if error.is_panic() => {
                self.settle(Problem::internal().into_response()).await
            }
            // The program ends: the row stays in flight, because nobody knows how far it came.
            Err(_) => Problem::internal().into_response(),
        }
    }

    async fn keep(&self) {
        let kept = self.db.keep_idempotency_key(&self.key, self.started_at).await;
        self.report(kept.map_err(Problem::from));
    }

    /// Keeps the answer when it is the last word, gives the key back when it is not.
    async fn settle(&self, mut response: Response) -> Response {
        let problem = response.extensions_mut().remove::<Problem>();
        if let Some(problem) = &problem {
            // Written here and not at the edge: the caller may be gone, and the bytes are kept.
            problem.log(&self.request_id);
            problem.write(&mut response, &self.request_id);
        }
        let (mut parts, body) = response.into_parts();
        let Ok(body) = to_bytes(body, usize::MAX).await else {
            self.report(self.give_back().await);
            return Problem::internal().into_response();
        };
        let is_last_word = is_last_word(parts.status, problem.as_ref().map(Problem::kind));
        let shown_once = parts.extensions.remove::<ShownOnce>();
        let again = parts.extensions.remove::<ReadAgain>();
        let settled = if let Some(ShownOnce(id)) = shown_once {
            self.store_without_secret(&id).await
        } else if is_last_word && !self.is_too_large(&body) {
            self.store(parts.status, &parts.headers, &body, again).await
        } else {
            self.give_back().await
        };
        self.report(settled);
        let now = self.state.clock.now();
        self.report(self.db.purge_idempotency_keys(now).await.map_err(Problem::from));
        if let Some(problem) = problem {
            parts.extensions.insert(Written(problem));
        }
        Response::from_parts(parts, Body::from(body))
    }

    /// Whether a response is not stored for its length: a repetition of its request gets the stored responses of the
    /// parts.
    fn is_too_large(&self, body: &Bytes) -> bool {
        self.has_parts && body.len() > MAX_BYTES_OF_PARTS
    }

    /// Stores in the place of a response with a secret that it was shown.
    async fn store_without_secret(&self, id: &str) -> Result<(), Problem> {
        let detail = format!(
            "The first request with this idempotency key was done: it concerned {id}, and its secret was \
             shown once in the response. Secrets are not stored. If that response was lost, revoke {id} \
             and send a new request with another key."
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
        again: Option<ReadAgain>,
    ) -> Result<(), Problem> {
        let text = String::from_utf8_lossy(body);
        let header = |name: HeaderName| {
            let value = headers.get(&name)?.to_str().ok()?.to_owned();
            Some((name.to_string(), value))
        };
        let mut headers: Vec<_> = ANSWER_HEADERS.into_iter().filter_map(header).collect();
        let unread = again.and_then(|again| Unread::of(&again, &text));
        if unread.is_some() {
            headers.push((UNREAD.to_owned(), String::new()));
        }
        let text = unread.as_deref().unwrap_or(&text);
        let answer = seal(&self.state, &self.db, &self.key, (status, headers, text))?;
        let now = self.state.clock.now();
        let times = (now, now + KEPT);
        Ok(self.db.finish_idempotency_key(&self.key, self.started_at, &answer, times).await?)
    }

    async fn give_back(&self) -> Result<(), Problem> {
        Ok(self.db.free_idempotency_key(&self.key, self.started_at).await?)
    }

    /// A failure here is no failure of the request: the row falls silent, and is in doubt then.
    fn report(&self, done: Result<(), Problem>) {
        if let Err(problem) = done {
            problem.log(&self.request_id);
        }
    }
}

/// A response as it is stored.
pub(super) fn seal(
    state: &AppState,
    db: &TenantDb,
    key: &IdempotencyKey,
    (status, headers, text): (StatusCode, Vec<(String, String)>, &str),
) -> Result<SealedAnswer, Problem> {
    let (data_key, body) = state.vault.seal_answer(db.environment_id(), key, text)?;
    let status = i16::try_from(status.as_u16()).unwrap_or_default();
    Ok(SealedAnswer { status, headers, data_key, body })
}

/// Whether a repetition is to get this answer again. A change of unknown outcome is not tried again. Who may not, or comes too early, or meets a failure
/// or an account that has to be mended first, asks the same again and wants it done then.
fn is_last_word(status: StatusCode, kind: Option<ProblemKind>) -> bool {
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
