//! The queue of background jobs. A worker claims a job with a lease and extends the lease while it works on it; a job
//! whose lease has expired is claimed by another worker. Leases are compared with the clock of the database server,
//! because they must mean the same to every process.

use std::time::Duration;

use sqlx::types::Json;
use time::OffsetDateTime;

use super::columns::{parse_name, parse_names};
use super::connections::TimedConnection;
use super::{Store, StoreError, TenantDb};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, JobId};
use crate::domain::job::{Job, JobKind, JobStatus};
use crate::domain::sync_run::{Checkpoint, estimate};

/// A claimed job: proof for every write of the job that no other worker has claimed it since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobLease {
    /// The environment.
    pub environment_id: EnvironmentId,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// The job.
    pub job_id: JobId,
    /// What it does.
    pub kind: JobKind,
    /// The number of this attempt, from 1.
    pub attempt: i32,
    /// The worker's name.
    pub worker: String,
}

impl Store {
    /// Claims the job that has waited longest, for `lease`.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn claim_job(
        &self,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<JobLease>, StoreError> {
        let row = sqlx::query!(
            r#"UPDATE jobs SET status = 'running', worker = $1, attempts = attempts + 1,
                   lease_until = clock_timestamp() + make_interval(secs => $2)
               WHERE (environment_id, job_id) = (
                   SELECT environment_id, job_id FROM jobs
                   WHERE status IN ('queued', 'running') AND run_at <= clock_timestamp()
                     AND (lease_until IS NULL OR lease_until < clock_timestamp())
                   ORDER BY run_at LIMIT 1 FOR UPDATE SKIP LOCKED)
               RETURNING environment_id AS "environment_id: EnvironmentId",
                   integrated_account_id AS "account_id: IntegratedAccountId",
                   job_id AS "job_id: JobId", kind, attempts"#,
            worker,
            lease.as_secs_f64(),
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(JobLease {
            environment_id: row.environment_id,
            account_id: row.account_id,
            job_id: row.job_id,
            kind: parse_name("jobs", "kind", &row.kind)?,
            attempt: row.attempts,
            worker: worker.to_owned(),
        }))
    }

    /// Extends a lease. Returns `false` when another worker has claimed the job.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn extend_lease(
        &self,
        lease: &JobLease,
        duration: Duration,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query!(
            "UPDATE jobs SET lease_until = clock_timestamp() + make_interval(secs => $5)
             WHERE environment_id = $1 AND job_id = $2 AND worker = $3 AND attempts = $4
               AND status = 'running'",
            lease.environment_id as EnvironmentId,
            lease.job_id as JobId,
            lease.worker,
            lease.attempt,
            duration.as_secs_f64(),
        )
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Returns a claimed job to the queue, for the attempt after `delay`. Without a problem the attempt is not counted.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn release_job(
        &self,
        lease: &JobLease,
        delay: Duration,
        problem: Option<&serde_json::Value>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE jobs SET lease_until = NULL, worker = NULL, last_problem = COALESCE($6, last_problem),
                 attempts = CASE WHEN $6::jsonb IS NULL THEN attempts - 1 ELSE attempts END,
                 run_at = clock_timestamp() + make_interval(secs => $5)
             WHERE environment_id = $1 AND job_id = $2 AND worker = $3 AND attempts = $4
               AND status = 'running'",
            lease.environment_id as EnvironmentId,
            lease.job_id as JobId,
            lease.worker,
            lease.attempt,
            delay.as_secs_f64(),
            problem,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Returns the number of jobs that are due, and of those that are running.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn job_counts(&self) -> Result<(i64, i64), StoreError> {
        let row = sqlx::query!(
            r#"SELECT count(*) FILTER (WHERE lease_until IS NULL OR lease_until < clock_timestamp()) AS "due!",
                      count(*) FILTER (WHERE lease_until >= clock_timestamp()) AS "running!"
               FROM jobs WHERE status IN ('queued', 'running') AND run_at <= clock_timestamp()"#,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((row.due, row.running))
    }
}

impl TenantDb {
    /// Returns up to `limit` jobs before `before`, newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn jobs(
        &self,
        account_id: Option<IntegratedAccountId>,
        status: Option<JobStatus>,
        before: Option<JobId>,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<Job>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT j.job_id AS "id: JobId", j.kind, j.status, j.attempts,
                      j.integrated_account_id AS "account_id: IntegratedAccountId",
                      j.last_problem AS "last_problem: Json<serde_json::Value>", j.run_at, j.created_at, j.ended_at,
                      r.resources AS "resources?", r.checkpoint AS "checkpoint?: Json<Option<Checkpoint>>",
                      r.started_at AS "started_at?"
               FROM jobs j LEFT JOIN sync_runs r USING (environment_id, job_id)
               WHERE j.environment_id = $1 AND ($2::text IS NULL OR j.integrated_account_id = $2)
                 AND ($3::text IS NULL OR j.status = $3) AND ($4::text IS NULL OR j.job_id < $4)
               ORDER BY j.job_id DESC LIMIT $5"#,
            self.environment_id as EnvironmentId,
            account_id as Option<IntegratedAccountId>,
            status.map(JobStatus::name),
            before as Option<JobId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let resources =
                    parse_names("sync_runs", "resources", &row.resources.unwrap_or_default())?;
                let checkpoint = row.checkpoint.and_then(|checkpoint| checkpoint.0);
                let progress = checkpoint.unwrap_or_default().progress(&resources);
                let status = parse_name("jobs", "status", &row.status)?;
                let began = row.started_at.filter(|_| status == JobStatus::Running);
                Ok(Job {
                    id: row.id,
                    kind: parse_name("jobs", "kind", &row.kind)?,
                    integrated_account_id: row.account_id,
                    status,
                    eta_s: began.and_then(|began| estimate(&progress, began, now)),
                    progress,
                    attempts: row.attempts,
                    last_problem: row.last_problem.map(|problem| problem.0),
                    run_at: row.run_at,
                    created_at: row.created_at,
                    ended_at: row.ended_at,
                })
            })
            .collect()
    }
}

