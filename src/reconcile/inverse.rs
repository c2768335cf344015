//! Plans that undo an applied plan: from the values before each step, as far as nothing changed since.

use serde_json::{Map, Value, json};

use super::plan::Planner;
use super::plan_stopped::PlanStopped;
use super::present_state::{Present, present};
use crate::domain::ids::ReconciliationId;
use crate::domain::policy::{DirectoryOperation, Person};
use crate::domain::reconciliation::{
    CreateOperation, PlanOperation, PlanStep, ProposedStep, StepOutcome, StepPhase, StepSubject,
};
use crate::domain::user::UserType;
use crate::store::{PeopleFilter, PeoplePage, StoredStep};

/// Number of steps that are read together.
const PAGE: i64 = 1_000;
/// Why a workspace is not removed.
const NO_REMOVAL: &str = "Workspaces can't be deleted through the API. Delete it at the provider.";
/// Why a step is not undone.
const CHANGED: &str = "The person changed after the step, so it is not undone.";
/// Why a guest is not added to a workspace again.
const NO_CHANNELS: &str =
    "The channels of the guest are not known. Add the guest to the workspace with the channels.";
/// Why a step is not undone whose person is gone.
const GONE: &str = "The person is no longer in the directory.";

impl Planner<'_> {
    /// Plans what undoes the applied steps of a reconciliation.
    pub(super) async fn plan_inverse(&mut self, id: ReconciliationId) -> Result<(), PlanStopped> {
        let mut before = i64::MAX;
        loop {
            // The last step about a person first: a role of the organization, which was given after that of a workspace,
            // must be taken before it.
            let steps = self.db.steps_backwards(id, StepOutcome::Applied, before, PAGE).await?;
            let Some(first) = steps.last() else { return Ok(()) };
            before = first.position;
            for stored in steps {
                self.undo(id, stored).await?;
            }
        }
    }

    async fn undo(&mut self, id: ReconciliationId, stored: StoredStep) -> Result<(), PlanStopped> {
        let StoredStep { step, object_id, .. } = stored;
        let subject_id = object_id.or_else(|| step.subject.id.clone());
        if matches!(step.operation, PlanOperation::Create(CreateOperation::Workspace { .. })) {
            let subject = StepSubject { id: subject_id, ..step.subject.clone() };
            let skipped = ProposedStep { skipped: Some(NO_REMOVAL.to_owned()), ..undone(&step) };
            self.writer.push(skipped, subject, (None, 0)).await?;
            return Ok(());
        }
        let user_id = match subject_id {
            Some(id) => Some(id),
            None => self.created_user(id, &step).await?,
        };
        let person = match &user_id {
            Some(id) => self.person(id).await?,
            None => None,
        };
        let Some(person) = person else {
            let skipped = ProposedStep { skipped: Some(GONE.to_owned()), ..undone(&step) };
            self.writer.push(skipped, step.subject, (None, 0)).await?;
            return Ok(());
        };
        let mut undoing = inverse(&step, &person);
        let is_as_left = match &step.operation {
            PlanOperation::Create(_) => true,
            PlanOperation::Change(operation) => {
                let operation = operation
                    .clone()
                    .with_ids(|given| Ok::<_, PlanStopped>(resolved(given, &person.id)))?;
                present(&person, &operation, &step.before, &step.after) == Present::Done
            }
        };
        for undoing in &mut undoing {
            undoing.reason = format!("Undoes step {} of {id}.", step.n);
            if !is_as_left {
                undoing.skipped = Some(CHANGED.to_owned());
            } else if person.is_guest() && is_joining(undoing) {
                undoing.skipped = Some(NO_CHANNELS.to_owned());
            }
        }
        let key = step.subject.key.clone();
        self.push_all(person, &key, undoing).await
    }

    async fn created_user(
        &self,
        id: ReconciliationId,
        step: &PlanStep,
    ) -> Result<Option<String>, PlanStopped> {
        let key = crate::domain::reconciliation::new_user_key(&step.subject.key);
        Ok(self.db.created_object(id, &key).await?)
    }

    async fn person(&self, id: &str) -> Result<Option<Person>, PlanStopped> {
        let filter = PeopleFilter::Ids(vec![id.to_owned()]);
        let page = PeoplePage { as_of: None, after: None, limit: 1 };
        let people = self.db.people(self.account.id, &filter, page).await?;
        Ok(people.into_iter().next())
    }
}

fn is_joining(step: &ProposedStep) -> bool {
    let PlanOperation::Change(operation) = &step.operation else { return false };
    matches!(operation, DirectoryOperation::AddWorkspaceMember { .. })
}

/// Returns an id of an operation with that of the person in the place of one that the plan created.
fn resolved(given: &str, person_id: &str) -> String {
    let is_new_user = given.starts_with("new:user:");
    if is_new_user { person_id.to_owned() } else { given.to_owned() }
}

/// Returns a step with the values of another one exchanged.
fn undone(step: &PlanStep) -> ProposedStep {
    ProposedStep {
        phase: StepPhase::Removals,
        operation: step.operation.clone(),
        before: step.after.clone(),
        after: step.before.clone(),
        reason: format!("Undoes step {}.", step.n),
        is_removal: false,
        skipped: None,
    }
}

/// Returns the steps that undo a step about a person.
fn inverse(step: &PlanStep, person: &Person) -> Vec<ProposedStep> {
    let user_id = &person.id;
    let (phase, operation) = match &step.operation {
        PlanOperation::Create(_) => {
            let user_id = user_id.clone();
            (StepPhase::Removals, DirectoryOperation::DeactivateUser { user_id })
        }
        PlanOperation::Change(DirectoryOperation::UpdateUser { .. }) => {
            return fields_before(step, user_id);
        }
        PlanOperation::Change(operation) => invert(operation, step, person),
    };
    let mut after = step.before.clone();
    after.remove("roles");
    let operation = operation.into();
    let mut steps = vec![ProposedStep { phase, operation, after, ..undone(step) }];
    steps.extend(roles_before(step, user_id));
    steps
}

