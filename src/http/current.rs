//! The request at hand: its id, its trace, and what is learnt about it on its way.

use std::sync::{Arc, OnceLock};

use axum::http::Extensions;

use crate::domain::ids::{EnvironmentId, IntegratedAccountId};
use crate::limit::Meter;
use crate::telemetry::Span;

/// The request at hand. Clones are the same request.
#[derive(Debug, Clone, Default)]
pub(super) struct CurrentRequest(Arc<Facts>);

#[derive(Debug, Default)]
struct Facts {
    id: Box<str>,
    span: Span,
    meter: Meter,
    environment_id: OnceLock<EnvironmentId>,
    account_id: OnceLock<IntegratedAccountId>,
}

impl CurrentRequest {
    /// A request with this id, that is this part of a trace.
    pub(super) fn new(id: Box<str>, span: Span) -> Self {
        Self(Arc::new(Facts { id, span, ..Facts::default() }))
    }

    /// The request that these belong to.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// Its id: the caller's own, when it sent a plain one.
    pub(super) fn id(&self) -> &str {
        &self.0.id
    }

    /// Its part of a trace.
    pub(super) fn span(&self) -> &Span {
        &self.0.span
    }

    /// The budgets it takes from.
    pub(super) fn meter(&self) -> &Meter {
        &self.0.meter
    }

    /// Whose it is, once that was proven.
    pub(super) fn environment_id(&self) -> Option<EnvironmentId> {
        self.0.environment_id.get().copied()
    }

    /// Notes whose it is.
    pub(super) fn is_of(&self, environment_id: EnvironmentId) {
        if self.0.environment_id.set(environment_id).is_ok() {
            self.span().note("switchboard.environment_id", || environment_id.to_string());
        }
    }

    /// Which account it is about, where it is about one.
    pub(super) fn account_id(&self) -> Option<IntegratedAccountId> {
        self.0.account_id.get().copied()
    }

    /// Notes which account it is about.
    pub(super) fn is_about(&self, account_id: IntegratedAccountId) {
        if self.0.account_id.set(account_id).is_ok() {
            self.span().note("switchboard.account_id", || account_id.to_string());
        }
    }
}
