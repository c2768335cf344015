//! `Idempotency-Key`: a change that is asked for twice is made once. The first request with a key holds
//! it; the same request again gets the stored answer, another one is refused.
//!
//! While it runs, its process says so in the row. A row that was silent for too long belongs to a
//! process that died: what it did is told, and nothing is done again.

mod attempt;
mod fingerprint;
mod replay;
mod scope;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use time::OffsetDateTime;

use self::attempt::{Attempt, HEARTBEAT};
use self::replay::Again;
pub(super) use self::replay::{ReadAgain, ShownOnce};
use super::current::CurrentRequest;
use super::extract::{authenticate, read_whole};
use super::problem::{InDoubt, KnownDeed, Problem, ProblemKind};
use super::state::AppState;
use crate::domain::sealed::Digest;
use crate::store::{Caller, Holder, IdempotencyKey, NewClaim, TenantDb};

/// The header that names the key.
pub(super) const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// How long an answer is kept, and its key with it.
const KEPT: Duration = Duration::from_hours(24);
/// The longest key.
pub(super) const LONGEST_KEY: usize = 255;
/// How long a running request can be silent; beyond that its process is taken for dead.
const LONGEST_SILENCE: Duration = Duration::from_mins(2);
/// When to ask again for the answer of a request that still runs.
const IN_FLIGHT_PAUSE: Duration = Duration::from_secs(1);
/// The route whose requests consist of parts with keys of their own.
const BATCH: &str = "/batch";
/// A key can be given back between the attempt to take it and the look at its holder; so often we try.
const TRIES: usize = 3;

/// Lets a change with a key through once; to its repetitions it gives the stored answer.
pub(super) async fn guard(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if request.method().is_safe() || !request.headers().contains_key(HEADER) {
        return Ok(next.run(request).await);
    }
    let (parts, body) = request.into_parts();
    let current = CurrentRequest::of(&parts.extensions);
    let caller = authenticate(&parts.headers, &state, &current).await?;
    let key = key_of(&parts.headers, &caller)?;
    let body = read_whole(body, &state, &current).await?;
    let wish = Wish {
        fingerprint: fingerprint::of(&parts, &body),
        request_id: current.id().to_owned(),
        current,
        now: state.clock.now(),
        has_parts: parts.uri.path() == BATCH,
        again: Again::of(&parts),
        db: state.store.tenant(caller.environment_id),
        caller,
        key,
    };
    let request = Request::from_parts(parts, Body::from(body));
    // The claim and the run are one task: a caller who hangs up leaves no claim that nobody runs.
    let tasks = state.tasks.clone();
    let done = tasks.spawn(wish.claim_and_run(state, request, next)).await;
    done.unwrap_or_else(|_| Err(Problem::internal()))
}

/// A request that came with a key.
struct Wish {
    caller: Arc<Caller>,
    db: TenantDb,
    key: IdempotencyKey,
    fingerprint: Digest,
    request_id: String,
    current: CurrentRequest,
    now: OffsetDateTime,
    /// Whether its parts have keys of their own: then a dead one is gone on with, and each part that
    /// was done answers from what is stored.
    has_parts: bool,
    /// What reads the object of a stored response again.
    again: Again,
}

impl Wish {
    async fn claim_and_run(
        self,
        state: AppState,
        request: Request,
        next: Next,
    ) -> Result<Response, Problem> {
        if let Some(holder) = self.claim().await?
            && let Some(answer) = self.answer_from(&state, holder).await?
        {
            return Ok(answer);
        }
        let Self { db, key, request_id, has_parts, now, .. } = self;
        let attempt = Attempt { state, db, key, request_id, has_parts, started_at: now };
        Ok(attempt.run(request, next).await)
    }

    /// Takes the key; else tells who holds it.
    async fn claim(&self) -> Result<Option<Holder>, Problem> {
        let claim = self.as_claim();
        for _ in 0..TRIES {
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
            expires_at: self.now + KEPT,
        }
    }

    /// What a request gets whose key another one holds; nothing when it is to go on with what a dead
    /// one began.
    async fn answer_from(
        &self,
        state: &AppState,
        holder: Holder,
    ) -> Result<Option<Response>, Problem> {
        if holder.fingerprint != self.fingerprint {
            return Err(Problem::new(
                ProblemKind::IdempotencyKeyReused,
                "This idempotency key came with another request in the last 24 hours.",
            ));
        }
        // The answer may hold what only a caller with these scopes was allowed to get.
        let missing = holder.caller_scopes.iter().find(|one| !self.caller.scopes.contains(one));
        if let Some(scope) = missing {
            return Err(Problem::new(
                ProblemKind::InsufficientScope,
                format!("The stored answer was given to a key with the scope `{scope}` too."),
            ));
        }
        if holder.answer.is_some() {
            self.audit_replay(state, &holder).await?;
            return self.replay(state, holder).await.map(Some);
        }
        // A part can have begun after the last sign of the whole.
        let more = if self.has_parts { HEARTBEAT } else { Duration::ZERO };
        if holder.silent_for <= LONGEST_SILENCE + more {
            return Err(in_flight());
        }
        if !self.has_parts {
            return Err(self.in_doubt(holder).await?);
        }
        let is_ours = self.db.take_over_idempotency_key(&self.as_claim(), &holder).await?;
        if is_ours { Ok(None) } else { Err(in_flight()) }
    }

    async fn in_doubt(&self, holder: Holder) -> Result<Problem, Problem> {
        let deeds = self.db.audited(&holder.request_id, holder.started_at).await?;
        let known = deeds.into_iter().map(|deed| KnownDeed {
            action: deed.action,
            subject: deed.subject,
            outcome: deed.outcome.name(),
            at: deed.at,
        });
        let doubt = InDoubt { known: known.collect(), request_id: holder.request_id };
        Ok(Problem::new(
            ProblemKind::IdempotencyInDoubt,
            "The service stopped in the middle of the first request with this key. What is known of it \
             stands in `known`; whether the rest was done can only be seen at the provider.",
        )
        .in_doubt(doubt))
    }
}

/// The one key of a request, where it counts.
fn key_of(headers: &HeaderMap, caller: &Caller) -> Result<IdempotencyKey, Problem> {
    let mut values = headers.get_all(HEADER).iter();
    let key = values.next().map(HeaderValue::as_bytes).unwrap_or_default();
    let is_good = (1..=LONGEST_KEY).contains(&key.len())
        && key.iter().all(u8::is_ascii_graphic)
        && values.next().is_none();
    if !is_good {
        return Err(Problem::new(
            ProblemKind::IdempotencyKeyInvalid,
            format!("Send one Idempotency-Key of 1 to {LONGEST_KEY} visible ASCII characters."),
        ));
    }
    Ok(IdempotencyKey { scope: scope::of(caller), key: String::from_utf8_lossy(key).into_owned() })
}

fn in_flight() -> Problem {
    Problem::new(
        ProblemKind::IdempotencyKeyInFlight,
        "The first request with this idempotency key still runs. Its answer can be had soon.",
    )
    .retry_after(IN_FLIGHT_PAUSE)
}
