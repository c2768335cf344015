//! The steps of a plan.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::operation::PlanOperation;
use crate::domain::names::names;
use crate::domain::policy::DirectoryOperation;

/// When a step is carried out: everything that gives access comes before everything that takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepPhase {
    /// Workspaces are created.
    Workspaces,
    /// People are created, changed, and given access.
    Additions,
    /// People are added to groups.
    GroupAdditions,
    /// People are removed from groups.
    GroupRemovals,
    /// Roles and memberships are taken, and people deactivated.
    Removals,
}

names! { StepPhase, UnknownStepPhase, "unknown phase of a step",
    Workspaces = "workspaces",
    Additions = "additions",
    GroupAdditions = "group_additions",
    GroupRemovals = "group_removals",
    Removals = "removals",
}

impl StepPhase {
    /// Returns the number of the phase, from 0.
    #[must_use]
    pub fn rank(self) -> i64 {
        match self {
            Self::Workspaces => 0,
            Self::Additions => 1,
            Self::GroupAdditions => 2,
            Self::GroupRemovals => 3,
            Self::Removals => 4,
        }
    }
}

/// What became of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepOutcome {
    /// It was not carried out yet.
    Pending,
    /// It was carried out.
    Applied,
    /// The object was as desired before.
    Unchanged,
    /// The object changed after the plan was made: the step was not carried out.
    Conflict,
    /// The provider refused it, or its outcome is unknown.
    Failed,
    /// It is not carried out, for the reason in `detail`.
    Skipped,
}

names! { StepOutcome, UnknownStepOutcome,
    "must be one of: pending, applied, unchanged, conflict, failed, skipped",
    Pending = "pending",
    Applied = "applied",
    Unchanged = "unchanged",
    Conflict = "conflict",
    Failed = "failed",
    Skipped = "skipped",
}

/// Whom or what a step changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepSubject {
    /// The id of the user or workspace; `null` while the plan has not created it.
    #[schema(example = "U0EXAMPLE")]
    pub id: Option<String>,
    /// The value by which the person was matched, or the name of the workspace.
    #[schema(example = "ada@example.com")]
    pub key: String,
    /// The name.
    #[schema(example = "Ada Lovelace")]
    pub name: Option<String>,
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct PlanStep {
    /// The number, from 1, in the order in which steps are carried out.
    #[schema(example = 1)]
    pub n: u64,
    /// The operation. The id of a user or workspace that the plan itself creates is `new:` and its key.
    pub operation: PlanOperation,
    /// Whom or what it changes.
    pub subject: StepSubject,
    /// The values before, as in the copy.
    #[schema(value_type = Object, example = json!({"department": "Sales"}))]
    pub before: Map<String, Value>,
    /// The values afterwards.
    #[schema(value_type = Object, example = json!({"department": "Engineering"}))]
    pub after: Map<String, Value>,
    /// Why it is in the plan.
    #[schema(example = "Desired for Ada Lovelace.")]
    pub reason: String,
    /// Whether it takes access from a person.
    pub is_removal: bool,
    /// The estimated number of provider calls.
    #[schema(example = 2)]
    pub provider_calls: u32,
    /// What became of it.
    pub outcome: StepOutcome,
    /// Why it was skipped, failed or met a conflict, and what to do.
    pub detail: Option<String>,
}

/// The numbers of changes of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct PlanSummary {
    /// People and workspaces that are created.
    #[schema(example = 2)]
    pub create: u64,
    /// People whose profile is changed.
    #[schema(example = 5)]
    pub update: u64,
    /// People who are deactivated.
    #[schema(example = 1)]
    pub deactivate: u64,
    /// Workspaces, roles and groups that people get.
    #[schema(example = 4)]
    pub add: u64,
    /// Workspaces, roles and groups that people lose.
    #[schema(example = 3)]
    pub remove: u64,
    /// Changes that are not carried out, for a reason that the step names.
    #[schema(example = 0)]
    pub skip: u64,
}

impl PlanSummary {
    /// Returns the number of steps that change something.
    #[must_use]
    pub fn changes(self) -> u64 {
        self.create + self.update + self.deactivate + self.add + self.remove
    }

    /// Counts a step.
    pub fn count(&mut self, operation: &PlanOperation, is_skipped: bool) {
        let place = match operation {
            _ if is_skipped => &mut self.skip,
            PlanOperation::Create(_) => &mut self.create,
            PlanOperation::Change(operation) => match operation {
                DirectoryOperation::UpdateUser { .. } | DirectoryOperation::ExpireUser { .. } => {
                    &mut self.update
                }
                DirectoryOperation::DeactivateUser { .. } => &mut self.deactivate,
                DirectoryOperation::AddWorkspaceMember { .. }
                | DirectoryOperation::GrantRole { .. }
                | DirectoryOperation::AddGroupMember { .. } => &mut self.add,
                DirectoryOperation::RemoveWorkspaceMember { .. }
                | DirectoryOperation::RevokeRole { .. }
                | DirectoryOperation::RemoveGroupMember { .. } => &mut self.remove,
            },
        };
        *place += 1;
    }
}
