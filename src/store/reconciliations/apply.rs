//! The application of plans: requested, paused and resumed by callers; carried out step by step by the job that holds
//! the lease. The outcome of a step is written when it is known; that a step began is written before.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::audit::{self, AuditEntry};
use super::super::change_events::{append_changes, lock_feed};
use super::super::columns::parse_name;
use super::super::connections::TimedConnection;
use super::super::jobs::{self, JobLease};
use super::super::{StoreError, TenantDb};
use super::events::{SOURCE, event};
use crate::domain::entropy::Entropy;
use crate::domain::event::EventKind;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, JobId, ReconciliationId};
use crate::domain::job::{JobKind, JobStatus};
use crate::domain::reconciliation::{
    ApplyControl, PlanSummary, ReconciliationStatus, RemovalLimit, StepOutcome,
};
use crate::domain::sync_run::SyncProblem;

/// The constraint that a second reconciliation under way in an account violates.
pub(super) const ONE_UNDER_WAY: &str = "reconciliations_under_way";

/// A request to apply a plan.
#[derive(Debug)]
pub struct ApplyRequest<'a> {
    /// The reconciliation.
    pub id: ReconciliationId,
    /// The hash of the plan that was reviewed.
    pub hash: &'a str,
    /// The number of removals that are accepted beyond the limit.
    pub override_removals: Option<u64>,
    /// The id of the job.
    pub job_id: JobId,
    /// Who applies it.
    pub applied_by: &'a str,
}

/// Why a plan is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyRefused {
    /// Its status is another one than `planned`.
    NotPlanned(ReconciliationStatus),
    /// It has another hash.
    OtherHash,
    /// It removes more than is allowed, or the override is not exact.
    TooManyRemovals(RemovalLimit),
    /// Another reconciliation of the account is under way.
    UnderWay,
    /// There is no such reconciliation.
    NotFound,
}

/// The outcome of a step.
#[derive(Debug, Clone)]
pub struct StepEnd {
    /// The outcome.
    pub outcome: StepOutcome,
    /// Why it failed, was skipped or met a conflict.
    pub detail: Option<String>,
    /// The object that it created.
    pub object_id: Option<String>,
}

/// What became of the write of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepWritten {
    /// The job goes on.
    Continue,
    /// The job is to stop.
    Stop(ApplyControl),
    /// Another worker has claimed the job.
    LeaseLost,
}

/// How the application of a plan ended.
#[derive(Debug)]
pub struct ApplyEnd<'a> {
    /// The status.
    pub status: ReconciliationStatus,
    /// Why it stopped.
    pub problem: Option<&'a SyncProblem>,
}

