//! Reconciliation of a directory with a desired state: what is requested, the plan that follows, and its status.

mod changed_fields;
mod desired;
mod difference;
mod operation;
mod options;
mod proposed_step;
mod resolved;
mod rule_set;
mod scope;
mod step;
mod text;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

pub use self::changed_fields::{has_values, present_part, present_value};
pub use self::desired::{
    DesiredRole, DesiredUser, DesiredWorkspace, InvalidDesired, MatchBy, NewWorkspace, RowError,
};
pub use self::difference::{creation, departure, difference, lost_roles, new_user_key};
pub use self::operation::{CreateOperation, NEW_OBJECT, PlanOperation, new_object_key};
pub use self::options::{Approval, ReconciliationGuards, ReconciliationOptions};
pub use self::proposed_step::ProposedStep;
pub use self::resolved::{
    Owned, Ownership, ResolvedGroup, ResolvedRole, ResolvedUser, ResolvedWorkspace,
};
pub use self::rule_set::{Rule, RuleSet, RuleTargets};
pub use self::scope::{GroupScope, OwnershipMode, RoleScopeEntry, Scope, WorkspaceScope};
pub use self::step::{PlanStep, PlanSummary, StepOutcome, StepPhase, StepSubject};
pub use self::text::{step_text, summary_text};
use super::ids::{IntegratedAccountId, JobId, ReconciliationId, RuleSetId};
use super::names::names;
use super::sync_run::SyncProblem;

/// The status of a reconciliation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReconciliationStatus {
    /// The plan is being made.
    Planning,
    /// The plan can be read and applied.
    Planned,
    /// The steps are being carried out.
    Applying,
    /// It was paused between two steps.
    Paused,
    /// All steps ended without a failure.
    Applied,
    /// All steps ended, and some failed or met a conflict.
    PartiallyApplied,
    /// The plan could not be made, or applying stopped.
    Failed,
    /// It was cancelled.
    Cancelled,
    /// The plan was not applied in time.
    Expired,
}

names! { ReconciliationStatus, UnknownReconciliationStatus,
    "must be one of: planning, planned, applying, paused, applied, partially_applied, failed, cancelled, expired",
    Planning = "planning",
    Planned = "planned",
    Applying = "applying",
    Paused = "paused",
    Applied = "applied",
    PartiallyApplied = "partially_applied",
    Failed = "failed",
    Cancelled = "cancelled",
    Expired = "expired",
}

impl ReconciliationStatus {
    /// Whether nothing follows this status.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Planning | Self::Planned | Self::Applying | Self::Paused => false,
            Self::Applied
            | Self::PartiallyApplied
            | Self::Failed
            | Self::Cancelled
            | Self::Expired => true,
        }
    }
}

/// What is requested of a job that carries out a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyControl {
    /// To stop until it is resumed.
    Pause,
    /// To stop.
    Cancel,
}

names! { ApplyControl, UnknownApplyControl, "must be one of: pause, cancel",
    Pause = "pause",
    Cancel = "cancel",
}

/// Why a plan can't be applied without an override: it removes more than the guards allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RemovalLimit {
    /// Steps that take access from people.
    #[schema(example = 37)]
    pub removals: u64,
    /// The maximum number for this directory.
    #[schema(example = 20)]
    pub allowed: u64,
    /// The value of `override_removals` that applying the plan needs; `null` when it is within the limit.
    #[schema(example = 37)]
    pub override_removals: Option<u64>,
}

/// The numbers of steps by their outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct StepCounts {
    /// Not carried out yet.
    #[schema(example = 0)]
    pub pending: u64,
    /// Carried out.
    #[schema(example = 12)]
    pub applied: u64,
    /// Found as desired before they were carried out.
    #[schema(example = 1)]
    pub unchanged: u64,
    /// Not carried out, because the object changed after the plan was made.
    #[schema(example = 0)]
    pub conflict: u64,
    /// Refused by the provider, or of unknown outcome.
    #[schema(example = 0)]
    pub failed: u64,
    /// Not carried out, for a reason that the step names.
    #[schema(example = 2)]
    pub skipped: u64,
}

impl StepCounts {
    /// Returns the number of steps that ended.
    #[must_use]
    pub fn ended(self) -> u64 {
        self.applied + self.unchanged + self.conflict + self.failed + self.skipped
    }

    /// Returns the number of steps.
    #[must_use]
    pub fn total(self) -> u64 {
        self.pending + self.ended()
    }

    /// Returns the number of steps with an outcome.
    #[must_use]
    pub fn of(self, outcome: StepOutcome) -> u64 {
        match outcome {
            StepOutcome::Pending => self.pending,
            StepOutcome::Applied => self.applied,
            StepOutcome::Unchanged => self.unchanged,
            StepOutcome::Conflict => self.conflict,
            StepOutcome::Failed => self.failed,
            StepOutcome::Skipped => self.skipped,
        }
    }
}

/// A reconciliation of a directory with a desired state.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconciliation {
    /// The id.
    pub id: ReconciliationId,
    /// The account.
    pub integrated_account_id: IntegratedAccountId,
    /// The job that makes or applies the plan.
    pub job_id: JobId,
    /// The status.
    pub status: ReconciliationStatus,
    /// What was requested.
    pub options: ReconciliationOptions,
    /// The rule set that the desired state follows from.
    pub rule_set_id: Option<RuleSetId>,
    /// The reconciliation that this one undoes.
    pub inverse_of: Option<ReconciliationId>,
    /// The number of people in the desired state.
    pub desired_users: u64,
    /// The rows of the desired state that were left out, the first 100 of them.
    pub row_errors: Vec<RowError>,
    /// The SHA-256 of the plan, as hexadecimal digits.
    pub hash: Option<String>,
    /// What the plan changes.
    pub summary: PlanSummary,
    /// The outcomes of the steps.
    pub counts: StepCounts,
    /// The limit of removals.
    pub removals: Option<RemovalLimit>,
    /// The estimated number of provider calls.
    pub provider_calls: u64,
    /// The estimated seconds that the provider's rate limits require.
    pub eta_s: Option<u64>,
    /// When the copy that the plan is based on was last complete.
    pub base_synced_at: Option<OffsetDateTime>,
    /// Why the plan could not be made, or why applying stopped.
    pub problem: Option<SyncProblem>,
    /// Who requested it.
    pub created_by: String,
    /// Who applied it.
    pub applied_by: Option<String>,
    /// When it was requested.
    pub created_at: OffsetDateTime,
    /// When the plan was made.
    pub planned_at: Option<OffsetDateTime>,
    /// When the plan can no longer be applied.
    pub expires_at: Option<OffsetDateTime>,
    /// When applying began.
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    pub ended_at: Option<OffsetDateTime>,
}
