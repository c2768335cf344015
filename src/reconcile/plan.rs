//! Makes plans: reads the desired state, compares it with the copy, and writes the steps.

use std::collections::HashSet;
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use super::desired_pages::MatchedIds;
use super::desired_resolver::Resolver;
use super::plan_guards::{PlanGuards, removal_limit};
use super::plan_options::current_options;
use super::plan_stopped::{PlanStopped, failed, problem};
use super::plan_writer::PlanWriter;
use super::services::{MAX_WAIT, ReconcileServices};
use super::step_checks::StepChecks;
use crate::connectors::UnreadableRows;
use crate::domain::account::{AccountStatus, IntegratedAccount};
use crate::domain::ids::JobId;
use crate::domain::policy::{DirectoryOperation, Person};
use crate::domain::reconciliation::{
    Approval, Ownership, PlanOperation, ProposedStep, ReconciliationOptions, RemovalLimit,
    ResolvedUser, RowError, StepPhase, StepSubject, difference,
};
use crate::domain::sync::CopyKind;
use crate::domain::user::User;
use crate::jobs::JobInterrupted;
use crate::policies::BackgroundChanges;
use crate::store::{
    ApplyRequest, AuditEntry, ClaimedPlan, JobLease, PlanApproval, PlanEnd, StoreError, TenantDb,
};

/// Maximum number of errors of rows that are stored.
pub(super) const MAX_ROW_ERRORS: usize = 100;
/// How long a plan can be applied.
const VALIDITY: Duration = Duration::hours(24);

/// The time in which removals of automatic rule sets are counted.
const REMOVAL_WINDOW: Duration = Duration::hours(24);

/// A plan while it is made.
pub(super) struct Planner<'a> {
    pub(super) services: &'a ReconcileServices,
    pub(super) db: &'a TenantDb,
    pub(super) account: &'a IntegratedAccount,
    pub(super) claimed: &'a ClaimedPlan,
    /// The options that hold now.
    pub(super) options: &'a ReconciliationOptions,
    pub(super) checks: StepChecks<'a>,
    pub(super) guards: PlanGuards<'a>,
    pub(super) writer: PlanWriter<'a>,
    pub(super) ownership: Ownership,
    /// The ids of people by the value by which they are matched.
    pub(super) matched_by: Arc<MatchedIds>,
    /// The people of the desired state.
    pub(super) desired: HashSet<String>,
    /// The number of people of the desired state.
    pub(super) desired_users: u64,
    pub(super) row_errors: Vec<RowError>,
    pub(super) has_row_errors: bool,
    /// Removals of what guards count: checked when it is known who gets such roles.
    deferred: Vec<(Person, ProposedStep)>,
}

impl ReconcileServices {
    /// Makes the plan of a claimed job.
    ///
    /// # Errors
    ///
    /// Why it stopped before its end.
    pub(super) async fn make_plan(&self, lease: &JobLease) -> Result<(), JobInterrupted> {
        let services = &self.policies;
        let db = services.store.tenant(lease.environment_id);
        let Some(claimed) = db.start_plan(lease).await? else { return Ok(()) };
        let Some(account) = db.account(lease.account_id).await? else { return Ok(()) };
        if claimed.options.approve == Some(Approval::WithinGuards)
            && db.is_reconciliation_under_way(account.id).await?
        {
            return Err(under_way());
        }
        let made = Box::pin(self.plan(&db, lease, &account, &claimed)).await;
        let (now, entropy) = (services.clock.now(), &*services.entropy);
        match made {
            Ok(()) => {}
            Err(PlanStopped::Interrupted(interrupted)) => return Err(interrupted),
            Err(PlanStopped::Failed(problem, rows)) => {
                let failed = (&problem, rows.as_slice());
                db.fail_plan(lease, claimed.id, failed, now, entropy).await?;
            }
        }
        services.sync.copy_changed.notify_one();
        Ok(())
    }