impl TenantDb {
    /// Queues the application of a plan.
    ///
    /// # Errors
    ///
    /// When the database fails. Why the plan is not applied is the inner error.
    pub async fn request_apply(
        &self,
        request: &ApplyRequest<'_>,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<Result<(), ApplyRefused>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!(
            r#"SELECT integrated_account_id AS "account_id: IntegratedAccountId", hash,
                      CASE WHEN status = 'planned' AND expires_at <= $3 THEN 'expired' ELSE status END AS "status!",
                      removals AS "removals: Json<RemovalLimit>"
               FROM reconciliations WHERE environment_id = $1 AND reconciliation_id = $2 FOR UPDATE"#,
            self.environment_id as EnvironmentId,
            request.id as ReconciliationId,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(Err(ApplyRefused::NotFound)) };
        let status: ReconciliationStatus = parse_name("reconciliations", "status", &row.status)?;
        if status != ReconciliationStatus::Planned {
            return Ok(Err(ApplyRefused::NotPlanned(status)));
        }
        if row.hash.as_deref() != Some(request.hash) {
            return Ok(Err(ApplyRefused::OtherHash));
        }
        if let Some(Json(limit)) = row.removals
            && limit.override_removals != request.override_removals
        {
            return Ok(Err(ApplyRefused::TooManyRemovals(limit)));
        }
        match self.begin_apply(&mut tx, row.account_id, (request, audit), now).await {
            Err(StoreError::Conflict(constraint)) if constraint == ONE_UNDER_WAY => {
                return Ok(Err(ApplyRefused::UnderWay));
            }
            begun => begun?,
        }
        tx.commit().await?;
        Ok(Ok(()))
    }

    /// Queues the application of a plan, in the transaction that checked or finished it.
    ///
    /// # Errors
    ///
    /// `Conflict` while another reconciliation of the account is under way; otherwise when the database fails.
    pub(super) async fn begin_apply(
        &self,
        connection: &mut TimedConnection,
        account_id: IntegratedAccountId,
        (request, audit): (&ApplyRequest<'_>, &AuditEntry<'_>),
        now: OffsetDateTime,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE reconciliations SET status = 'applying', job_id = $3, applied_by = $4, override_removals = $5,
                 control = NULL, started_at = $6
             WHERE environment_id = $1 AND reconciliation_id = $2",
            self.environment_id as EnvironmentId,
            request.id as ReconciliationId,
            request.job_id as JobId,
            request.applied_by,
            request.override_removals.map(|count| i64::try_from(count).unwrap_or(i64::MAX)),
            now,
        )
        .execute(&mut *connection)
        .await?;
        let account = (self.environment_id, account_id);
        jobs::enqueue(connection, account, request.job_id, JobKind::Apply, now).await?;
        audit::append(connection, self.environment_id, audit).await?;
        Ok(())
    }

    /// Whether a reconciliation of the account is being applied or paused.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn is_reconciliation_under_way(
        &self,
        account_id: IntegratedAccountId,
    ) -> Result<bool, StoreError> {
        let found = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT FROM reconciliations
                   WHERE environment_id = $1 AND integrated_account_id = $2
                     AND status IN ('applying', 'paused')) AS "found!""#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(found)
    }

    /// Returns the reconciliation that a claimed job applies, and what is requested of it; `None` when there is nothing
    /// left to do.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_apply(
        &self,
        lease: &JobLease,
    ) -> Result<Option<(ReconciliationId, Option<ApplyControl>)>, StoreError> {
        let row = sqlx::query!(
            r#"SELECT reconciliation_id AS "id: ReconciliationId", control FROM reconciliations
               WHERE environment_id = $1 AND job_id = $2 AND status = 'applying'"#,
            self.environment_id as EnvironmentId,
            lease.job_id as JobId,
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some((row.id, parse_control(row.control.as_deref())?)))
    }

    /// Writes that a step is carried out now.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_step(
        &self,
        lease: &JobLease,
        id: ReconciliationId,
        position: i64,
        now: OffsetDateTime,
    ) -> Result<StepWritten, StoreError> {
        let mut tx = self.pool.begin().await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(StepWritten::LeaseLost);
        }
        let control = sqlx::query_scalar!(
            "SELECT control FROM reconciliations WHERE environment_id = $1 AND reconciliation_id = $2",
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        if let Some(control) = parse_control(control.flatten().as_deref())? {
            return Ok(StepWritten::Stop(control));
        }
        sqlx::query!(
            "UPDATE reconciliation_steps SET started_at = COALESCE(started_at, $5)
             WHERE environment_id = $1 AND integrated_account_id = $2 AND reconciliation_id = $3 AND position = $4",
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            id as ReconciliationId,
            position,
            now,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(StepWritten::Continue)
    }

    /// Writes the outcome of a step. Returns `false` when another worker has claimed the job.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_step(
        &self,
        lease: &JobLease,
        id: ReconciliationId,
        position: i64,
        end: &StepEnd,
        now: OffsetDateTime,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(false);
        }
        let done = sqlx::query!(
            "WITH before AS (
                 SELECT outcome FROM reconciliation_steps
                 WHERE environment_id = $1 AND integrated_account_id = $2 AND reconciliation_id = $3
                   AND position = $4 FOR UPDATE),
             ended AS (
                 UPDATE reconciliation_steps SET outcome = $5, detail = $6,
                     object_id = COALESCE($7, object_id), ended_at = $8
                 WHERE environment_id = $1 AND integrated_account_id = $2 AND reconciliation_id = $3
                   AND position = $4)
             UPDATE reconciliations r SET
                 pending = pending - (before.outcome = 'pending')::int,
                 applied = applied + ($5 = 'applied')::int - (before.outcome = 'applied')::int,
                 unchanged = unchanged + ($5 = 'unchanged')::int - (before.outcome = 'unchanged')::int,
                 conflict = conflict + ($5 = 'conflict')::int - (before.outcome = 'conflict')::int,
                 failed = failed + ($5 = 'failed')::int - (before.outcome = 'failed')::int,
                 skipped = skipped + ($5 = 'skipped')::int - (before.outcome = 'skipped')::int
             FROM before WHERE r.environment_id = $1 AND r.reconciliation_id = $3",
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            id as ReconciliationId,
            position,
            end.outcome.name(),
            end.detail,
            end.object_id,
            now,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Ends or pauses the application of a plan, and appends the event of an end. Returns `false` when another worker has
    /// claimed the job.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn end_apply(
        &self,
        lease: &JobLease,
        id: ReconciliationId,
        end: &ApplyEnd<'_>,
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<bool, StoreError> {
        let account = (self.environment_id, lease.account_id);
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, account, now).await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(false);
        }
        let row = sqlx::query!(
            r#"UPDATE reconciliations SET problem = $4, control = NULL,
                   status = CASE WHEN $3 = 'paused' AND control = 'cancel' THEN 'cancelled' ELSE $3 END,
                   ended_at = CASE WHEN $3 = 'paused' AND control IS DISTINCT FROM 'cancel' THEN NULL
                                   ELSE $5::timestamptz END
               WHERE environment_id = $1 AND reconciliation_id = $2 AND status = 'applying'
               RETURNING status, summary AS "summary: Json<PlanSummary>", hash"#,
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
            end.status.name(),
            end.problem.map(Json) as Option<Json<&SyncProblem>>,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        // One that is pausing may have been cancelled.
        let status: ReconciliationStatus = parse_name("reconciliations", "status", &row.status)?;
        let (kind, ended) = match status {
            ReconciliationStatus::Applied | ReconciliationStatus::PartiallyApplied => {
                (Some(EventKind::ReconciliationApplied), JobStatus::Succeeded)
            }
            ReconciliationStatus::Failed => {
                (Some(EventKind::ReconciliationFailed), JobStatus::Failed)
            }
            ReconciliationStatus::Cancelled | ReconciliationStatus::Expired => {
                (None, JobStatus::Cancelled)
            }
            ReconciliationStatus::Planning
            | ReconciliationStatus::Planned
            | ReconciliationStatus::Applying
            | ReconciliationStatus::Paused => (None, JobStatus::Succeeded),
        };
        let problem = end.problem.and_then(|problem| serde_json::to_value(problem).ok());
        let job = (self.environment_id, lease.job_id);
        jobs::end(&mut tx, job, ended, problem.as_ref(), now).await?;
        if let Some(kind) = kind {
            let event = event(kind, id, row.summary.0, row.hash.as_deref(), end.problem);
            append_changes(&mut tx, &feed, SOURCE, &[event], entropy).await?;
        }
        tx.commit().await?;
        Ok(true)
    }
}

fn parse_control(control: Option<&str>) -> Result<Option<ApplyControl>, StoreError> {
    let control = control.map(|name| parse_name("reconciliations", "control", name));
    control.transpose()
}
