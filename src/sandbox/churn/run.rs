//! Runs of generated changes: start, progress, end, and the loop that makes the changes.

use std::time::Duration;

use rand::rngs::Xoshiro256PlusPlus;

use super::changes;
use super::controller::{ChurnError, ChurnKind, ChurnRequest, ChurnStatus};
use crate::sandbox::Sandbox;
use crate::sandbox::grants::GrantStore;
use crate::sandbox::org::Actor;

impl Sandbox {
    /// Starts a run of generated changes and returns its progress. The changes are made while
    /// [`Sandbox::deliver_events`] runs.
    ///
    /// # Errors
    ///
    /// All of [`ChurnError`].
    pub fn start_churn(&self, request: &ChurnRequest) -> Result<ChurnStatus, ChurnError> {
        self.churn().start(request, self.options().seed)
    }

    /// Returns the progress of the current or the latest run of generated changes.
    #[must_use]
    pub fn churn_status(&self) -> ChurnStatus {
        self.churn().status()
    }

    /// Stops the current run of generated changes.
    pub fn stop_churn(&self) {
        self.churn().stop();
    }

    /// Waits until the run of generated changes with this number has ended.
    pub async fn churn_ended(&self, id: u64) {
        loop {
            let changed = self.churn().changed();
            let status = self.churn_status();
            if status.id != Some(id) || !status.running {
                return;
            }
            changed.await;
        }
    }

    /// Makes the changes of each run that is started.
    pub(in crate::sandbox) async fn churn_loop(&self) {
        loop {
            let changed = self.churn().changed();
            match self.churn().period() {
                None => changed.await,
                Some(period) => tokio::select! {
                    () = changed => {}
                    () = self.make_changes(period) => {}
                },
            }
        }
    }

    /// Makes a change in every period until the run ends.
    async fn make_changes(&self, period: Duration) {
        let mut ticks = tokio::time::interval(period);
        loop {
            ticks.tick().await;
            if !self.churn().step(|kind, rng| self.make_change(kind, rng)) {
                return;
            }
        }
    }

    /// Makes one change as an owner of the organization. Returns whether there was a suitable one.
    fn make_change(&self, kind: ChurnKind, rng: &mut Xoshiro256PlusPlus) -> bool {
        let holders = self.with_grants(GrantStore::token_holders);
        let Some(owner) = self.with_org(|org| changes::pick_owner(org, rng)) else {
            return false;
        };
        self.change_org(Actor::Person(owner), |edit| changes::make(edit, kind, &holders, rng))
    }
}
