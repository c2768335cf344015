//! Carries out the steps about one subject: reads it, compares each step with it, sends what is left to do, and reads it
//! again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Map, Value};
use tokio::sync::Mutex;

use super::apply_lanes::SubjectSteps;
use super::apply_stopped::ApplyStopped;
use super::plan::problem;
use super::plan_guards::PlanGuards;
use super::plan_writer::changes_roles;
use super::present_state::{Present, present};
use super::step_run::{StepFailed, StepRun};
use super::subject_error::describe;
use crate::connectors::ErrorKind;
use crate::domain::ids::ReconciliationId;
use crate::domain::policy::{DirectoryOperation, HeldRole, Person};
use crate::domain::reconciliation::{CreateOperation, PlanOperation, StepOutcome, new_object_key};
use crate::domain::reported_change::Subject;
use crate::domain::role::is_member_level;
use crate::jobs::JobInterrupted;
use crate::policies::{BackgroundChanges, takes_access};
use crate::store::{
    JobLease, PeopleFilter, PeoplePage, StepEnd, StepWritten, StoreError, StoredStep,
};
use crate::sync::{ObjectReadError, describe_problem};

/// Why a step is a conflict whose person is gone.
const GONE: &str = "The person is no longer in the directory. Make a new plan.";
/// Why a step failed that the directory does not show.
const NOT_SEEN: &str =
    "The provider accepted the change, and did not return it when the object was read again.";