/// Returns the steps that give the fields of a person their values before. A person who was deactivated is deactivated
/// by the operation for that, which the guards know.
fn fields_before(step: &PlanStep, user_id: &str) -> Vec<ProposedStep> {
    let mut changes = step.before.clone();
    let was_inactive = changes.get("status").and_then(Value::as_str) == Some("inactive");
    if was_inactive {
        changes.remove("status");
    }
    let only = |values: &Map<String, Value>, of_status: bool| {
        let fields = values.iter().filter(|(name, _)| (*name == "status") == of_status);
        fields.map(|(name, value)| (name.clone(), value.clone())).collect()
    };
    let part = |of_status: bool| ProposedStep {
        before: only(&step.after, of_status),
        after: only(&step.before, of_status),
        ..undone(step)
    };
    let user_id = user_id.to_owned();
    let deactivation = was_inactive.then(|| ProposedStep {
        operation: DirectoryOperation::DeactivateUser { user_id: user_id.clone() }.into(),
        ..part(true)
    });
    let update = (!changes.is_empty()).then(|| {
        let whole = if was_inactive { part(false) } else { undone(step) };
        let operation = DirectoryOperation::UpdateUser { user_id: user_id.clone(), changes };
        ProposedStep { phase: StepPhase::Additions, operation: operation.into(), ..whole }
    });
    update.into_iter().chain(deactivation).collect()
}

/// Returns the steps that give back the roles that a person lost with the membership of a workspace.
fn roles_before(step: &PlanStep, user_id: &str) -> Vec<ProposedStep> {
    let roles = step.before.get("roles").and_then(Value::as_array).into_iter().flatten();
    let steps = roles.filter_map(|role| {
        let text = |name: &str| role.get(name)?.as_str().map(str::to_owned);
        let operation = DirectoryOperation::GrantRole {
            user_id: user_id.to_owned(),
            role_id: text("id")?,
            workspace_id: text("workspace_id"),
        };
        Some(ProposedStep {
            phase: StepPhase::Additions,
            operation: operation.into(),
            before: Map::new(),
            after: Map::from_iter([("role".to_owned(), role.clone())]),
            ..undone(step)
        })
    });
    steps.collect()
}

fn invert(
    operation: &DirectoryOperation,
    step: &PlanStep,
    person: &Person,
) -> (StepPhase, DirectoryOperation) {
    let user_id = person.id.clone();
    match operation {
        // An update is undone by its fields.
        DirectoryOperation::UpdateUser { .. } | DirectoryOperation::ExpireUser { .. } => {
            let changes = step.before.clone();
            (StepPhase::Additions, DirectoryOperation::UpdateUser { user_id, changes })
        }
        DirectoryOperation::DeactivateUser { .. } => {
            let changes = Map::from_iter([("status".to_owned(), json!("active"))]);
            (StepPhase::Additions, DirectoryOperation::UpdateUser { user_id, changes })
        }
        DirectoryOperation::GrantRole { role_id, workspace_id, .. } => {
            let workspace_id = workspace_id.clone();
            let earlier = step.before.get("role").and_then(|role| role.get("id"));
            match earlier.and_then(Value::as_str) {
                Some(role) if !crate::domain::role::is_member_level(role) => {
                    let role_id = role.to_owned();
                    (
                        StepPhase::Removals,
                        DirectoryOperation::GrantRole { user_id, role_id, workspace_id },
                    )
                }
                Some(_) | None => {
                    let held = person
                        .roles
                        .iter()
                        .find(|held| held.role_id == *role_id && held.workspace_id == workspace_id);
                    let operation = held.map_or_else(
                        || DirectoryOperation::RevokeRole {
                            id: String::new(),
                            user_id: user_id.clone(),
                            role_id: role_id.clone(),
                            workspace_id: workspace_id.clone(),
                        },
                        |held| held.revocation(&user_id),
                    );
                    (StepPhase::Removals, operation)
                }
            }
        }
        DirectoryOperation::RevokeRole { role_id, workspace_id, .. } => {
            let (role_id, workspace_id) = (role_id.clone(), workspace_id.clone());
            (StepPhase::Additions, DirectoryOperation::GrantRole { user_id, role_id, workspace_id })
        }
        DirectoryOperation::AddWorkspaceMember { workspace_id, .. } => {
            let workspace_id = workspace_id.clone();
            let operation = DirectoryOperation::RemoveWorkspaceMember { workspace_id, user_id };
            (StepPhase::Removals, operation)
        }
        DirectoryOperation::RemoveWorkspaceMember { workspace_id, .. } => {
            let operation = DirectoryOperation::AddWorkspaceMember {
                workspace_id: workspace_id.clone(),
                user_id,
                user_type: if person.is_guest() {
                    person.profile.user_type
                } else {
                    UserType::Member
                },
                channel_ids: Vec::new(),
            };
            (StepPhase::Additions, operation)
        }
        DirectoryOperation::AddGroupMember { group_id, .. } => {
            let group_id = group_id.clone();
            (StepPhase::GroupRemovals, DirectoryOperation::RemoveGroupMember { group_id, user_id })
        }
        DirectoryOperation::RemoveGroupMember { group_id, .. } => {
            let group_id = group_id.clone();
            (StepPhase::GroupAdditions, DirectoryOperation::AddGroupMember { group_id, user_id })
        }
    }
}
