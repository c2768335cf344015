//! The context of a request: id, trace, peer, and what is learned while it is processed.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::http::{Extensions, HeaderValue};

use crate::connectors::UnreadableRows;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::provider::Provider;
use crate::limit::{ByteReservation, ConcurrencyLimit, ConcurrencyPermit, LimitReport};
use crate::store::Caller;
use crate::telemetry::Span;

/// The context of a request. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct RequestContext(Arc<ContextData>);

#[derive(Debug, Default)]
struct ContextData {
    id: IdHeader,
    peer: Option<SocketAddr>,
    span: Span,
    meter: LimitReport,
    unreadable_rows: UnreadableRows,
    reserved_bytes: Mutex<Vec<ByteReservation>>,
    caller: OnceLock<Arc<Caller>>,
    rejected_key: OnceLock<(EnvironmentId, Box<str>)>,
    request_slot: OnceLock<Arc<ConcurrencyPermit>>,
    account: OnceLock<(IntegratedAccountId, Provider)>,
}

/// Marks a request that is part of another one, such as an operation of a batch.
#[derive(Debug, Clone)]
pub(super) struct ParentRequest(Option<Arc<ConcurrencyPermit>>);

/// The caller of an internal request, authenticated by a session. Requests from outside have no extensions.
#[derive(Debug, Clone)]
pub(super) struct InternalCaller(pub(super) Arc<Caller>);

/// An id as a header value.
#[derive(Debug)]
struct IdHeader(HeaderValue);

impl Default for IdHeader {
    fn default() -> Self {
        Self(HeaderValue::from_static(""))
    }
}

impl RequestContext {
    /// Creates the context of a request with this id and span, from a connection with `peer`.
    pub(super) fn new(id: HeaderValue, span: Span, peer: Option<SocketAddr>) -> Self {
        Self(Arc::new(ContextData { id: IdHeader(id), span, peer, ..ContextData::default() }))
    }

    /// Returns the context without its caller, who is authenticated again: the key may have been revoked meanwhile.
    pub(super) fn unauthenticated(&self) -> Self {
        let id = IdHeader(self.0.id.0.clone());
        let (span, peer, place) = (self.0.span.clone(), self.0.peer, self.0.request_slot.clone());
        Self(Arc::new(ContextData {
            id,
            peer,
            span,
            request_slot: place,
            ..ContextData::default()
        }))
    }

    /// Marks the request as part of another one, whose request slot it shares.
    pub(super) fn set_parent(&self, whole: &ParentRequest) {
        if let Some(place) = &whole.0 {
            // A new request has no slot yet.
            let _ = self.0.request_slot.set(Arc::clone(place));
        }
    }

    /// Returns the mark for requests that are part of this one.
    pub(super) fn as_parent(&self) -> ParentRequest {
        ParentRequest(self.0.request_slot.get().cloned())
    }

    /// Returns the context from a request's extensions.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Returns the id: the caller's own, if it sent a valid one.
    pub(super) fn id(&self) -> &str {
        self.0.id.0.to_str().unwrap_or_default()
    }

    /// Returns the id as a header value.
    pub(super) fn id_header(&self) -> &HeaderValue {
        &self.0.id.0
    }

    /// Returns the remote address of the connection.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// Returns the span.
    pub(super) fn span(&self) -> &Span {
        &self.0.span
    }

    /// Returns the report of the rate limits it uses.
    pub(super) fn limit_report(&self) -> &LimitReport {
        &self.0.meter
    }

    /// Returns the collector of provider rows that could not be parsed.
    pub(super) fn unreadable_rows(&self) -> &UnreadableRows {
        &self.0.unreadable_rows
    }

    /// Holds a memory reservation until the request ends.
    pub(super) fn reserve_bytes(&self, held: ByteReservation) {
        self.0.reserved_bytes.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }

    /// Returns the caller, after authentication.
    pub(super) fn caller(&self) -> Option<&Arc<Caller>> {
        self.0.caller.get()
    }

    /// Returns the rejected key and its environment, if known.
    pub(super) fn rejected_key(&self) -> Option<(EnvironmentId, &str)> {
        self.0.rejected_key.get().map(|(environment_id, key_id)| (*environment_id, &**key_id))
    }

    /// Records that the request's key was rejected.
    pub(super) fn set_rejected_key(&self, environment_id: EnvironmentId, key_id: &str) {
        // A request has one key.
        let _ = self.0.rejected_key.set((environment_id, key_id.into()));
    }

    /// Returns the environment, after authentication.
    pub(super) fn environment_id(&self) -> Option<EnvironmentId> {
        self.caller().map(|caller| caller.environment_id)
    }

    /// Sets the caller and takes a request slot of its environment until the request ends; returns whether there was
    /// one.
    #[must_use]
    pub(super) fn set_caller(&self, caller: &Arc<Caller>, places: &ConcurrencyLimit) -> bool {
        if self.0.caller.set(Arc::clone(caller)).is_err() {
            return true;
        }
        self.span()
            .set_attribute("switchboard.environment_id", || caller.environment_id.to_string());
        self.0.request_slot.get().is_some()
            || places
                .try_acquire(caller.environment_id)
                .is_some_and(|place| self.0.request_slot.set(Arc::new(place)).is_ok())
    }

    /// Returns the account, if the request is about one.
    pub(super) fn account_id(&self) -> Option<IntegratedAccountId> {
        self.0.account.get().map(|(id, _)| *id)
    }

    /// Returns the provider of that account.
    pub(super) fn provider(&self) -> Option<Provider> {
        self.0.account.get().map(|(_, provider)| *provider)
    }

    /// Sets the account.
    pub(super) fn set_account_id(&self, account_id: IntegratedAccountId, provider: Provider) {
        if self.0.account.set((account_id, provider)).is_ok() {
            self.span().set_attribute("switchboard.account_id", || account_id.to_string());
        }
    }
}