    async fn plan(
        &self,
        db: &TenantDb,
        lease: &JobLease,
        account: &IntegratedAccount,
        claimed: &ClaimedPlan,
    ) -> Result<(), PlanStopped> {
        let services = &self.policies;
        if account.status != AccountStatus::Active {
            let detail = "The account must be linked again before a plan can be made.";
            return Err(failed("account_needs_reauth", detail.to_owned()));
        }
        let options = current_options(db, claimed).await?;
        let freshness = db.copy_freshness(account.id, &[CopyKind::User]).await?;
        let Some(freshness) = freshness else {
            let detail = "The account has no complete synced copy of users. Run a sync first.";
            return Err(failed("not_synced", detail.to_owned()));
        };
        let (request_id, unreadable_rows) = (claimed.id.text(), UnreadableRows::default());
        let background = BackgroundChanges {
            services,
            db,
            account,
            actor: &claimed.created_by,
            request_id: &request_id,
            unreadable_rows: &unreadable_rows,
            max_wait: MAX_WAIT,
        };
        let connector = services.sync.registry.connector(account.provider);
        let (resolver, created) =
            Resolver::read(db, account.id, connector, &claimed.new_workspaces).await?;
        let ownership = resolver.ownership(&options.scope);
        let ownership = ownership.map_err(|error| failed("invalid_scope", error))?;
        let cx = background.call_context();
        let mut planner = Planner {
            services: self,
            db,
            account,
            claimed,
            options: &options,
            checks: StepChecks { cx, connector, clock: &*services.clock },
            guards: PlanGuards::read(db, account, connector, &options.guards).await?,
            writer: PlanWriter::new(db, lease, claimed.id, connector),
            ownership,
            matched_by: Arc::default(),
            desired: HashSet::new(),
            desired_users: 0,
            row_errors: claimed.row_errors.clone(),
            has_row_errors: !claimed.row_errors.is_empty(),
            deferred: Vec::new(),
        };
        for (operation, key) in created {
            planner.create_workspace(operation.into(), key).await?;
        }
        if let Some(inverse_of) = claimed.inverse_of {
            planner.plan_inverse(inverse_of).await?;
        } else if let Some(rule_set_id) = claimed.rule_set_id {
            planner.plan_rule_set(&resolver, rule_set_id).await?;
        } else {
            planner.plan_desired(&resolver).await?;
        }
        planner.finish(lease, freshness.synced_at).await
    }
}

