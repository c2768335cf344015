//! Middleware for `Idempotency-Key`: the first request with a key claims it; a repetition gets the stored response, and
//! a different request is rejected.
//!
//! While it runs, its process renews the claim. After [`CLAIM_TIMEOUT`] without a heartbeat the outcome is unknown: the
//! response lists the recorded actions, and nothing is executed again.

mod execution;
mod fingerprint;
mod replay;
mod request;
mod resource_reader;
mod scope;
mod stored;

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;

use self::execution::{HEARTBEAT, KeyedExecution};
use self::request::KeyedRequest;
use self::resource_reader::ResourceReader;
use self::stored::RETENTION;
pub(super) use self::stored::{ReadResourceAgain, SecretShownOnce};
use super::extract::{authenticate, read_whole};
use super::problem::{Problem, ProblemKind, RecordedAction, UnknownOutcome};
use super::request_context::RequestContext;
use super::state::AppState;
use crate::store::{Caller, ClaimHolder, IdempotencyKey, NewClaim};

/// The header with the idempotency key.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Maximum length of a key, in characters.
pub(super) const MAX_KEY_CHARS: usize = 255;
/// The maximum time between heartbeats; after it the process counts as terminated.
const CLAIM_TIMEOUT: Duration = Duration::from_mins(2);
/// `Retry-After` for a key whose request is running.
const IN_FLIGHT_RETRY_AFTER: Duration = Duration::from_secs(1);
/// The route whose operations have keys of their own.
const BATCH_PATH: &str = "/batch";
/// Attempts to claim a key: it can be released between the claim and reading its holder.
const MAX_CLAIM_ATTEMPTS: usize = 3;

/// Executes the first request with a key; returns the stored response to its repetitions.
pub(super) async fn handle(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if request.method().is_safe() || !request.headers().contains_key(HEADER) {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let current = RequestContext::of(&parts.extensions);
    let caller = authenticate(&parts.headers, &state, &current).await?;
    let key = key_of(&parts.headers, &caller)?;
    let body = read_whole(body, &state, &current).await?;
    let keyed = KeyedRequest {
        fingerprint: fingerprint::of(&parts, &body),
        request_id: current.id().to_owned(),
        current,
        now: state.clock.now(),
        has_operations: parts.uri.path() == BATCH_PATH,
        reread: ResourceReader::of(&parts),
        db: state.store.tenant(caller.environment_id),
        caller,
        key,
    };
    let request = Request::from_parts(parts, Body::from(body));
    // Claim and execution are one task: a disconnected caller must not leave a claim without execution.
    let tasks = state.tasks.clone();
    let done = tasks.spawn(keyed.claim_and_run(state, request, next)).await;
    done.unwrap_or_else(|_| Err(Problem::internal()))
}

impl KeyedRequest {
    async fn claim_and_run(
        self,
        state: AppState,
        request: Request,
        next: Next,
    ) -> Result<Response, Problem> {
        if let Some(holder) = self.claim().await?
            && let Some(response) = self.response_from(&state, holder).await?
        {
            return Ok(response);
        }
        let Self { db, key, request_id, has_operations: has_parts, now, .. } = self;
        let attempt = KeyedExecution {
            state,
            db,
            key,
            request_id,
            has_operations: has_parts,
            started_at: now,
        };
        Ok(attempt.run(request, next).await)
    }

    /// Claims the key; returns its holder if another request has it.
    async fn claim(&self) -> Result<Option<ClaimHolder>, Problem> {
        let claim = self.as_claim();
        for _ in 0..MAX_CLAIM_ATTEMPTS {
            if self.db.claim_idempotency_key(&claim).await? {
                return Ok(None);
            }
            if let Some(holder) = self.db.idempotency_key(&self.key).await? {
                return Ok(Some(holder));
            }
        }
        Err(in_flight())
    }

    fn as_claim(&self) -> NewClaim<'_> {
        NewClaim {
            key: &self.key,
            fingerprint: self.fingerprint,
            caller_scopes: &self.caller.scopes,
            request_id: &self.request_id,
            now: self.now,
            expires_at: self.now + RETENTION,
        }
    }

    /// Returns the response for a key that another request holds; `None` if this request resumes an interrupted batch.
    async fn response_from(
        &self,
        state: &AppState,
        holder: ClaimHolder,
    ) -> Result<Option<Response>, Problem> {
        if holder.fingerprint != self.fingerprint {
            return Err(Problem::new(
                ProblemKind::IdempotencyKeyReused,
                "This idempotency key was used for a different request within the last 24 hours. Send a new key.",
            ));
        }
        // The response may contain data that requires these scopes.
        let missing = holder.caller_scopes.iter().find(|one| !self.caller.scopes.contains(one));
        if let Some(scope) = missing {
            return Err(Problem::new(
                ProblemKind::InsufficientScope,
                format!("The stored response requires the scope `{scope}`."),
            ));
        }
        if holder.response.is_some() {
            self.audit_replay(state, &holder).await?;
            return self.replay(state, holder).await.map(Some);
        }
        // An operation can have started after the last heartbeat of the batch.
        let more = if self.has_operations { HEARTBEAT } else { Duration::ZERO };
        if holder.heartbeat_age <= CLAIM_TIMEOUT + more {
            return Err(in_flight());
        }
        if !self.has_operations {
            return Err(self.unknown_outcome(holder).await?);
        }
        let is_ours = self.db.take_over_idempotency_key(&self.as_claim(), &holder).await?;
        if is_ours { Ok(None) } else { Err(in_flight()) }
    }

    async fn unknown_outcome(&self, holder: ClaimHolder) -> Result<Problem, Problem> {
        let entries = self.db.audited_actions(&holder.request_id, holder.started_at).await?;
        let recorded = entries.into_iter().map(|entry| RecordedAction {
            action: entry.action,
            subject: entry.subject,
            outcome: entry.outcome.name(),
            at: entry.at,
        });
        let doubt =
            UnknownOutcome { recorded_actions: recorded.collect(), request_id: holder.request_id };
        Ok(Problem::new(
            ProblemKind::IdempotencyInDoubt,
            "The gateway stopped during the original request with this key. Its recorded actions are in \
             `recorded_actions`; check at the provider whether the remaining steps were applied.",
        )
        .with_unknown_outcome(doubt))
    }
}

/// Returns the key of a request, scoped to its caller.
fn key_of(headers: &HeaderMap, caller: &Caller) -> Result<IdempotencyKey, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let key = values.next().map(HeaderValue::as_bytes).unwrap_or_default();
    let is_good = (1..=MAX_KEY_CHARS).contains(&key.len())
        && key.iter().all(u8::is_ascii_graphic)
        && values.next().is_none();
    if !is_good {
        let max = MAX_KEY_CHARS;
        return Err(Problem::new(
            ProblemKind::IdempotencyKeyInvalid,
            format!("Send one `Idempotency-Key` header of 1 to {max} visible ASCII characters."),
        ));
    }
    Ok(IdempotencyKey { scope: scope::of(caller), key: String::from_utf8_lossy(key).into_owned() })
}

fn in_flight() -> Problem {
    Problem::new(
        ProblemKind::IdempotencyKeyInFlight,
        "The original request with this idempotency key is still running. Retry after `Retry-After` seconds.",
    )
    .with_retry_after(IN_FLIGHT_RETRY_AFTER)
}
