//! What came of a change: each step, and the object as it was read afterwards. That it could not be
//! read is no failure of the change.

use std::future::Future;

use crate::connectors::{ConnectorError, ReadBack};
use crate::domain::input::{Comparison, Done};
use crate::unified::{Shown, UnifiedError};

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
    pub(super) fn of(name: &'static str, id: &str, outcome: Result<Done, ConnectorError>) -> Self {
        Self { name, id: Some(id.to_owned()), place_id: None, outcome }
    }
}

/// Where the object of a change came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// It is new.
    New,
    /// It was there.
    Existing,
}

/// The field by which an existing user was matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchedBy {
    /// The primary e-mail address.
    Email,
}

/// What a change left behind.
#[derive(Debug)]
pub struct Changed {
    /// The object's id; `None` when the provider does not show it yet.
    pub id: Option<String>,
    /// The object as it is now, or why it could not be read.
    pub object: Result<Shown, UnifiedError>,
    /// Whether it is new.
    pub made: Made,
    /// How it was matched, when it was there.
    pub matched_by: Option<MatchedBy>,
    /// The steps.
    pub parts: Vec<Part>,
}

/// What a read after a lost response shows.
#[derive(Debug)]
pub(super) enum Seen<T> {
    /// It was done.
    Done(T),
    /// It was not done.
    NotDone,
    /// The provider does not show enough to decide.
    Undecided,
}

/// The outcome of a step; one in doubt is decided by what is seen afterwards.
pub(super) async fn settle<T>(
    outcome: Result<T, ConnectorError>,
    seen: impl Future<Output = Result<Seen<T>, ConnectorError>>,
) -> Result<T, ConnectorError> {
    match outcome {
        Err(error) if error.is_in_doubt() => match seen.await {
            Ok(Seen::Done(value)) => Ok(value),
            Ok(Seen::NotDone) => Err(error.read_back(ReadBack::NotThere)),
            Ok(Seen::Undecided) => Err(error.read_back(ReadBack::Undecided)),
            Err(_) => Err(error.read_back(ReadBack::Unreadable)),
        },
        decided => decided,
    }
}

/// The outcome of a step towards a state, of which `state` says whether it is reached.
pub(super) async fn settle_goal(
    outcome: Result<Done, ConnectorError>,
    state: impl Future<Output = Result<Comparison, ConnectorError>>,
) -> Result<Done, ConnectorError> {
    match outcome {
        Err(refused) if refused.is_refused_by_state() => match state.await {
            Ok(Comparison::Equal) => Ok(Done::Already),
            Ok(Comparison::Different | Comparison::Unknown) | Err(_) => Err(refused),
        },
        outcome => {
            let seen = async {
                Ok(match state.await? {
                    Comparison::Equal => Seen::Done(Done::Done),
                    Comparison::Different => Seen::NotDone,
                    Comparison::Unknown => Seen::Undecided,
                })
            };
            settle(outcome, seen).await
        }
    }
}
