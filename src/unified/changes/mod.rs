//! Changes: of users, of members of workspaces, of roles, of workspaces, of groups. Every step is
//! written down before it is sent and after it, and one whose answer leaves it in doubt is read back,
//! so that an answer says what was seen and not what was wished.

mod found;
mod groups;
mod journal;
mod members;
mod people;
mod roles;
mod workspaces;

use std::future::Future;

pub use journal::Journal;
pub use people::{Made, OnConflict, SignOut, WrittenUser};

use super::{Directory, Resource, UnifiedError};
use crate::connectors::{ConnectorError, ReadBack};
use crate::domain::input::{Done, Flaw};
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

/// One step of a request that takes several, and what came of it.
#[derive(Debug)]
pub struct Part {
    /// What was done: `account`, `workspace`, `role`, …
    pub name: &'static str,
    /// What it was done with, by id: the workspace, the role.
    pub id: Option<String>,
    /// Where.
    pub place_id: Option<String>,
    /// What came of it.
    pub outcome: Result<Done, ConnectorError>,
}

impl Part {
    fn of(name: &'static str, id: &str, outcome: Result<Done, ConnectorError>) -> Self {
        Self { name, id: Some(id.to_owned()), place_id: None, outcome }
    }
}

impl Changes<'_> {
    /// One step. `seen` reads what came of it when the answer left that open.
    async fn step<T>(
        &self,
        action: &str,
        subject: &str,
        send: impl Future<Output = Result<T, ConnectorError>>,
        seen: impl Future<Output = Result<Option<T>, ConnectorError>>,
    ) -> Result<Result<T, ConnectorError>, UnifiedError> {
        self.journal.note(action, subject, Outcome::Started).await?;
        let outcome = settle(send.await, seen).await;
        let ended = if outcome.is_ok() { Outcome::Done } else { Outcome::Failed };
        self.journal.close(action, subject, ended).await;
        Ok(outcome)
    }

    /// The thing with that id, unshaped.
    async fn read<T: Resource>(&self, id: &str) -> Result<Option<T>, ConnectorError> {
        let Some(facet) = T::facet(self.directory.connector) else { return Ok(None) };
        let record = facet.get(&self.directory.cx, id).await?;
        Ok(record.map(|record| *record.unified))
    }

    fn unsupported(&self, resource: &'static str) -> UnifiedError {
        UnifiedError::Unsupported { provider: self.directory.connector.provider(), resource }
    }
}

/// The outcome of a step; one in doubt is decided by what is seen afterwards.
async fn settle<T>(
    outcome: Result<T, ConnectorError>,
    seen: impl Future<Output = Result<Option<T>, ConnectorError>>,
) -> Result<T, ConnectorError> {
    match outcome {
        Err(error) if error.is_in_doubt() => match seen.await {
            Ok(Some(value)) => Ok(value),
            Ok(None) => Err(error.read_back(ReadBack::NotThere)),
            Err(_) => Err(error.read_back(ReadBack::Unreadable)),
        },
        decided => decided,
    }
}

/// Refuses a wish that has flaws.
fn refuse(flaws: Vec<Flaw>) -> Result<(), UnifiedError> {
    if flaws.is_empty() { Ok(()) } else { Err(UnifiedError::Flawed(flaws)) }
}

/// "It is so" as what a step is to give.
fn done_if(holds: bool) -> Option<Done> {
    holds.then_some(Done::Done)
}
