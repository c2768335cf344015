//! Runs of the directory sync: requested, listed, cancelled, continued, accepted or rejected.

mod pages;

use sqlx::types::Json;
use time::OffsetDateTime;

pub use self::pages::{ClaimedRun, PageWritten, RunEnd, RunPage};
use super::audit::{self, AuditEntry};
use super::columns::{parse_name, parse_names};
use super::connections::TimedConnection;
use super::directory::missing::forget_run;
use super::{Store, StoreError, TenantDb, change_sources, jobs};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, JobId, SyncRunId};
use crate::domain::job::{JobKind, JobStatus};
use crate::domain::sync::{SyncResource, SyncStatus};
use crate::domain::sync_run::{Checkpoint, SyncProblem, SyncRun};

/// The constraint that a second queued or running run of an account violates.
pub const ONE_RUN_CONSTRAINT: &str = "sync_runs_under_way";

/// A requested run.
#[derive(Debug)]
pub struct NewSyncRun<'a> {
    /// Its id.
    pub id: SyncRunId,
    /// The id of its job.
    pub job_id: JobId,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// The resources to read.
    pub resources: &'a [SyncResource],
    /// Who requested it.
    pub started_by: &'a str,
}

impl TenantDb {
    /// Adds a run and its job. Returns the run under way instead, if there is one.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn request_sync(
        &self,
        run: &NewSyncRun<'_>,
        now: OffsetDateTime,
        audit: Option<&AuditEntry<'_>>,
    ) -> Result<Result<(), SyncRunId>, StoreError> {
        match self.insert_run(run, now, audit).await {
            Err(StoreError::Conflict(constraint)) if constraint == ONE_RUN_CONSTRAINT => {}
            inserted => return inserted.map(Ok),
        }
        let running = sqlx::query_scalar!(
            r#"SELECT sync_run_id AS "id: SyncRunId" FROM sync_runs
               WHERE environment_id = $1 AND integrated_account_id = $2
                 AND status IN ('queued', 'running')"#,
            self.environment_id as EnvironmentId,
            run.account_id as IntegratedAccountId,
        )
        .fetch_optional(&self.pool)
        .await?;
        match running {
            Some(id) => Ok(Err(id)),
            // It has ended in the meantime.
            None => self.insert_run(run, now, audit).await.map(Ok),
        }
    }

    async fn insert_run(
        &self,
        run: &NewSyncRun<'_>,
        now: OffsetDateTime,
        audit: Option<&AuditEntry<'_>>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        let names: Vec<String> = run.resources.iter().map(ToString::to_string).collect();
        sqlx::query!(
            "INSERT INTO sync_runs (environment_id, integrated_account_id, sync_run_id, job_id, status,
                 resources, started_by, created_at)
             VALUES ($1, $2, $3, $4, 'queued', $5, $6, $7)",
            self.environment_id as EnvironmentId,
            run.account_id as IntegratedAccountId,
            run.id as SyncRunId,
            run.job_id as JobId,
            &names,
            run.started_by,
            now,
        )
        .execute(&mut *tx)
        .await?;
        let account = (self.environment_id, run.account_id);
        jobs::enqueue(&mut tx, account, run.job_id, JobKind::Sync, now).await?;
        if let Some(audit) = audit {
            audit::append(&mut *tx, self.environment_id, audit).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Returns the run with this id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sync_run(&self, id: SyncRunId) -> Result<Option<SyncRun>, StoreError> {
        let runs = self.select_runs(Some(id), None, None, None, 1).await?;
        Ok(runs.into_iter().next())
    }

    /// Returns up to `limit` runs before `before`, newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn sync_runs(
        &self,
        account_id: Option<IntegratedAccountId>,
        status: Option<SyncStatus>,
        before: Option<SyncRunId>,
        limit: i64,
    ) -> Result<Vec<SyncRun>, StoreError> {
        self.select_runs(None, account_id, status, before, limit).await
    }

    async fn select_runs(
        &self,
        id: Option<SyncRunId>,
        account_id: Option<IntegratedAccountId>,
        status: Option<SyncStatus>,
        before: Option<SyncRunId>,
        limit: i64,
    ) -> Result<Vec<SyncRun>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT sync_run_id AS "id: SyncRunId", job_id AS "job_id: JobId", status, resources, started_by,
                      integrated_account_id AS "account_id: IntegratedAccountId",
                      checkpoint AS "checkpoint: Json<Option<Checkpoint>>", provider_calls,
                      problem AS "problem: Json<SyncProblem>", created_at, started_at, ended_at
               FROM sync_runs
               WHERE environment_id = $1 AND ($2::text IS NULL OR sync_run_id = $2)
                 AND ($3::text IS NULL OR integrated_account_id = $3)
                 AND ($4::text IS NULL OR status = $4) AND ($5::text IS NULL OR sync_run_id < $5)
               ORDER BY sync_run_id DESC LIMIT $6"#,
            self.environment_id as EnvironmentId,
            id as Option<SyncRunId>,
            account_id as Option<IntegratedAccountId>,
            status.map(SyncStatus::name),
            before as Option<SyncRunId>,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter()
            .map(|row| {
                let checkpoint = row.checkpoint.0.unwrap_or_default();
                let resources = parse_names("sync_runs", "resources", &row.resources)?;
                Ok(SyncRun {
                    id: row.id,
                    integrated_account_id: row.account_id,
                    job_id: row.job_id,
                    status: parse_name("sync_runs", "status", &row.status)?,
                    progress: checkpoint.progress(&resources),
                    resources,
                    started_by: row.started_by,
                    provider_calls: u64::try_from(row.provider_calls).unwrap_or_default(),
                    problem: row
                        .problem
                        .map(|problem| problem.0)
                        .or_else(|| checkpoint.problems.first().cloned()),
                    counts: checkpoint.counts,
                    held_removals: checkpoint.held_removals,
                    eta_s: None,
                    created_at: row.created_at,
                    started_at: row.started_at,
                    ended_at: row.ended_at,
                })
            })
            .collect()
    }

    /// Cancels a run: at once if it is queued, after its current page if it is running. Returns `false` if it has
    /// ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn cancel_sync(
        &self,
        id: SyncRunId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let job_id = sqlx::query_scalar!(
            r#"SELECT job_id AS "job_id: JobId" FROM sync_runs
               WHERE environment_id = $1 AND sync_run_id = $2"#,
            self.environment_id as EnvironmentId,
            id as SyncRunId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(job_id) = job_id else { return Ok(false) };
        let job = (self.environment_id, job_id);
        jobs::lock(&mut tx, job).await?;
        let status = sqlx::query_scalar!(
            "UPDATE sync_runs SET cancel_requested = true,
                 status = CASE status WHEN 'queued' THEN 'cancelled' ELSE status END,
                 ended_at = CASE status WHEN 'queued' THEN $3 ELSE ended_at END
             WHERE environment_id = $1 AND sync_run_id = $2 AND job_id = $4 AND status IN ('queued', 'running')
             RETURNING status",
            self.environment_id as EnvironmentId,
            id as SyncRunId,
            now,
            job_id as JobId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(status) = status else { return Ok(false) };
        if status == SyncStatus::Cancelled.name() {
            jobs::end(&mut tx, job, JobStatus::Cancelled, None, now).await?;
        } else {
            // It may wait for its next attempt.
            jobs::hasten(&mut tx, job).await?;
        }
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Continues a run that has ended early: `held` with its removals accepted, or `failed` or `cancelled`
    /// from its checkpoint, as a new job. Returns `false` if the run has another status than `from`.
    ///
    /// # Errors
    ///
    /// `Conflict` when another run of the account is under way.
    pub async fn continue_sync(
        &self,
        id: SyncRunId,
        from: &[SyncStatus],
        job_id: JobId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let from: Vec<String> = from.iter().map(ToString::to_string).collect();
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!(
            r#"UPDATE sync_runs SET is_accepted = is_accepted OR status = 'held', status = 'queued',
                   cancel_requested = false, ended_at = NULL, problem = NULL, job_id = $4
               WHERE environment_id = $1 AND sync_run_id = $2 AND status = ANY ($3)
               RETURNING integrated_account_id AS "account_id: IntegratedAccountId""#,
            self.environment_id as EnvironmentId,
            id as SyncRunId,
            &from,
            job_id as JobId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        let account = (self.environment_id, row.account_id);
        jobs::enqueue(&mut tx, account, job_id, JobKind::Sync, now).await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Rejects a held run: nothing is removed, and what it has read is forgotten. Returns `false` if the run is not held.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn reject_sync(
        &self,
        id: SyncRunId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let row = sqlx::query!(
            r#"UPDATE sync_runs SET status = 'cancelled', ended_at = $3, checkpoint = 'null'
               WHERE environment_id = $1 AND sync_run_id = $2 AND status = 'held'
               RETURNING integrated_account_id AS "account_id: IntegratedAccountId""#,
            self.environment_id as EnvironmentId,
            id as SyncRunId,
            now,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(false) };
        forget_run(&mut tx, row.account_id, id).await?;
        change_sources::set_run_needed(&mut tx, (self.environment_id, row.account_id), false)
            .await?;
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(true)
    }
}

impl Store {
    /// Returns the number of held runs.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn held_syncs(&self) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM sync_runs WHERE status = 'held'"#
        );
        Ok(count.fetch_one(&self.pool).await?)
    }

    /// Returns up to `limit` active accounts whose sync is enabled and whose next full run is due.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn accounts_due_for_sync(
        &self,
        now: OffsetDateTime,
        limit: i64,
    ) -> Result<Vec<(EnvironmentId, IntegratedAccountId)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT a.environment_id AS "environment_id: EnvironmentId",
                      a.integrated_account_id AS "account_id: IntegratedAccountId"
               FROM integrated_accounts a JOIN environments e USING (environment_id)
               LEFT JOIN LATERAL (
                   SELECT max(created_at) AS at, bool_or(status IN ('queued', 'running')) AS is_under_way
                   FROM sync_runs r WHERE r.integrated_account_id = a.integrated_account_id) last ON true
               WHERE a.status = 'active'
                 AND COALESCE((a.sync->>'enabled')::boolean, (e.sync->>'enabled')::boolean, false)
                 AND NOT COALESCE(last.is_under_way, false)
                 AND (last.at IS NULL OR last.at <= $1::timestamptz - make_interval(secs =>
                     COALESCE((a.sync->>'full_every_s')::int, (e.sync->>'full_every_s')::int, 86400)))
               ORDER BY last.at NULLS FIRST LIMIT $2"#,
            now,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.environment_id, row.account_id)).collect())
    }
}

/// Deletes a batch of runs that ended, with what they have read.
pub(super) async fn purge(
    connection: &mut TimedConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH old AS (
               SELECT environment_id, integrated_account_id, sync_run_id FROM sync_runs
               WHERE ended_at < $1 AND status <> 'held' LIMIT $2 FOR UPDATE SKIP LOCKED),
           seen AS (
               DELETE FROM sync_seen s USING old
               WHERE s.integrated_account_id = old.integrated_account_id
                 AND s.sync_run_id = old.sync_run_id),
           profiles AS (
               DELETE FROM sync_profiles p USING old
               WHERE p.integrated_account_id = old.integrated_account_id
                 AND p.sync_run_id = old.sync_run_id),
           gone AS (
               DELETE FROM sync_runs r USING old
               WHERE r.environment_id = old.environment_id AND r.sync_run_id = old.sync_run_id
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        before,
        limit,
    )
    .fetch_one(connection)
    .await
}
