//! Changes of users, workspace members, roles, workspaces and groups. Every step is recorded in the audit log before it
//! is sent and after it ended. A step whose response was lost is read back, and a conflict with the present state is
//! compared with that state, so that an outcome reports what was observed and not what was requested.

mod audit;
mod groups;
mod lookup;
mod members;
mod new_user;
mod operation;
mod outcome;
mod roles;
mod users;
mod workspaces;

use std::future::Future;

pub use audit::AuditTrail;
pub use new_user::OnConflict;
pub use outcome::{ChangeResult, ChangeStep, MatchedBy, ObjectOrigin};
pub use users::SignOut;

use self::outcome::{ReadBackResult, resolve_by_read_back, resolve_by_state};
use super::{Directory, RenderOptions, Resource, UnifiedError};
use crate::connectors::ConnectorError;
use crate::domain::patch::{Comparison, ValidationError, WriteOutcome};
use crate::store::AuditOutcome;

/// An account's directory, for one request that changes it.
#[derive(Clone, Copy)]
pub struct Changes<'a> {
    /// The directory.
    pub directory: Directory<'a>,
    /// Records each step in the audit log.
    pub audit_trail: AuditTrail<'a>,
}

impl std::fmt::Debug for Changes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.directory.fmt(f)
    }
}

impl Changes<'_> {
    /// Runs one step that creates an object. `seen` reads the object back when the response was lost.
    async fn create_step<T>(
        &self,
        action: &str,
        subject: &str,
        send: impl Future<Output = Result<T, ConnectorError>>,
        seen: impl Future<Output = Result<ReadBackResult<T>, ConnectorError>>,
    ) -> Result<Result<T, ConnectorError>, UnifiedError> {
        self.audit_trail.record(action, subject, AuditOutcome::Started).await?;
        let outcome = resolve_by_read_back(send.await, seen).await;
        self.record_outcome(action, subject, &outcome).await;
        Ok(outcome)
    }

    /// Runs one step towards a state. `state` compares the present state with it: it decides the outcome of a step
    /// whose response was lost, or that conflicts with the present state.
    async fn update_step(
        &self,
        action: &str,
        subject: &str,
        send: impl Future<Output = Result<WriteOutcome, ConnectorError>>,
        state: impl Future<Output = Result<Comparison, ConnectorError>>,
    ) -> Result<Result<WriteOutcome, ConnectorError>, UnifiedError> {
        self.audit_trail.record(action, subject, AuditOutcome::Started).await?;
        let outcome = resolve_by_state(send.await, state).await;
        self.record_outcome(action, subject, &outcome).await;
        Ok(outcome)
    }

    /// Records the outcome of a step. A step of unknown outcome has no second entry.
    async fn record_outcome<T>(
        &self,
        action: &str,
        subject: &str,
        outcome: &Result<T, ConnectorError>,
    ) {
        let ended = match outcome {
            Ok(_) => AuditOutcome::Done,
            Err(error) if error.is_outcome_unknown() => return,
            Err(_) => AuditOutcome::Failed,
        };
        self.audit_trail.record_end(action, subject, ended).await;
    }

    /// Returns the unified object with that id.
    async fn read<T: Resource>(&self, id: &str) -> Result<Option<T>, ConnectorError> {
        let Some(reader) = T::reader(self.directory.connector) else { return Ok(None) };
        let record = reader.get(&self.directory.cx, id).await?;
        Ok(record.map(|record| *record.resource))
    }

    /// Reads the object of a change after its steps.
    ///
    /// # Errors
    ///
    /// Why the object can't be read, when no step succeeded, or when nothing was changed because the object does not
    /// exist.
    pub(super) async fn change_result<T: Resource>(
        &self,
        id: &str,
        made: ObjectOrigin,
        parts: Vec<ChangeStep>,
        shape: &RenderOptions,
    ) -> Result<ChangeResult, UnifiedError> {
        let object = self.directory.get::<T>(id, shape).await;
        let has_succeeded = parts.iter().any(|part| part.outcome.is_ok());
        let has_changed =
            parts.iter().any(|part| matches!(part.outcome, Ok(WriteOutcome::Applied)));
        let is_final =
            |error: &UnifiedError| !has_succeeded || (!has_changed && error.is_not_found());
        if object.as_ref().is_err_and(is_final)
            && let Err(error) = object
        {
            return Err(error);
        }
        Ok(ChangeResult {
            id: Some(id.to_owned()),
            object,
            origin: made,
            matched_by: None,
            steps: parts,
        })
    }

    /// Compares the object with that id; `Different` when there is none.
    async fn compare<T: Resource>(
        &self,
        id: &str,
        compare: impl FnOnce(&T) -> Comparison,
    ) -> Result<Comparison, ConnectorError> {
        let object = self.read::<T>(id).await?;
        Ok(object.as_ref().map_or(Comparison::Different, compare))
    }

    fn unsupported(&self, resource: &'static str) -> UnifiedError {
        UnifiedError::Unsupported { provider: self.directory.connector.provider(), resource }
    }
}

/// Rejects a request with validation errors.
fn reject_invalid(errors: Vec<ValidationError>) -> Result<(), UnifiedError> {
    if errors.is_empty() { Ok(()) } else { Err(UnifiedError::Invalid(errors)) }
}
