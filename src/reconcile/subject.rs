//! Carries out the steps about one subject: reads it, compares each step with it, sends what is left to do, and reads it
//! again.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value};

use super::apply_lanes::SubjectSteps;
use super::apply_stopped::ApplyStopped;
use super::created_objects::{with_created_ids, with_ids};
use super::plan_stopped::problem;
use super::present_state::{Present, present};
use super::step_checks::deletion;
use super::step_guards::{StepGuards, TakenPeople};
use super::step_run::{StepFailed, StepRun};
use super::subject_error::describe;
use super::subject_reads::{SubjectReads, object_of};
use crate::connectors::ErrorKind;
use crate::domain::ids::ReconciliationId;
use crate::domain::policy::{DirectoryOperation, Person};
use crate::domain::reconciliation::{PlanOperation, ReconciliationGuards, StepOutcome};
use crate::domain::reported_change::Subject;
use crate::jobs::JobInterrupted;
use crate::policies::{BackgroundChanges, after as after_operation, takes_access};
use crate::store::{
    JobLease, PeopleFilter, PeoplePage, StepEnd, StepWritten, StoreError, StoredStep,
};
use crate::sync::{ObjectReadError, UserRead, describe_problem};

/// Why a step is a conflict whose person is gone.
const GONE: &str = "The person is no longer in the directory. Make a new plan.";
/// Why a step failed that the directory does not show.
const NOT_SEEN: &str =
    "The provider accepted the change, and did not return it when the object was read again.";
/// The end of the reason why a step failed that an attempt before may have sent.
const MAYBE_SENT: &str = " An earlier attempt, which was interrupted, may have made the change.";

/// Carries out steps, subject by subject.
pub(super) struct SubjectRun<'a> {
    background: BackgroundChanges<'a>,
    lease: &'a JobLease,
    id: ReconciliationId,
    guards: StepGuards<'a>,
    max_errors: u32,
    errors: AtomicU32,
}

/// A step that was sent.
struct SentStep {
    stored: StoredStep,
    operation: DirectoryOperation,
}

impl<'a> SubjectRun<'a> {
    pub(super) fn new(
        background: BackgroundChanges<'a>,
        lease: &'a JobLease,
        id: ReconciliationId,
        guards: &'a ReconciliationGuards,
        (max_errors, errors): (u32, u32),
    ) -> Self {
        let guards = StepGuards::of(background, guards);
        Self { background, lease, id, guards, max_errors, errors: AtomicU32::new(errors) }
    }

    /// Reads the people from whom an attempt before may have taken something: the guards look at the copy.
    pub(super) async fn read_interrupted(&self, steps: &[StoredStep]) -> Result<(), StoreError> {
        let mut taken = self.guards.taken.lock().await;
        for stored in steps.iter().filter(|step| step.is_started) {
            if let PlanOperation::Change(operation) = &stored.step.operation
                && let Some(person) = self.person(operation.user_id()).await?
                && takes_access(&person, operation)
            {
                self.read_taken(&person, operation, &mut taken).await;
            }
        }
        Ok(())
    }

    /// Carries out the steps about a subject.
    pub(super) async fn carry_out(&self, subject: SubjectSteps) -> Result<(), ApplyStopped> {
        // Boxed: it is large.
        Box::pin(self.carry_out_steps(subject)).await
    }

    async fn carry_out_steps(&self, subject: SubjectSteps) -> Result<(), ApplyStopped> {
        let (mut created, mut changes) = (Vec::new(), Vec::new());
        let plan = (self.background.db, self.id);
        for stored in subject.steps {
            match stored.step.operation.clone() {
                PlanOperation::Create(operation) => created.push((stored, operation)),
                PlanOperation::Change(operation) => match with_ids(plan, operation).await? {
                    Ok(operation) => changes.push(SentStep { stored, operation }),
                    Err(missing) => self.end(&stored, StepOutcome::Skipped, Some(missing)).await?,
                },
            }
        }
        for (stored, operation) in created {
            let operation = match with_created_ids(plan, operation).await? {
                Ok(operation) => operation,
                Err(missing) => {
                    self.end(&stored, StepOutcome::Skipped, Some(missing)).await?;
                    continue;
                }
            };
            self.begin(&stored).await?;
            let run = StepRun { background: self.background };
            let made = run.create(operation, stored.is_started).await;
            self.end_creation(&stored, made).await?;
        }
        let Some(object) = changes.first().map(|step| object_of(&step.operation)) else {
            return Ok(());
        };
        self.change(&object, changes).await
    }

    /// Changes an object: a person, or the members of a group.
    async fn change(&self, object: &Subject, steps: Vec<SentStep>) -> Result<(), ApplyStopped> {
        let write = self.background.write_through();
        let BackgroundChanges { services, account, .. } = self.background;
        let connector = services.sync.registry.connector(account.provider);
        let reads = SubjectReads::of(connector, steps.iter().map(|step| &step.stored));
        if let Err(error) = write.refresh_object(object, reads.user()).await {
            return self.unreadable(error, steps).await;
        }
        let (mut sent, mut stopped) = (Vec::new(), Ok(()));
        for step in steps {
            match self.send(step, &sent).await {
                Ok(accepted) => sent.extend(accepted),
                // What was sent before has an outcome.
                Err(why) => {
                    stopped = Err(why);
                    break;
                }
            }
        }
        if !sent.is_empty() {
            self.verify(object, &reads, sent).await?;
        }
        stopped
    }

