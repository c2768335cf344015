//! Changes: of users, of members of workspaces, of roles, of workspaces, of groups. Every step is
//! written down before it is sent and after it. One whose response was lost is read back, and a refusal
//! because of the present state is compared with it, so that an outcome says what was seen and not what
//! was requested.

mod found;
mod groups;
mod journal;
mod members;
mod new_user;
mod outcome;
mod people;
mod roles;
mod workspaces;

use std::future::Future;

pub use journal::Journal;
pub use new_user::OnConflict;
pub use outcome::{Changed, Made, MatchedBy, Part};
pub use people::SignOut;

use self::outcome::{Seen, settle, settle_goal};
use super::{Directory, Resource, Shape, UnifiedError};
use crate::connectors::ConnectorError;
use crate::domain::input::{Comparison, Done, Flaw};
use crate::store::Outcome;

/// An account's directory, for one request that changes it.
#[derive(Clone, Copy)]
pub struct Changes<'a> {
    /// The directory.
    pub directory: Directory<'a>,
    /// Where each step is written down.
    pub journal: Journal<'a>,
}

impl std::fmt::Debug for Changes<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.directory.fmt(f)
    }
}

impl Changes<'_> {
    /// One step that makes something. `seen` reads what was made when the response was lost.
    async fn step<T>(
        &self,
        action: &str,
        subject: &str,
        send: impl Future<Output = Result<T, ConnectorError>>,
        seen: impl Future<Output = Result<Seen<T>, ConnectorError>>,
    ) -> Result<Result<T, ConnectorError>, UnifiedError> {
        self.journal.note(action, subject, Outcome::Started).await?;
        let outcome = settle(send.await, seen).await;
        self.close(action, subject, &outcome).await;
        Ok(outcome)
    }

    /// One step towards a state. `state` compares what is there with that: it decides a step whose
    /// response was lost, and whether one that the present state forbids was so already.
    async fn reach(
        &self,
        action: &str,
        subject: &str,
        send: impl Future<Output = Result<Done, ConnectorError>>,
        state: impl Future<Output = Result<Comparison, ConnectorError>>,
    ) -> Result<Result<Done, ConnectorError>, UnifiedError> {
        self.journal.note(action, subject, Outcome::Started).await?;
        let outcome = settle_goal(send.await, state).await;
        self.close(action, subject, &outcome).await;
        Ok(outcome)
    }

    /// Writes down how a step ended. One of unknown outcome stays begun, which is what is known of it.
    async fn close<T>(&self, action: &str, subject: &str, outcome: &Result<T, ConnectorError>) {
        let ended = match outcome {
            Ok(_) => Outcome::Done,
            Err(error) if error.is_outcome_unknown() => return,
            Err(_) => Outcome::Failed,
        };
        self.journal.close(action, subject, ended).await;
    }

    /// The object with that id, unshaped.
    async fn read<T: Resource>(&self, id: &str) -> Result<Option<T>, ConnectorError> {
        let Some(facet) = T::facet(self.directory.connector) else { return Ok(None) };
        let record = facet.get(&self.directory.cx, id).await?;
        Ok(record.map(|record| *record.unified))
    }

    /// Reads the object of a change after its steps.
    ///
    /// # Errors
    ///
    /// Why it can't be read, when none of the steps succeeded either, or when nothing was changed because there is no
    /// such object.
    pub(super) async fn changed<T: Resource>(
        &self,
        id: &str,
        made: Made,
        parts: Vec<Part>,
        shape: &Shape,
    ) -> Result<Changed, UnifiedError> {
        let object = self.directory.get::<T>(id, shape).await;
        let has_succeeded = parts.iter().any(|part| part.outcome.is_ok());
        let has_changed = parts.iter().any(|part| matches!(part.outcome, Ok(Done::Done)));
        let is_final =
            |error: &UnifiedError| !has_succeeded || (!has_changed && error.is_not_found());
        if object.as_ref().is_err_and(is_final)
            && let Err(error) = object
        {
            return Err(error);
        }
        Ok(Changed { id: Some(id.to_owned()), object, made, matched_by: None, parts })
    }

    /// Compares the object with that id, where there is one.
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

/// Refuses a request that has flaws.
fn refuse(flaws: Vec<Flaw>) -> Result<(), UnifiedError> {
    if flaws.is_empty() { Ok(()) } else { Err(UnifiedError::Flawed(flaws)) }
}