impl Planner<'_> {
    async fn create_workspace(
        &mut self,
        operation: PlanOperation,
        key: String,
    ) -> Result<(), PlanStopped> {
        let PlanOperation::Create(created) = &operation else { return Ok(()) };
        let after = serde_json::to_value(created).unwrap_or_default();
        let mut after = after.get("workspace").and_then(|one| one.as_object()).cloned();
        let after = after.take().unwrap_or_default();
        let name = after.get("name").and_then(|name| name.as_str()).map(str::to_owned);
        let step = ProposedStep {
            phase: StepPhase::Workspaces,
            operation,
            before: serde_json::Map::new(),
            after,
            reason: "It is in the desired state, and not in the directory.".to_owned(),
            is_removal: false,
            skipped: None,
        };
        let subject = StepSubject { id: None, key: name.clone().unwrap_or_default(), name };
        for step in self.checks.check(step) {
            self.writer.push(step, subject.clone(), (Some(key.clone()), 0)).await?;
        }
        Ok(())
    }

    /// Notes that it is unknown what a person is to have: nothing is planned for the person.
    pub(super) fn person_error(&mut self, person: &Person, error: &str) {
        if self.row_errors.len() < MAX_ROW_ERRORS {
            let message = format!("{} ({}): {error}", person.display_name(), person.id);
            self.row_errors.push(RowError { row: 0, column: None, message });
        }
    }

    /// Plans the steps that make a person as desired.
    pub(super) async fn plan_user(
        &mut self,
        person: Person,
        user: &ResolvedUser,
    ) -> Result<(), PlanStopped> {
        let Ok(profile) = serde_json::from_str::<User>(&person.body) else {
            tracing::warn!(account = %self.account.id, user = person.id, "a copied user has an unknown form");
            return Ok(());
        };
        let steps = difference(&person, &profile, user, &self.ownership);
        self.push_all(person, &user.key, steps).await
    }

    /// Checks the steps of a person and writes them. Removals of what guards count are written later.
    pub(super) async fn push_all(
        &mut self,
        person: Person,
        key: &str,
        steps: Vec<ProposedStep>,
    ) -> Result<(), PlanStopped> {
        for step in steps {
            for step in self.checks.check(step) {
                let operation = operation_of(&step).filter(|_| step.skipped.is_none());
                let is_deferred =
                    operation.is_some_and(|one| self.guards.takes_counted(&person, one));
                if is_deferred {
                    self.deferred.push((person.clone(), step));
                } else {
                    self.push(&person, key, step).await?;
                }
            }
        }
        Ok(())
    }

    async fn push(
        &mut self,
        person: &Person,
        key: &str,
        step: ProposedStep,
    ) -> Result<(), PlanStopped> {
        let step = self.guards.check(person, step).await?;
        let subject = StepSubject {
            id: Some(person.id.clone()),
            key: key.to_owned(),
            name: Some(person.display_name().to_owned()),
        };
        self.writer.push(step, subject, (None, person.workspaces.len())).await?;
        Ok(())
    }

    async fn finish(
        mut self,
        lease: &JobLease,
        base_synced_at: OffsetDateTime,
    ) -> Result<(), PlanStopped> {
        for (person, step) in std::mem::take(&mut self.deferred) {
            let key = person.email().unwrap_or(&person.id).to_owned();
            self.push(&person, &key, step).await?;
        }
        let services = &self.services.policies;
        let totals = self.writer.finish(&self.checks.cx).await?;
        let now = services.clock.now();
        let removals = self.removal_limit(totals.removals, now).await?;
        let end = PlanEnd {
            hash: &totals.hash,
            first_numbers: &totals.first_numbers,
            summary: totals.summary,
            removals,
            desired_users: self.desired_users,
            row_errors: &self.row_errors,
            provider_calls: totals.provider_calls,
            eta_s: totals.eta_s,
            base_synced_at: Some(base_synced_at),
            expires_at: now + VALIDITY,
        };
        let approve = self.options.approve;
        let is_approved = match approve {
            Some(Approval::IfNoRemovals) => removals.removals == 0,
            Some(Approval::WithinGuards) => removals.override_removals.is_none(),
            None => false,
        };
        let is_applied = is_approved
            && totals.summary.changes() > 0
            && (approve == Some(Approval::WithinGuards)
                || !self.db.is_reconciliation_under_way(self.account.id).await?);
        let subject = self.claimed.id.text();
        let approval = is_applied.then(|| self.approval(&totals.hash, &subject));
        let end = (&end, approval.as_ref());
        let id = self.claimed.id;
        match self.db.finish_plan(lease, id, end, now, &*services.entropy).await {
            Err(StoreError::Conflict(_)) if is_applied => Err(under_way().into()),
            finished => Ok(finished.map(|_| ())?),
        }
    }

    /// Returns how much the plan may take. What an automatic rule set took within a day counts too: many small plans take
    /// no more than a large one.
    async fn removal_limit(
        &self,
        removals: u64,
        now: OffsetDateTime,
    ) -> Result<RemovalLimit, PlanStopped> {
        let sizes = self.db.copy_sizes(self.account.id).await?;
        let people = sizes.into_iter().find(|(kind, _)| *kind == CopyKind::User);
        let options = self.options;
        let before = match self.claimed.rule_set_id {
            Some(id) if options.approve == Some(Approval::WithinGuards) => {
                let since = now - REMOVAL_WINDOW;
                self.db.rule_set_removals_since(self.account.id, id, since).await?
            }
            Some(_) | None => 0,
        };
        let people = people.map_or(0, |(_, size)| size);
        Ok(removal_limit(options.guards.max_removals, (removals, before), people))
    }

    /// Returns the request to apply a plan that was approved when it was requested.
    fn approval<'p>(&'p self, hash: &'p str, subject: &'p str) -> PlanApproval<'p> {
        let services = &self.services.policies;
        let (clock, entropy) = (&*services.clock, &*services.entropy);
        let applied_by = self.claimed.created_by.as_str();
        let request = ApplyRequest {
            id: self.claimed.id,
            hash,
            override_removals: None,
            job_id: JobId::generate(clock, entropy),
            applied_by,
        };
        let audit = AuditEntry {
            account_id: Some(self.account.id),
            subject: Some(subject),
            ..AuditEntry::new("reconciliation.applied", applied_by, clock, entropy)
        };
        PlanApproval { request, audit }
    }
}

/// Returns why an approved plan waits.
fn under_way() -> JobInterrupted {
    let detail =
        "Another reconciliation of the account is applied or paused. The plan is made after it.";
    JobInterrupted::Retry(problem("reconciliation_in_progress", detail.to_owned()))
}

/// Returns the operation of a step about an existing person.
fn operation_of(step: &ProposedStep) -> Option<&DirectoryOperation> {
    match &step.operation {
        PlanOperation::Create(_) => None,
        PlanOperation::Change(operation) => Some(operation),
    }
}
