//! A violation of a policy: its status, since when, its evidence, and what became of its fix.

use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

use super::PolicySeverity;
use super::finding::{Evidence, FindingSubject};
use super::operation::DirectoryOperation;
use crate::domain::ids::{IntegratedAccountId, PolicyId, ViolationId};
use crate::domain::names::names;

/// How long a resolved violation is listed.
pub const VIOLATION_RETENTION: Duration = Duration::days(400);

/// The status of a violation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ViolationStatus {
    /// The condition was found, and the grace period of the policy has not ended.
    Pending,
    /// The directory violates the policy.
    Open,
    /// The violation was accepted until a time.
    Acknowledged,
    /// The directory complies with the policy again.
    Resolved,
}

names! { ViolationStatus, UnknownViolationStatus,
    "unknown status; the known ones are: pending, open, acknowledged, resolved",
    Pending = "pending",
    Open = "open",
    Acknowledged = "acknowledged",
    Resolved = "resolved",
}

impl ViolationStatus {
    /// Whether a fix may be run.
    #[must_use]
    pub fn is_fixable(self) -> bool {
        match self {
            Self::Open | Self::Acknowledged => true,
            Self::Pending | Self::Resolved => false,
        }
    }
}

/// Why a violation is accepted, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledgement {
    /// Why.
    #[schema(example = "Holiday replacement of the owner")]
    pub reason: String,
    /// The key that accepted it.
    #[schema(example = "key_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")]
    pub acknowledged_by: String,
    /// When it was accepted.
    #[serde(with = "time::serde::rfc3339")]
    pub acknowledged_at: OffsetDateTime,
    /// When the violation is open again.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// The outcome of one operation of a fix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FixOutcome {
    /// The provider confirmed the change.
    Applied,
    /// The requested state was there before.
    Unchanged,
    /// A guard does not allow it.
    Refused,
    /// The provider or the gateway failed.
    Failed,
    /// Not run: an operation before it was refused or failed, the fix was interrupted, or the violation has ended.
    Skipped,
}

/// An operation of a fix and its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FixedOperation {
    /// The operation.
    pub operation: DirectoryOperation,
    /// The outcome.
    pub outcome: FixOutcome,
    /// Why it was refused or skipped, or failed.
    pub detail: Option<String>,
}

/// What became of the last fix of a violation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FixReport {
    /// When it was run.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who ran it: a key, or the policy's id for mode `fix`.
    #[schema(example = "key_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")]
    pub started_by: String,
    /// The operations with their outcomes.
    pub operations: Vec<FixedOperation>,
}

/// A violation of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Violation {
    /// The id.
    pub id: ViolationId,
    /// The policy.
    pub policy_id: PolicyId,
    /// The policy's name.
    #[schema(example = "Only the founders are org owners")]
    pub policy_name: String,
    /// The policy's kind.
    #[schema(example = "role_holders")]
    pub policy_kind: String,
    /// The policy's severity.
    pub severity: PolicySeverity,
    /// The account.
    pub integrated_account_id: IntegratedAccountId,
    /// The subject.
    pub subject: FindingSubject,
    /// The status.
    pub status: ViolationStatus,
    /// What was found.
    pub evidence: Evidence,
    /// The operations that would end it, as far as they are possible in the account; empty when there are none.
    pub fix: Vec<DirectoryOperation>,
    /// Why there are none, or why they do not end all of it; `null` otherwise.
    #[schema(required = true, example = json!(null))]
    pub fix_unavailable: Option<String>,
    /// What became of the last fix; `null` when none was run.
    #[schema(required = true)]
    pub last_fix: Option<FixReport>,
    /// How often it was opened.
    #[schema(example = 1)]
    pub occurrences: i32,
    /// When it was first found.
    #[serde(with = "time::serde::rfc3339")]
    pub first_seen_at: OffsetDateTime,
    /// When it was last found.
    #[serde(with = "time::serde::rfc3339")]
    pub last_seen_at: OffsetDateTime,
    /// When it was opened last; `null` before.
    #[schema(required = true)]
    #[serde(with = "time::serde::rfc3339::option")]
    pub opened_at: Option<OffsetDateTime>,
    /// When it was resolved; `null` unless it is.
    #[schema(required = true)]
    #[serde(with = "time::serde::rfc3339::option")]
    pub resolved_at: Option<OffsetDateTime>,
    /// Why it is accepted; `null` unless it is acknowledged.
    #[schema(required = true)]
    pub acknowledgement: Option<Acknowledgement>,
}