    /// Reads an object again, and ends the steps that the provider accepted.
    async fn verify(
        &self,
        object: &Subject,
        reads: &SubjectReads,
        sent: Vec<SentStep>,
    ) -> Result<(), ApplyStopped> {
        let write = self.background.write_through();
        let is_read = match write.refresh_object(object, reads.user()).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(account = %self.background.account.id, %error, "applied steps were not read again");
                false
            }
        };
        // All of them were sent: each has an outcome, also when there are too many errors.
        let mut ended = Ok(());
        for step in sent {
            let is_done = !is_read || self.is_done(&step).await?;
            let detail = (!is_done).then(|| NOT_SEEN.to_owned());
            let outcome = if is_done { StepOutcome::Applied } else { StepOutcome::Failed };
            match self.end(&step.stored, outcome, detail).await {
                Err(interrupted @ ApplyStopped::Interrupted(_)) => return Err(interrupted),
                one => ended = ended.and(one),
            }
        }
        ended
    }

    /// Whether the copy shows that a step is done.
    async fn is_done(&self, step: &SentStep) -> Result<bool, StoreError> {
        let PlanStepValues { before, after } = values(&step.stored);
        let person = self.person(step.operation.user_id()).await?;
        Ok(person.is_some_and(|person| {
            present(&person, &step.operation, before, after) == Present::Done
        }))
    }

    /// Sends a step, if the person is as before it. `earlier` are the steps about the same object that the provider
    /// accepted since it was read. Returns the step when the provider accepted it.
    async fn send(
        &self,
        step: SentStep,
        earlier: &[SentStep],
    ) -> Result<Option<SentStep>, ApplyStopped> {
        let SentStep { stored, operation } = &step;
        let Some(person) = self.person(operation.user_id()).await? else {
            self.end(stored, StepOutcome::Conflict, Some(GONE.to_owned())).await?;
            return Ok(None);
        };
        let earlier = earlier.iter().map(|step| &step.operation);
        let earlier = earlier.filter(|sent| sent.user_id() == operation.user_id());
        let person = earlier.fold(person, |person, sent| after_operation(&person, sent));
        let PlanStepValues { before, after } = values(stored);
        match present(&person, operation, before, after) {
            Present::Done => {
                // A process that ended may have carried it out.
                let outcome =
                    if stored.is_started { StepOutcome::Applied } else { StepOutcome::Unchanged };
                self.end(stored, outcome, None).await?;
                return Ok(None);
            }
            Present::Changed(what) => {
                let detail =
                    format!("After the plan was made, others changed {what}. Make a new plan.");
                self.end(stored, StepOutcome::Conflict, Some(detail)).await?;
                return Ok(None);
            }
            Present::ToDo => {}
        }
        if !self.guards.takes_counted(&person, operation).await? {
            return self.send_allowed(step, &person, None).await;
        }
        // Two removals at the same time could each leave the other's person as the last holder.
        let mut taken = self.guards.taken.lock().await;
        let lease = self.guards.claim(self.lease).await?;
        let work = Box::pin(self.send_allowed(step, &person, Some(&mut taken)));
        self.guards.while_claimed(lease, work).await
    }

    /// Sends a step that is left to do, unless a guard refuses it. `taken` are the people whom guards count no longer, for
    /// a step that takes what they count.
    async fn send_allowed(
        &self,
        step: SentStep,
        person: &Person,
        mut taken: Option<&mut TakenPeople>,
    ) -> Result<Option<SentStep>, ApplyStopped> {
        let SentStep { stored, operation } = &step;
        let BackgroundChanges { services, account, .. } = self.background;
        let connector = services.sync.registry.connector(account.provider);
        let refusal = match deletion(connector, &self.background.call_context(), operation) {
            Some(refusal) => Some(refusal),
            None => self.guards.refusal(person, operation, taken.as_deref()).await?,
        };
        if let Some(refusal) = refusal {
            self.end(stored, StepOutcome::Skipped, Some(refusal)).await?;
            return Ok(None);
        }
        self.begin(stored).await?;
        let run = StepRun { background: self.background };
        let sent = run.change(operation).await;
        let is_unknown = sent.as_ref().is_err_and(|failed| failed.is_outcome_unknown);
        let is_read = match &mut taken {
            Some(taken) if is_unknown || sent.is_ok() => {
                self.read_taken(person, operation, taken).await
            }
            None if is_unknown => self.read_object(operation).await,
            Some(_) | None => false,
        };
        match sent {
            Ok(()) => Ok(Some(step)),
            Err(_) if is_unknown && is_read && self.is_done(&step).await? => Ok(Some(step)),
            Err(failed) => {
                self.fail(stored, failed).await?;
                Ok(None)
            }
        }
    }

    /// Reads a person from whom an operation may have taken something. The guards of the next removals look at the copy;
    /// while the person can't be read, they take the person as after the operation.
    async fn read_taken(
        &self,
        person: &Person,
        operation: &DirectoryOperation,
        taken: &mut TakenPeople,
    ) -> bool {
        let is_read = self.read_object(operation).await;
        if is_read {
            taken.remove(&person.id);
        } else {
            taken.insert(person.id.clone(), after_operation(person, operation));
        }
        is_read
    }

    async fn read_object(&self, operation: &DirectoryOperation) -> bool {
        let object = object_of(operation);
        self.background.write_through().refresh_object(&object, UserRead::WithRoles).await.is_ok()
    }

    /// Ends the steps of an object that can't be read.
    async fn unreadable(
        &self,
        error: ObjectReadError,
        steps: Vec<SentStep>,
    ) -> Result<(), ApplyStopped> {
        let error = match error {
            ObjectReadError::Store(error) => return Err(error.into()),
            ObjectReadError::Connector(error) => error,
        };
        if error.kind == ErrorKind::NeedsReauth {
            return Err(ApplyStopped::Failed(describe_problem(&error, None)));
        }
        let detail =
            format!("The object could not be read before the change: {}", describe(&error));
        for step in steps {
            let earlier = if step.stored.is_started { MAYBE_SENT } else { "" };
            let failed = StepFailed::refused(format!("{detail}{earlier}"));
            self.fail(&step.stored, failed).await?;
        }
        Ok(())
    }

    async fn end_creation(
        &self,
        stored: &StoredStep,
        made: Result<(StepOutcome, Option<String>, Option<String>), StepFailed>,
    ) -> Result<(), ApplyStopped> {
        match made {
            Ok((outcome, detail, object_id)) => {
                self.write_end(stored, StepEnd { outcome, detail, object_id }).await?;
                self.count_error(outcome)
            }
            Err(failed) => self.fail(stored, failed).await,
        }
    }

    /// Ends a step that failed; stops if there were too many, or the account must be linked again.
    async fn fail(&self, stored: &StoredStep, failed: StepFailed) -> Result<(), ApplyStopped> {
        if let Some(error) = failed.interrupted {
            return Err(error.into());
        }
        self.end(stored, StepOutcome::Failed, Some(failed.detail)).await?;
        match failed.problem {
            Some(problem) => Err(ApplyStopped::Failed(problem)),
            None => Ok(()),
        }
    }

    async fn begin(&self, stored: &StoredStep) -> Result<(), ApplyStopped> {
        let BackgroundChanges { db, services, .. } = self.background;
        let now = services.clock.now();
        match db.start_step(self.lease, self.id, stored.position, now).await? {
            StepWritten::Continue => Ok(()),
            StepWritten::Stop(control) => Err(ApplyStopped::Controlled(control)),
            StepWritten::LeaseLost => Err(JobInterrupted::LeaseLost.into()),
        }
    }

    async fn end(
        &self,
        stored: &StoredStep,
        outcome: StepOutcome,
        detail: Option<String>,
    ) -> Result<(), ApplyStopped> {
        self.write_end(stored, StepEnd { outcome, detail, object_id: None }).await?;
        self.count_error(outcome)
    }

    async fn write_end(&self, stored: &StoredStep, end: StepEnd) -> Result<(), ApplyStopped> {
        let BackgroundChanges { db, services, .. } = self.background;
        let now = services.clock.now();
        if db.end_step(self.lease, self.id, stored.position, &end, now).await? {
            Ok(())
        } else {
            Err(JobInterrupted::LeaseLost.into())
        }
    }

    fn count_error(&self, outcome: StepOutcome) -> Result<(), ApplyStopped> {
        if outcome != StepOutcome::Failed {
            return Ok(());
        }
        let errors = self.errors.fetch_add(1, Ordering::Relaxed) + 1;
        if errors <= self.max_errors {
            return Ok(());
        }
        let detail = format!(
            "{errors} steps failed, more than `max_errors` allows. Read their `detail`, and make a new plan for the rest."
        );
        Err(ApplyStopped::Failed(problem("too_many_errors", detail)))
    }

    async fn person(&self, id: &str) -> Result<Option<Person>, StoreError> {
        let BackgroundChanges { db, account, .. } = self.background;
        let filter = PeopleFilter::Ids(vec![id.to_owned()]);
        let page = PeoplePage { as_of: None, after: None, limit: 1 };
        Ok(db.people(account.id, &filter, page).await?.into_iter().next())
    }
}

/// The values of a step.
struct PlanStepValues<'s> {
    before: &'s Map<String, Value>,
    after: &'s Map<String, Value>,
}

fn values(stored: &StoredStep) -> PlanStepValues<'_> {
    PlanStepValues { before: &stored.step.before, after: &stored.step.after }
}
