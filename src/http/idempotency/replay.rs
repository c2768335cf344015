//! Replays the stored response of a completed request; a resource that could not be read the first time is read again.
//! Every replay has an audit entry.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;

use super::request::KeyedRequest;
use super::stored::{RESOURCE_MISSING, RETENTION, StoredWithoutResource, seal_response};
use crate::domain::audit::AuditOutcome;
use crate::domain::ids::AuditId;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{AuditEntry, ClaimHolder, SealedResponse};

/// The header of replayed responses.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// `Retry-After` when no memory is left for a stored response.
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl KeyedRequest {
    /// Returns the stored response of the original request.
    pub(super) async fn replay(
        &self,
        state: &AppState,
        holder: ClaimHolder,
    ) -> Result<Response, Problem> {
        let Some(stored) = holder.response else { return Err(Problem::internal()) };
        let environment_id = self.caller.environment_id;
        let mut held = state.memory.reserve(environment_id);
        // Encrypted and decrypted.
        held.grow(stored.body.0.len().saturating_mul(2)).map_err(|_| {
            let detail =
                "No memory is left for the stored response. Send fewer concurrent requests.";
            Problem::new(ProblemKind::Overloaded, detail).with_retry_after(RETRY_AFTER)
        })?;
        self.current.reserve_bytes(held);
        let body = state.vault.open_response(environment_id, &self.key, &stored)?;
        let headers: Vec<_> =
            stored.headers.iter().filter(|(name, _)| name != RESOURCE_MISSING).cloned().collect();
        if headers.len() == stored.headers.len() {
            return response(stored.status, &headers, body);
        }
        let unread: StoredWithoutResource =
            serde_json::from_str(&body).map_err(|_| Problem::internal())?;
        let read = self.reread.read(&unread.path).await;
        let Some((status, text)) = read.and_then(|read| unread.with_resource(&read)) else {
            return response(stored.status, &headers, unread.body.get().to_owned());
        };
        let whole = seal_response(state, &self.db, &self.key, (status, headers.clone(), &text))?;
        let times = (self.now, holder.started_at + RETENTION);
        self.db.complete_idempotency_key(&self.key, holder.started_at, &whole, times).await?;
        let SealedResponse { status, .. } = whole;
        response(status, &headers, text)
    }

    /// Writes the audit entry of a replay.
    pub(super) async fn audit_replay(
        &self,
        state: &AppState,
        holder: &ClaimHolder,
    ) -> Result<(), Problem> {
        let entry = AuditEntry {
            id: AuditId::generate(&*state.clock, &*state.entropy),
            at: self.now,
            actor: &self.caller.key_id,
            action: "idempotency.replayed",
            account_id: self.caller.account_id,
            subject: Some(&holder.request_id),
            request_id: Some(&self.request_id),
            outcome: AuditOutcome::Done,
        };
        Ok(self.db.audit(&entry).await?)
    }
}

fn response(status: i16, headers: &[(String, String)], body: String) -> Result<Response, Problem> {
    let mut response = Response::new(Body::from(body));
    let status = u16::try_from(status).ok();
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    *response.status_mut() = status.ok_or_else(Problem::internal)?;
    for (name, value) in headers {
        let header = (HeaderName::try_from(name), HeaderValue::try_from(value));
        let (Ok(name), Ok(value)) = header else { return Err(Problem::internal()) };
        response.headers_mut().append(name, value);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}
