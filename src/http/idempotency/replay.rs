//! The repetition of a finished request: its stored response, with the object read again when it could
//! not be read the first time. Every replay is in the audit log.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use tower::ServiceExt as _;
use url::form_urlencoded;

use super::attempt::seal;
use super::{KEPT, Wish};
use crate::domain::audit::Outcome;
use crate::domain::ids::AuditId;
use crate::http::extract::{ACCOUNT_HEADER, ADDRESS_HEADERS, PREFER, connection};
use crate::http::operations::Operations;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::{AuditEntry, Holder, SealedAnswer};

/// The header that marks a response as a stored one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Marks a stored response whose object was not read; it is never sent.
pub(super) const UNREAD: &str = "switchboard-unread";
/// When to ask again for a stored response that there was no memory for.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest object that is put into a stored response.
const MAX_OBJECT_BYTES: usize = 4 * 1024 * 1024;
/// The parameters of a change that its object is not read with.
const OF_CHANGES: [&str; 2] = ["on_conflict", "sign_out"];

/// Marks a response that shows a secret this once: it is not stored.
#[derive(Debug, Clone)]
pub(in crate::http) struct ShownOnce(
    /// What the secret opens, by id.
    pub(in crate::http) String,
);

/// Marks a response whose object could not be read after the change.
#[derive(Debug, Clone)]
pub(in crate::http) struct ReadAgain {
    /// Where it is read: a path of this API, or a list of which it is the first row.
    pub(in crate::http) path: String,
    /// The status of the response with the object.
    pub(in crate::http) status: StatusCode,
}

/// A response without its object, as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct Unread {
    path: String,
    status: u16,
    body: Box<RawValue>,
}

impl Unread {
    /// The response of this text with where its object is.
    pub(super) fn of(again: &ReadAgain, text: &str) -> Option<String> {
        let body = RawValue::from_string(text.to_owned()).ok()?;
        let unread = Self { path: again.path.clone(), status: again.status.as_u16(), body };
        serde_json::to_string(&unread).ok()
    }

    /// The response with the object of another one.
    fn completed(&self, read: &str) -> Option<(StatusCode, String)> {
        let read: BTreeMap<String, Box<RawValue>> = serde_json::from_str(read).ok()?;
        let result = read.get("result")?;
        let object = match serde_json::from_str::<Vec<Box<RawValue>>>(result.get()) {
            Ok(rows) => rows.into_iter().next()?,
            Err(_) => result.clone(),
        };
        let mut body: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(self.body.get()).ok()?;
        body.insert("result".to_owned(), object);
        // What they said of the object no longer holds.
        match read.get("warnings") {
            Some(warnings) => body.insert("warnings".to_owned(), warnings.clone()),
            None => body.remove("warnings"),
        };
        let status = StatusCode::from_u16(self.status).ok()?;
        Some((status, to_raw_value(&body).ok()?.get().to_owned()))
    }
}

/// What a request has that its object is read with again.
#[derive(Debug)]
pub(super) struct Again {
    headers: HeaderMap,
    query: String,
    router: Option<Operations>,
    peer: Option<ConnectInfo<SocketAddr>>,
}

impl Again {
    /// What is needed of these parts.
    pub(super) fn of(parts: &Parts) -> Self {
        let names = [axum::http::header::AUTHORIZATION, ACCOUNT_HEADER, PREFER].into_iter();
        let mut headers = HeaderMap::new();
        for name in names.chain(ADDRESS_HEADERS) {
            for value in parts.headers.get_all(&name) {
                headers.append(&name, value.clone());
            }
        }
        let query = parts.uri.query().unwrap_or_default();
        let query = form_urlencoded::parse(query.as_bytes())
            .filter(|(name, _)| !OF_CHANGES.contains(&&**name));
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        Self {
            headers,
            query,
            router: parts.extensions.get::<Operations>().cloned(),
            peer: connection(&parts.extensions),
        }
    }

    /// The body of the object at a path; `None` when it can't be read.
    async fn read(&self, path: &str) -> Option<String> {
        let join = if path.contains('?') { '&' } else { '?' };
        let uri: Uri = format!("{path}{join}{}", self.query).parse().ok()?;
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        if let Some(peer) = self.peer {
            request.extensions_mut().insert(peer);
        }
        let Operations(router) = self.router.clone()?;
        let Ok(response) = router.oneshot(request).await;
        if !response.status().is_success() {
            return None;
        }
        let bytes = to_bytes(response.into_body(), MAX_OBJECT_BYTES).await.ok()?;
        String::from_utf8(bytes.into()).ok()
    }
}

impl Wish {
    /// The stored response of the request that held the key.
    pub(super) async fn replay(
        &self,
        state: &AppState,
        holder: Holder,
    ) -> Result<Response, Problem> {
        let Some(answer) = holder.answer else { return Err(Problem::internal()) };
        let environment_id = self.caller.environment_id;
        let mut held = state.memory.hold(environment_id);
        // Sealed and open.
        held.grow(answer.body.0.len().saturating_mul(2)).map_err(|_| {
            let detail = "There is no memory left for the stored response. Send fewer requests at the same time.";
            Problem::new(ProblemKind::Overloaded, detail).retry_after(PAUSE)
        })?;
        self.current.hold(held);
        let body = state.vault.open_answer(environment_id, &self.key, &answer)?;
        let headers: Vec<_> =
            answer.headers.iter().filter(|(name, _)| name != UNREAD).cloned().collect();
        if headers.len() == answer.headers.len() {
            return response(answer.status, &headers, body);
        }
        let unread: Unread = serde_json::from_str(&body).map_err(|_| Problem::internal())?;
        let read = self.again.read(&unread.path).await;
        let Some((status, text)) = read.and_then(|read| unread.completed(&read)) else {
            return response(answer.status, &headers, unread.body.get().to_owned());
        };
        let whole = seal(state, &self.db, &self.key, (status, headers.clone(), &text))?;
        let times = (self.now, holder.started_at + KEPT);
        self.db.finish_idempotency_key(&self.key, holder.started_at, &whole, times).await?;
        let SealedAnswer { status, .. } = whole;
        response(status, &headers, text)
    }

    /// Writes down that a stored response is given out.
    pub(super) async fn audit_replay(
        &self,
        state: &AppState,
        holder: &Holder,
    ) -> Result<(), Problem> {
        let entry = AuditEntry {
            id: AuditId::generate(&*state.clock, &*state.entropy),
            at: self.now,
            actor: &self.caller.key_id,
            action: "idempotency.replayed",
            account_id: self.caller.account_id,
            subject: Some(&holder.request_id),
            request_id: Some(&self.request_id),
            outcome: Outcome::Done,
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
