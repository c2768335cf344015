//! Policies: rules that a directory must comply with, what violates them, and the operations that end a violation.

mod access;
mod account_evaluation;
mod condition;
mod condition_reason;
mod finding;
mod operation;
mod person;
mod state;
mod violation;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ids::{IntegratedAccountId, PolicyId};
use super::names::names;

pub use self::access::{AccessFilter, AccessGrant, AccessType, ReviewedPerson, UserAccess};
pub use self::account_evaluation::{
    AccountEvaluation, EvaluationProblem, EvaluationProblemCode, current_problems,
};
pub use self::condition::{Comparator, Condition, ExpressionResults};
pub use self::finding::{Evidence, Finding, FindingSubject, GrantEvidence, SubjectKind};
pub use self::operation::{DirectoryOperation, RequestFields};
pub use self::person::{Grant, HeldRole, LostRole, Membership, Person, PersonProfile, Removal};
pub use self::state::{StateChange, ViolationState};
pub use self::violation::{
    Acknowledgement, FixOutcome, FixReport, FixedOperation, VIOLATION_RETENTION, Violation,
    ViolationStatus,
};

/// How severe a violation of a policy is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum PolicySeverity {
    /// For information.
    Info,
    /// To be looked at.
    Warning,
    /// To be ended without delay.
    Critical,
}

names! { PolicySeverity, UnknownSeverity, "unknown severity; the known ones are: info, warning, critical",
    Info = "info",
    Warning = "warning",
    Critical = "critical",
}

/// What follows from a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PolicyMode {
    /// It is reported.
    Alert,
    /// It is reported, and its fix is run.
    Fix,
}

names! { PolicyMode, UnknownMode, "unknown mode; the known ones are: alert, fix",
    Alert = "alert",
    Fix = "fix",
}

/// A rule that directories must comply with.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The id.
    pub id: PolicyId,
    /// The name.
    pub name: String,
    /// The kind of rule, by its name.
    pub kind: String,
    /// The parameters of the rule, as validated by its kind.
    pub parameters: serde_json::Value,
    /// The accounts that it applies to; `None` for all of the environment.
    pub integrated_account_ids: Option<Vec<IntegratedAccountId>>,
    /// How severe a violation is.
    pub severity: PolicySeverity,
    /// How long a condition must last before it is a violation, in seconds.
    pub grace_s: u32,
    /// What follows from a violation.
    pub mode: PolicyMode,
    /// Whether it is evaluated.
    pub is_active: bool,
    /// When it was created.
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
}

impl Policy {
    /// Whether the policy applies to an account.
    #[must_use]
    pub fn applies_to(&self, account_id: IntegratedAccountId) -> bool {
        self.integrated_account_ids.as_ref().is_none_or(|ids| ids.contains(&account_id))
    }
}
