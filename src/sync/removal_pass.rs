//! The last pass of a run: removes what was not found, or holds the run.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use time::OffsetDateTime;

use super::problem::{self, Consequence};
use super::removals::{self, confirm_removed};
use super::run::Run;
use super::run_end::{End, StepError};
use crate::connectors::ConnectorError;
use crate::domain::sync::{CopyKind, SyncStatus};
use crate::domain::sync_run::{HeldRemovals, SyncProblem};
use crate::store::{ClaimedRun, RunPage};

impl Run<'_> {
    /// Removes what was not found.
    pub(super) async fn remove_missing(&mut self) -> Result<(), StepError> {
        let kinds: Vec<(CopyKind, OffsetDateTime)> = removals::ORDER
            .into_iter()
            .filter_map(|kind| Some((kind, self.complete(kind)?)))
            .collect();
        if self.claimed.checkpoint.token.is_none() && !self.claimed.is_accepted {
            self.check_removals(&kinds).await?;
        }
        let mut position = Removal::of(self.claimed.checkpoint.token.as_deref());
        for (kind, started) in kinds {
            if position.kind.is_some_and(|at| order_of(at) > order_of(kind)) {
                continue;
            }
            let mut after = position.take_after(kind);
            loop {
                let read_at = self.services.clock.now();
                let range = (kind, started);
                let (account_id, run_id) = (self.account.id, self.claimed.id);
                let missing = self
                    .db
                    .missing_objects(account_id, run_id, range, &after, removals::BATCH)
                    .await?;
                let Some(last) = missing.last() else { break };
                after.clone_from(&last.id);
                let (reader, _) = self.parts();
                let cx = reader.call_context();
                let confirmed = confirm_removed(reader.connector, &cx, kind, &missing).await;
                let removed = match confirmed {
                    Err(error) if problem::consequence(&error) == Consequence::SkipResource => {
                        self.leave_removals(&error);
                        return Ok(());
                    }
                    confirmed => confirmed?,
                };
                self.claimed.checkpoint.token = Some(format!("{kind} {after}"));
                let page = RunPage {
                    objects: Vec::new(),
                    removals: vec![(kind, removed)],
                    profiles: Vec::new(),
                    read_at,
                    emits: true,
                    initial: false,
                    provider_calls: self.calls.swap(0, Ordering::Relaxed),
                };
                self.write(&page).await?;
            }
        }
        Ok(())
    }

    /// Ends the removals when the grant no longer allows to request objects: what is left stays in the copy.
    fn leave_removals(&mut self, error: &ConnectorError) {
        let ClaimedRun { checkpoint, resources, .. } = &mut self.claimed;
        checkpoint.problems.push(problem::describe(error, None));
        checkpoint.incomplete.extend(resources.iter().copied());
    }

    /// Holds a run that would remove too much.
    async fn check_removals(
        &mut self,
        kinds: &[(CopyKind, OffsetDateTime)],
    ) -> Result<(), StepError> {
        let mut held = BTreeMap::new();
        for (kind, started) in kinds {
            let (account_id, run_id) = (self.account.id, self.claimed.id);
            let (present, missing) =
                self.db.count_missing(account_id, run_id, *kind, *started).await?;
            if !self.settings.max_removed.allows(missing, present) {
                held.insert(*kind, HeldRemovals { missing, present });
            }
        }
        if held.is_empty() {
            return Ok(());
        }
        let list = |(kind, HeldRemovals { missing, present }): (&CopyKind, &HeldRemovals)| {
            format!("{missing} of the {present} {} in the copy", kind.plural())
        };
        let list: Vec<String> = held.iter().map(list).collect();
        let problem = SyncProblem {
            code: "too_many_removals".to_owned(),
            detail: format!(
                "The provider did not list {}. Check the provider, then accept or reject the run.",
                list.join(" and ")
            ),
            resource: None,
            method: None,
        };
        self.claimed.checkpoint.held_removals = held;
        Err(StepError::End(End { status: SyncStatus::Held, problem: Some(problem) }))
    }
}

/// A position among the removals.
struct Removal {
    kind: Option<CopyKind>,
    after: String,
}

impl Removal {
    fn of(token: Option<&str>) -> Self {
        let parts = token.and_then(|token| token.split_once(' '));
        let kind = parts.and_then(|(kind, _)| kind.parse().ok());
        Self { kind, after: parts.map(|(_, after)| after.to_owned()).unwrap_or_default() }
    }

    /// Takes the id to continue after, if the position is in this kind.
    fn take_after(&mut self, kind: CopyKind) -> String {
        if self.kind == Some(kind) { std::mem::take(&mut self.after) } else { String::new() }
    }
}

fn order_of(kind: CopyKind) -> usize {
    removals::ORDER.iter().position(|one| *one == kind).unwrap_or_default()
}
