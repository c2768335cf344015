//! Applies plans: carries out the steps in their phases, subject by subject, until all ended or the job is to stop.

use std::collections::HashSet;

use super::apply_lanes::{SubjectSteps, lanes};
use super::apply_stopped::{ApplyStopped, FirstStop};
use super::plan_stopped::problem;
use super::services::{MAX_WAIT, ReconcileServices};
use super::subject::SubjectRun;
use crate::connectors::UnreadableRows;
use crate::domain::account::AccountStatus;
use crate::domain::ids::ReconciliationId;
use crate::domain::reconciliation::{
    ApplyControl, Reconciliation, ReconciliationGuards, ReconciliationStatus, StepOutcome,
};
use crate::jobs::JobInterrupted;
use crate::policies::BackgroundChanges;
use crate::store::{ApplyEnd, JobLease, StepFilter, StoreError, TenantDb};

/// Number of steps that are read together.
const PAGE: i64 = 2_000;
/// Number of attempts of a job, after failures and after processes that ended.
const MAX_ATTEMPTS: i32 = 20;

impl ReconcileServices {
    /// Applies the plan of a claimed job.
    ///
    /// # Errors
    ///
    /// Why it stopped before its end: another attempt continues it.
    pub(super) async fn apply_plan(&self, lease: &JobLease) -> Result<(), JobInterrupted> {
        let services = &self.policies;
        let db = services.store.tenant(lease.environment_id);
        let Some((id, control)) = db.start_apply(lease).await? else { return Ok(()) };
        let applied = match control {
            Some(control) => Err(ApplyStopped::Controlled(control)),
            None if lease.attempt > MAX_ATTEMPTS => {
                let detail = "The job was interrupted too often. See the logs of the processes that worked on it.";
                let problem = problem("too_many_attempts", detail.to_owned());
                Err(ApplyStopped::Failed(problem))
            }
            None => Box::pin(self.carry_out(&db, lease, id)).await,
        };
        let (status, problem) = match applied {
            Ok(status) => (status, None),
            Err(ApplyStopped::Interrupted(interrupted)) => return Err(interrupted),
            Err(ApplyStopped::Controlled(ApplyControl::Pause)) => {
                (ReconciliationStatus::Paused, None)
            }
            Err(ApplyStopped::Controlled(ApplyControl::Cancel)) => {
                (ReconciliationStatus::Cancelled, None)
            }
            Err(ApplyStopped::Failed(problem)) => (ReconciliationStatus::Failed, Some(problem)),
        };
        let end = ApplyEnd { status, problem: problem.as_ref() };
        let (now, entropy) = (services.clock.now(), &*services.entropy);
        if !db.end_apply(lease, id, &end, now, entropy).await? {
            return Err(JobInterrupted::LeaseLost);
        }
        services.sync.copy_changed.notify_one();
        Ok(())
    }

    /// Carries out the steps that are left, and returns the status that follows.
    async fn carry_out(
        &self,
        db: &TenantDb,
        lease: &JobLease,
        id: ReconciliationId,
    ) -> Result<ReconciliationStatus, ApplyStopped> {
        let services = &self.policies;
        let account = db.account(lease.account_id).await?;
        let found = db.reconciliation(id, services.clock.now()).await?;
        let (Some(account), Some(reconciliation)) = (account, found) else {
            return Err(JobInterrupted::LeaseLost.into());
        };
        if account.status != AccountStatus::Active {
            let detail =
                "The account must be linked again; then the rest can be applied with a new plan.";
            let problem = problem("account_needs_reauth", detail.to_owned());
            return Err(ApplyStopped::Failed(problem));
        }
        if !db.sync_settings(account.id).await?.is_some_and(|settings| settings.enabled) {
            let detail = "The sync of the account was disabled. Enable it; then the rest can be applied with a new plan.";
            return Err(ApplyStopped::Failed(problem("sync_disabled", detail.to_owned())));
        }
        let (request_id, unreadable_rows) = (id.text(), UnreadableRows::default());
        let Reconciliation { options, applied_by, counts, .. } = &reconciliation;
        let guards = Self::current_guards(db, &reconciliation).await?;
        let background = BackgroundChanges {
            services,
            db,
            account: &account,
            actor: applied_by.as_deref().unwrap_or("reconciliation"),
            request_id: &request_id,
            unreadable_rows: &unreadable_rows,
            max_wait: MAX_WAIT,
        };
        let failed = u32::try_from(counts.failed).unwrap_or(u32::MAX);
        let errors = (options.max_errors, failed);
        let run = SubjectRun::new(background, lease, id, &guards, errors);
        self.run_phases(db, id, &run).await?;
        let ended = db.reconciliation(id, services.clock.now()).await?;
        let counts = ended.map(|ended| ended.counts).unwrap_or_default();
        Ok(if counts.failed + counts.conflict > 0 {
            ReconciliationStatus::PartiallyApplied
        } else {
            ReconciliationStatus::Applied
        })
    }

    /// Returns the guards of a reconciliation. Whom its rule set protects now is protected too.
    async fn current_guards(
        db: &TenantDb,
        reconciliation: &Reconciliation,
    ) -> Result<ReconciliationGuards, StoreError> {
        let mut guards = reconciliation.options.guards.clone();
        let rule_set = match reconciliation.rule_set_id {
            Some(id) => db.rule_set(id).await?,
            None => None,
        };
        guards.protected.extend(rule_set.into_iter().flat_map(|set| set.guards.protected));
        Ok(guards)
    }

    async fn run_phases(
        &self,
        db: &TenantDb,
        id: ReconciliationId,
        run: &SubjectRun<'_>,
    ) -> Result<(), ApplyStopped> {
        let pending = StepFilter { outcome: Some(StepOutcome::Pending), is_removal: None };
        run.read_interrupted(&db.steps(id, pending, -1, PAGE).await?).await?;
        loop {
            // Steps that ended are pending no more, so the first page has those that are left.
            let steps = db.steps(id, pending, -1, PAGE).await?;
            let Some(first) = steps.first() else { return Ok(()) };
            let phase = SubjectSteps::phase_of(first);
            let mut of_phase = steps;
            of_phase.retain(|step| SubjectSteps::phase_of(step) == phase);
            let places: HashSet<i64> = of_phase.iter().map(|step| step.position).collect();
            let stop = FirstStop::default();
            lanes(of_phase, |subject| stop.unless_stopped(run.carry_out(subject))).await;
            stop.into_result()?;
            let left = db.steps(id, pending, -1, 1).await?;
            if left.iter().any(|step| places.contains(&step.position)) {
                let detail = "A step has no outcome.".to_owned();
                return Err(JobInterrupted::Retry(problem("internal", detail)).into());
            }
        }
    }
}
