//! The request for a run of generated changes, its progress, and the state of the current run.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::sandbox::locks::lock;

/// Maximum number of changes per second.
const MAX_CHANGES_PER_S: u32 = 1_000;
/// Maximum duration of a run in seconds.
const MAX_SECONDS: u32 = 600;

/// Kind of a generated change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChurnKind {
    /// A title or a name.
    Profile,
    /// Deactivation or reactivation of an account.
    Activation,
    /// Joining or leaving a workspace.
    Membership,
    /// Level in a workspace or in the organization.
    Level,
    /// Adding a member to a group, or removing one.
    Group,
}

impl ChurnKind {
    /// All kinds.
    pub const ALL: [Self; 5] =
        [Self::Profile, Self::Activation, Self::Membership, Self::Level, Self::Group];
}

/// A request for a run of generated changes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChurnRequest {
    /// Changes per second of real time, from 1 to 1,000.
    pub changes_per_s: u32,
    /// Duration of the run in seconds of real time, from 1 to 600.
    pub seconds: u32,
    /// Kinds of changes, equally frequent; all if absent.
    #[serde(default)]
    pub kinds: Option<Vec<ChurnKind>>,
    /// Whether the HTTP response is sent after the last change.
    #[serde(default)]
    pub wait: bool,
}

/// Reasons why a run is not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChurnError {
    /// The rate is out of range.
    #[error("changes_per_s must be between 1 and 1000")]
    InvalidRate,
    /// The duration is out of range.
    #[error("seconds must be between 1 and 600")]
    InvalidDuration,
    /// The list of kinds is empty.
    #[error("kinds must not be empty")]
    NoKinds,
    /// Another run has not ended.
    #[error("another run has not ended; DELETE /_sandbox/churn stops it")]
    Running,
}

/// Progress of the current or the latest run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChurnStatus {
    /// Number of the run, from 1 after the start or a reset; `None` if there was no run.
    pub id: Option<u64>,
    /// Whether the run has not ended.
    pub running: bool,
    /// Number of planned changes.
    pub planned: u64,
    /// Number of changes made.
    pub done: u64,
    /// Number of changes for which no account was suitable.
    pub skipped: u64,
    /// Number of changes made, by kind.
    pub by_kind: BTreeMap<ChurnKind, u64>,
}

/// The current run and the progress of the latest one.
#[derive(Debug, Default)]
pub(crate) struct ChurnController {
    state: Mutex<ChurnState>,
    /// Notified when a run starts and when it ends.
    changed: Notify,
}

#[derive(Debug, Default)]
struct ChurnState {
    run: Option<ChurnRun>,
    status: ChurnStatus,
}

/// A run that has not ended.
#[derive(Debug)]
struct ChurnRun {
    period: Duration,
    kinds: Vec<ChurnKind>,
    rng: Xoshiro256PlusPlus,
}

impl ChurnRun {
    fn next_kind(&mut self) -> ChurnKind {
        let place = self.rng.random_range(0..self.kinds.len());
        self.kinds.get(place).copied().unwrap_or(ChurnKind::Profile)
    }
}

impl ChurnController {
    /// Starts a run; `seed` and the number of the run determine its choices.
    pub(super) fn start(
        &self,
        request: &ChurnRequest,
        seed: u64,
    ) -> Result<ChurnStatus, ChurnError> {
        if !(1..=MAX_CHANGES_PER_S).contains(&request.changes_per_s) {
            return Err(ChurnError::InvalidRate);
        }
        if !(1..=MAX_SECONDS).contains(&request.seconds) {
            return Err(ChurnError::InvalidDuration);
        }
        let kinds = request.kinds.clone().unwrap_or_else(|| ChurnKind::ALL.to_vec());
        if kinds.is_empty() {
            return Err(ChurnError::NoKinds);
        }
        let mut state = lock(&self.state);
        if state.run.is_some() {
            return Err(ChurnError::Running);
        }
        let id = state.status.id.unwrap_or(0) + 1;
        let rng = Xoshiro256PlusPlus::seed_from_u64(seed.wrapping_add(id));
        let period = Duration::from_secs(1) / request.changes_per_s;
        state.run = Some(ChurnRun { period, kinds, rng });
        state.status = ChurnStatus {
            id: Some(id),
            running: true,
            planned: u64::from(request.changes_per_s) * u64::from(request.seconds),
            ..ChurnStatus::default()
        };
        let status = state.status.clone();
        drop(state);
        self.changed.notify_waiters();
        Ok(status)
    }

    /// Ends the current run.
    pub(super) fn stop(&self) {
        let mut state = lock(&self.state);
        state.run = None;
        state.status.running = false;
        drop(state);
        self.changed.notify_waiters();
    }

    /// Ends the current run and clears the progress. The next run has the number 1.
    pub(crate) fn clear(&self) {
        *lock(&self.state) = ChurnState::default();
        self.changed.notify_waiters();
    }

    /// Returns the progress of the current or the latest run.
    pub(super) fn status(&self) -> ChurnStatus {
        lock(&self.state).status.clone()
    }

    /// Returns the time between two changes of the current run, if there is one.
    pub(super) fn period(&self) -> Option<Duration> {
        lock(&self.state).run.as_ref().map(|run| run.period)
    }

    /// Returns a future that resolves when a run starts or ends after this call.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Makes the next change of the current run with `change`, which returns whether it made one.
    /// Returns whether the run continues.
    pub(super) fn step(
        &self,
        change: impl FnOnce(ChurnKind, &mut Xoshiro256PlusPlus) -> bool,
    ) -> bool {
        // Locked during the change, so that no change follows a stop or a reset.
        let mut state = lock(&self.state);
        let ChurnState { run, status } = &mut *state;
        let Some(current) = run else {
            return false;
        };
        let kind = current.next_kind();
        if change(kind, &mut current.rng) {
            status.done += 1;
            *status.by_kind.entry(kind).or_default() += 1;
        } else {
            status.skipped += 1;
        }
        if status.done + status.skipped < status.planned {
            return true;
        }
        *run = None;
        status.running = false;
        drop(state);
        self.changed.notify_waiters();
        false
    }
}