/// Carries out steps, subject by subject.
pub(super) struct SubjectRun<'a> {
    background: BackgroundChanges<'a>,
    lease: &'a JobLease,
    id: ReconciliationId,
    guards: PlanGuards<'a>,
    max_errors: u32,
    errors: AtomicU32,
    /// Held while an operation is checked and sent that takes a role which a guard counts.
    guarded: Mutex<()>,
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
        guards: PlanGuards<'a>,
        max_errors: u32,
    ) -> Self {
        let (errors, guarded) = (AtomicU32::new(0), Mutex::new(()));
        Self { background, lease, id, guards, max_errors, errors, guarded }
    }

    /// Carries out the steps about a subject.
    pub(super) async fn carry_out(&self, subject: SubjectSteps) -> Result<(), ApplyStopped> {
        // Boxed: it is large.
        Box::pin(self.carry_out_steps(subject)).await
    }

    async fn carry_out_steps(&self, subject: SubjectSteps) -> Result<(), ApplyStopped> {
        let (mut created, mut changes) = (Vec::new(), Vec::new());
        for stored in subject.steps {
            match stored.step.operation.clone() {
                PlanOperation::Create(operation) => created.push((stored, operation)),
                PlanOperation::Change(operation) => match self.with_ids(operation).await? {
                    Ok(operation) => changes.push(SentStep { stored, operation }),
                    Err(missing) => self.end(&stored, StepOutcome::Skipped, Some(missing)).await?,
                },
            }
        }
        for (stored, operation) in created {
            let operation = match self.with_created_ids(operation).await? {
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
        let with_roles = steps.iter().any(|step| changes_roles(&step.stored.step.operation));
        if let Err(error) = write.refresh_object(object, with_roles).await {
            return self.unreadable(error, steps).await;
        }
        let (mut sent, mut stopped) = (Vec::new(), Ok(()));
        for step in steps {
            match self.send(step).await {
                Ok(accepted) => sent.extend(accepted),
                // What was sent before has an outcome.
                Err(why) => {
                    stopped = Err(why);
                    break;
                }
            }
        }
        if !sent.is_empty() {
            self.verify(object, with_roles, sent).await?;
        }
        stopped
    }

    /// Reads an object again, and ends the steps that the provider accepted.
    async fn verify(
        &self,
        object: &Subject,
        with_roles: bool,
        sent: Vec<SentStep>,
    ) -> Result<(), ApplyStopped> {
        let write = self.background.write_through();
        if let Err(error) = write.refresh_object(object, with_roles).await {
            tracing::warn!(account = %self.background.account.id, %error, "applied steps were not read again");
            for step in sent {
                self.end(&step.stored, StepOutcome::Applied, None).await?;
            }
            return Ok(());
        }
        for step in sent {
            let PlanStepValues { before, after } = values(&step.stored);
            let person = self.person(step.operation.user_id()).await?;
            let is_done = person.is_some_and(|person| {
                present(&person, &step.operation, before, after) == Present::Done
            });
            let detail = (!is_done).then(|| NOT_SEEN.to_owned());
            let outcome = if is_done { StepOutcome::Applied } else { StepOutcome::Failed };
            self.end(&step.stored, outcome, detail).await?;
        }
        Ok(())
    }

    /// Sends a step, if the person is as before it. Returns the step when the provider accepted it.
    async fn send(&self, step: SentStep) -> Result<Option<SentStep>, ApplyStopped> {
        let SentStep { stored, operation } = &step;
        let Some(person) = self.person(operation.user_id()).await? else {
            self.end(stored, StepOutcome::Conflict, Some(GONE.to_owned())).await?;
            return Ok(None);
        };
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
        // Two removals at the same time could each leave the other's person as the last holder.
        let _guarded =
            if takes_access(&person, operation) { Some(self.guarded.lock().await) } else { None };
        if let Some(refusal) = self.guards.refusal(&person, operation).await? {
            self.end(stored, StepOutcome::Skipped, Some(refusal)).await?;
            return Ok(None);
        }
        self.begin(stored).await?;
        let run = StepRun { background: self.background };
        match run.change(operation).await {
            Ok(()) => {
                let is_counted = |role: &HeldRole| !is_member_level(&role.role_id);
                if takes_access(&person, operation) && person.roles.iter().any(is_counted) {
                    // The guards of the next removal look at the roles in the copy. One that can't be read now is read
                    // with the other steps.
                    let user = Subject::User(person.id);
                    let _ = self.background.write_through().refresh_object(&user, true).await;
                }
                Ok(Some(step))
            }
            Err(failed) => {
                self.fail(stored, failed).await?;
                Ok(None)
            }
        }
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
            self.fail(&step.stored, StepFailed { detail: detail.clone(), problem: None }).await?;
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

    /// Returns an operation with the ids of what the plan created; the inner error says what was not created.
    async fn with_ids(
        &self,
        operation: DirectoryOperation,
    ) -> Result<Result<DirectoryOperation, String>, StoreError> {
        let mut keys = Vec::new();
        let collected = operation.clone().with_ids(|id| {
            keys.extend(new_object_key(id).map(str::to_owned));
            Ok::<_, String>(id.to_owned())
        });
        if keys.is_empty() {
            return Ok(collected);
        }
        let created = self.created(keys).await?;
        Ok(operation.with_ids(|id| created.resolve(id)))
    }

    /// Returns a creation with the ids of the workspaces that the plan created.
    async fn with_created_ids(
        &self,
        operation: CreateOperation,
    ) -> Result<Result<CreateOperation, String>, StoreError> {
        let CreateOperation::User { mut user } = operation else { return Ok(Ok(operation)) };
        let keys = workspace_ids(&mut user)
            .filter_map(|id| new_object_key(id.as_str()?).map(str::to_owned))
            .collect();
        let created = self.created(keys).await?;
        for id in workspace_ids(&mut user) {
            match id.as_str().map(|id| created.resolve(id)) {
                Some(Ok(resolved)) => *id = resolved.into(),
                Some(Err(missing)) => return Ok(Err(missing)),
                None => {}
            }
        }
        Ok(Ok(CreateOperation::User { user }))
    }

    async fn created(&self, keys: Vec<String>) -> Result<CreatedObjects, StoreError> {
        let mut created = BTreeMap::new();
        for key in keys {
            if let Some(id) = self.background.db.created_object(self.id, &key).await? {
                created.insert(key, id);
            }
        }
        Ok(CreatedObjects(created))
    }
}

/// The ids of objects that the plan created, by their keys.
struct CreatedObjects(BTreeMap<String, String>);

impl CreatedObjects {
    /// Returns an id in the place of one of an object that the plan creates.
    fn resolve(&self, id: &str) -> Result<String, String> {
        let Some(key) = new_object_key(id) else { return Ok(id.to_owned()) };
        let created = self.0.get(key).cloned();
        created.ok_or_else(|| format!("`{key}` was not created. Make a new plan."))
    }
}

/// Returns the ids of workspaces in the body of a user's creation.
fn workspace_ids(user: &mut Map<String, Value>) -> impl Iterator<Item = &mut Value> {
    user.iter_mut().flat_map(|(name, list)| {
        let field = match name.as_str() {
            "workspaces" => Some("id"),
            "roles" => Some("workspace_id"),
            _ => None,
        };
        let entries = list.as_array_mut().into_iter().flatten();
        entries.filter_map(move |entry| entry.get_mut(field?))
    })
}

/// The values of a step.
struct PlanStepValues<'s> {
    before: &'s Map<String, Value>,
    after: &'s Map<String, Value>,
}

fn values(stored: &StoredStep) -> PlanStepValues<'_> {
    PlanStepValues { before: &stored.step.before, after: &stored.step.after }
}

/// Returns the object that is read for an operation.
fn object_of(operation: &DirectoryOperation) -> Subject {
    match operation {
        DirectoryOperation::AddGroupMember { group_id, .. }
        | DirectoryOperation::RemoveGroupMember { group_id, .. } => {
            Subject::Group(group_id.clone())
        }
        DirectoryOperation::UpdateUser { user_id, .. }
        | DirectoryOperation::GrantRole { user_id, .. }
        | DirectoryOperation::RevokeRole { user_id, .. }
        | DirectoryOperation::AddWorkspaceMember { user_id, .. }
        | DirectoryOperation::RemoveWorkspaceMember { user_id, .. }
        | DirectoryOperation::DeactivateUser { user_id }
        | DirectoryOperation::ExpireUser { user_id, .. } => Subject::User(user_id.clone()),
    }
}
