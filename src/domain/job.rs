//! Background jobs.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::ids::{IntegratedAccountId, JobId};
use super::names::names;
use super::sync_run::SyncProgress;

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobKind {
    /// A run of the directory sync.
    Sync,
    /// Makes the plan of a reconciliation.
    Plan,
    /// Applies the plan of a reconciliation.
    Apply,
}

names! { JobKind, UnknownJobKind, "unknown kind of job; the known ones are: sync, plan, apply",
    Sync = "sync",
    Plan = "plan",
    Apply = "apply",
}

/// The status of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// It waits for a worker.
    Queued,
    /// A worker has it, or it waits for its next attempt.
    Running,
    /// It is done.
    Succeeded,
    /// It could not be done.
    Failed,
    /// It was cancelled.
    Cancelled,
}

names! { JobStatus, UnknownJobStatus,
    "unknown status; the known ones are: queued, running, succeeded, failed, cancelled",
    Queued = "queued",
    Running = "running",
    Succeeded = "succeeded",
    Failed = "failed",
    Cancelled = "cancelled",
}

/// A background job.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Job {
    /// The job's id.
    pub id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The account that it works for.
    pub integrated_account_id: IntegratedAccountId,
    /// The status.
    pub status: JobStatus,
    /// How much of each resource it has read, for a run of the sync.
    pub progress: Vec<SyncProgress>,
    /// Estimated seconds until its end; `null` when unknown.
    #[schema(example = 30)]
    pub eta_s: Option<u64>,
    /// How often a worker began it: more than once after a failure or the end of a process.
    #[schema(example = 1)]
    pub attempts: i32,
    /// The problem of the last attempt that failed.
    #[schema(value_type = Option<Object>)]
    pub last_problem: Option<serde_json::Value>,
    /// When it is due.
    #[serde(with = "time::serde::rfc3339")]
    pub run_at: OffsetDateTime,
    /// When it was added.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub ended_at: Option<OffsetDateTime>,
}
