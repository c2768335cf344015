//! Results of changes: the outcome of each step, and the object as read afterwards. A failed read is not a failure of
//! the change.

use std::future::Future;

use crate::connectors::{ConnectorError, ReadBack};
use crate::domain::patch::{Comparison, WriteOutcome};
use crate::unified::{Rendered, UnifiedError};

/// One step of a change, and its outcome.
#[derive(Debug)]
pub struct ChangeStep {
    /// The kind of step: `account`, `workspace`, `role`, …
    pub name: &'static str,
    /// The id of the workspace, role, …
    pub id: Option<String>,
    /// The id of the organization, workspace or channel, where it applies.
    pub place_id: Option<String>,
    /// The outcome.
    pub outcome: Result<WriteOutcome, ConnectorError>,
}

impl ChangeStep {
    pub(super) fn of(
        name: &'static str,
        id: &str,
        outcome: Result<WriteOutcome, ConnectorError>,
    ) -> Self {
        Self { name, id: Some(id.to_owned()), place_id: None, outcome }
    }
}

/// Whether the object of a change is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectOrigin {
    /// It was created.
    Created,
    /// It existed before.
    Existing,
}

/// The field by which an existing user was matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedBy {
    /// The primary e-mail address.
    Email,
}

/// The result of a change.
#[derive(Debug)]
pub struct ChangeResult {
    /// The object's id; `None` when the provider does not return it yet.
    pub id: Option<String>,
    /// The object after the change, or why it could not be read.
    pub object: Result<Rendered, UnifiedError>,
    /// Whether the object is new.
    pub origin: ObjectOrigin,
    /// The field by which an existing object was matched.
    pub matched_by: Option<MatchedBy>,
    /// The steps.
    pub steps: Vec<ChangeStep>,
}

/// The result of reading back a step whose response was lost.
#[derive(Debug)]
pub(super) enum ReadBackResult<T> {
    /// The step was applied.
    Applied(T),
    /// The step was not applied.
    NotApplied,
    /// The provider does not return enough to decide.
    Inconclusive,
}

/// Returns the outcome of a step; an uncertain one is decided by the read-back.
pub(super) async fn resolve_by_read_back<T>(
    outcome: Result<T, ConnectorError>,
    seen: impl Future<Output = Result<ReadBackResult<T>, ConnectorError>>,
) -> Result<T, ConnectorError> {
    match outcome {
        Err(error) if error.needs_read_back() => match seen.await {
            Ok(ReadBackResult::Applied(value)) => Ok(value),
            Ok(ReadBackResult::NotApplied) => Err(error.with_read_back(ReadBack::NotApplied)),
            Ok(ReadBackResult::Inconclusive) => Err(error.with_read_back(ReadBack::Inconclusive)),
            Err(_) => Err(error.with_read_back(ReadBack::Unreadable)),
        },
        decided => decided,
    }
}

/// Returns the outcome of a step towards a state; an uncertain one, or a conflict, is decided by `state`.
pub(super) async fn resolve_by_state(
    outcome: Result<WriteOutcome, ConnectorError>,
    state: impl Future<Output = Result<Comparison, ConnectorError>>,
) -> Result<WriteOutcome, ConnectorError> {
    match outcome {
        Err(refused) if refused.is_state_conflict() => match state.await {
            Ok(Comparison::Equal) => Ok(WriteOutcome::Unchanged),
            Ok(Comparison::Different | Comparison::Unknown) | Err(_) => Err(refused),
        },
        outcome => {
            let seen = async {
                Ok(match state.await? {
                    Comparison::Equal => ReadBackResult::Applied(WriteOutcome::Applied),
                    Comparison::Different => ReadBackResult::NotApplied,
                    Comparison::Unknown => ReadBackResult::Inconclusive,
                })
            };
            resolve_by_read_back(outcome, seen).await
        }
    }
}
