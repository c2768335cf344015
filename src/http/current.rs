//! The request at hand: its id, its trace, where it came from, and what is learnt about it on its way.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::http::{Extensions, HeaderValue};

use crate::connectors::UnreadableRows;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::domain::provider::Provider;
use crate::limit::{HeldBytes, Meter, Place, Places};
use crate::store::Caller;
use crate::telemetry::Span;

/// The request at hand. Clones are the same request.
#[derive(Debug, Clone, Default)]
pub(super) struct CurrentRequest(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    id: Id,
    peer: Option<SocketAddr>,
    span: Span,
    meter: Meter,
    unreadable_rows: UnreadableRows,
    held: Mutex<Vec<HeldBytes>>,
    caller: OnceLock<Arc<Caller>>,
    refused_key: OnceLock<(EnvironmentId, Box<str>)>,
    place: OnceLock<Arc<Place>>,
    account: OnceLock<(IntegratedAccountId, Provider)>,
}

/// Marks a request that is a part of another one, such as an operation of a batch.
#[derive(Debug, Clone)]
pub(super) struct PartOf(Option<Arc<Place>>);

/// An id as headers have it.
#[derive(Debug)]
struct Id(HeaderValue);

impl Default for Id {
    fn default() -> Self {
        Self(HeaderValue::from_static(""))
    }
}

impl CurrentRequest {
    /// A request with this id, that is this part of a trace and came by a connection with `peer`.
    pub(super) fn new(id: HeaderValue, span: Span, peer: Option<SocketAddr>) -> Self {
        Self(Arc::new(Facts { id: Id(id), span, peer, ..Facts::default() }))
    }

    /// The same request, whose caller is to be proven again: what was permitted may have been revoked meanwhile.
    pub(super) fn unproven(&self) -> Self {
        let id = Id(self.0.id.0.clone());
        let (span, peer, place) = (self.0.span.clone(), self.0.peer, self.0.place.clone());
        Self(Arc::new(Facts { id, peer, span, place, ..Facts::default() }))
    }

    /// Notes that it is a part of another request, whose place it shares.
    pub(super) fn is_part_of(&self, whole: &PartOf) {
        if let Some(place) = &whole.0 {
            // A request that begins has none yet.
            let _ = self.0.place.set(Arc::clone(place));
        }
    }

    /// Marks requests that are parts of this one.
    pub(super) fn part(&self) -> PartOf {
        PartOf(self.0.place.get().cloned())
    }

    /// The request that these belong to.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Its id: the caller's own, when it sent a plain one.
    pub(super) fn id(&self) -> &str {
        self.0.id.0.to_str().unwrap_or_default()
    }

    /// Its id as headers have it.
    pub(super) fn id_header(&self) -> &HeaderValue {
        &self.0.id.0
    }

    /// The other end of the connection that it came by.
    pub(super) fn peer(&self) -> Option<SocketAddr> {
        self.0.peer
    }

    /// Its part of a trace.
    pub(super) fn span(&self) -> &Span {
        &self.0.span
    }

    /// The budgets it takes from.
    pub(super) fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// Where the provider's rows are noted that can't be read.
    pub(super) fn unreadable_rows(&self) -> &UnreadableRows {
        &self.0.unreadable_rows
    }

    /// Counts these bytes as in flight until the request ends.
    pub(super) fn hold(&self, held: HeldBytes) {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner).push(held);
    }

    /// Who calls, once that was proven.
    pub(super) fn caller(&self) -> Option<&Arc<Caller>> {
        self.0.caller.get()
    }

    /// The key that was refused, and its environment, where that is known.
    pub(super) fn refused_key(&self) -> Option<(EnvironmentId, &str)> {
        self.0.refused_key.get().map(|(environment_id, key_id)| (*environment_id, &**key_id))
    }

    /// Notes that this key came with it and is refused.
    pub(super) fn is_refused(&self, environment_id: EnvironmentId, key_id: &str) {
        // A request has one key.
        let _ = self.0.refused_key.set((environment_id, key_id.into()));
    }

    /// Whose it is, once that was proven.
    pub(super) fn environment_id(&self) -> Option<EnvironmentId> {
        self.caller().map(|caller| caller.environment_id)
    }

    /// Notes who calls, and takes a place of its environment until the request ends; returns whether there is one.
    #[must_use]
    pub(super) fn is_of(&self, caller: &Arc<Caller>, places: &Places) -> bool {
        if self.0.caller.set(Arc::clone(caller)).is_err() {
            return true;
        }
        self.span().note("switchboard.environment_id", || caller.environment_id.to_string());
        self.0.place.get().is_some()
            || places
                .enter(caller.environment_id)
                .is_some_and(|place| self.0.place.set(Arc::new(place)).is_ok())
    }

    /// Which account it is about, where it is about one.
    pub(super) fn account_id(&self) -> Option<IntegratedAccountId> {
        self.0.account.get().map(|(id, _)| *id)
    }

    /// Which provider that account has.
    pub(super) fn provider(&self) -> Option<Provider> {
        self.0.account.get().map(|(_, provider)| *provider)
    }

    /// Notes which account it is about.
    pub(super) fn is_about(&self, account_id: IntegratedAccountId, provider: Provider) {
        if self.0.account.set((account_id, provider)).is_ok() {
            self.span().note("switchboard.account_id", || account_id.to_string());
        }
    }
}