/// Adds a job to the queue, in the transaction of what it is for.
pub(super) async fn enqueue(
    connection: &mut TimedConnection,
    (environment_id, account_id): (EnvironmentId, IntegratedAccountId),
    job_id: JobId,
    kind: JobKind,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "INSERT INTO jobs (environment_id, integrated_account_id, job_id, kind, status, run_at, created_at)
         VALUES ($1, $2, $3, $4, 'queued', clock_timestamp(), $5)",
        environment_id as EnvironmentId,
        account_id as IntegratedAccountId,
        job_id as JobId,
        kind.name(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Returns whether the lease is valid, and locks the job until the end of the transaction.
pub(super) async fn holds_lease(
    connection: &mut TimedConnection,
    lease: &JobLease,
) -> Result<bool, StoreError> {
    let row = sqlx::query_scalar!(
        "SELECT attempts FROM jobs
         WHERE environment_id = $1 AND job_id = $2 AND worker = $3 AND attempts = $4
           AND status = 'running' FOR UPDATE",
        lease.environment_id as EnvironmentId,
        lease.job_id as JobId,
        lease.worker,
        lease.attempt,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// Locks a job before the run or reconciliation that it works on is changed: workers lock them in this order.
pub(super) async fn lock(
    connection: &mut TimedConnection,
    (environment_id, job_id): (EnvironmentId, JobId),
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"SELECT true AS "found!" FROM jobs WHERE environment_id = $1 AND job_id = $2 FOR UPDATE"#,
        environment_id as EnvironmentId,
        job_id as JobId,
    )
    .fetch_optional(connection)
    .await?;
    Ok(())
}

/// Makes a job that waits for its next attempt due now.
pub(super) async fn hasten(
    connection: &mut TimedConnection,
    (environment_id, job_id): (EnvironmentId, JobId),
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE jobs SET run_at = LEAST(run_at, clock_timestamp())
         WHERE environment_id = $1 AND job_id = $2",
        environment_id as EnvironmentId,
        job_id as JobId,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Ends a job, in the transaction of its result.
pub(super) async fn end(
    connection: &mut TimedConnection,
    (environment_id, job_id): (EnvironmentId, JobId),
    status: JobStatus,
    problem: Option<&serde_json::Value>,
    now: OffsetDateTime,
) -> Result<(), StoreError> {
    sqlx::query!(
        "UPDATE jobs SET status = $3, ended_at = $4, worker = NULL, lease_until = NULL,
             last_problem = COALESCE($5, last_problem)
         WHERE environment_id = $1 AND job_id = $2",
        environment_id as EnvironmentId,
        job_id as JobId,
        status.name(),
        now,
        problem,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes a batch of jobs that ended.
pub(super) async fn purge(
    connection: &mut TimedConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM jobs WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM jobs WHERE ended_at < $1
                   ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        before,
        limit,
    )
    .fetch_one(connection)
    .await
}
