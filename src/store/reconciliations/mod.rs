//! Reconciliations: requested, listed, and what is requested of those under way.

mod apply;
mod control;
mod events;
mod plan;
mod row;
mod rows;
mod steps;

use sqlx::types::Json;
use time::{Duration, OffsetDateTime};

pub use self::apply::{ApplyEnd, ApplyRefused, ApplyRequest, StepEnd, StepWritten};
pub use self::plan::{ClaimedPlan, NewStep, PlanApproval, PlanEnd};
use self::row::StoredReconciliation;
pub use self::rows::StagedRow;
pub(super) use self::rows::purge as purge_rows;
pub use self::steps::{StepFilter, StoredStep};
use super::audit::{self, AuditEntry};
use super::connections::TimedConnection;
use super::{StoreError, TenantDb, jobs};
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, JobId, ReconciliationId, RuleSetId};
use crate::domain::job::{JobKind, JobStatus};
use crate::domain::reconciliation::{
    NewWorkspace, PlanSummary, Reconciliation, ReconciliationOptions, ReconciliationStatus,
    RowError,
};

/// How long reconciliations that ended are kept.
const RETENTION: Duration = Duration::days(90);

/// A requested reconciliation.
#[derive(Debug)]
pub struct NewReconciliation<'a> {
    /// The id.
    pub id: ReconciliationId,
    /// The id of the job that makes the plan.
    pub job_id: JobId,
    /// The account.
    pub account_id: IntegratedAccountId,
    /// What was requested.
    pub options: &'a ReconciliationOptions,
    /// The rule set that the desired state follows from.
    pub rule_set_id: Option<RuleSetId>,
    /// The reconciliation that this one undoes.
    pub inverse_of: Option<ReconciliationId>,
    /// The workspaces that are to exist.
    pub new_workspaces: &'a [NewWorkspace],
    /// The number of people in the desired state.
    pub desired_users: u64,
    /// The rows of the desired state that were left out.
    pub row_errors: &'a [RowError],
    /// Who requested it.
    pub created_by: &'a str,
}

/// Filter of reconciliations; `None` matches all.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReconciliationFilter {
    /// The account.
    pub account_id: Option<IntegratedAccountId>,
    /// The status.
    pub status: Option<ReconciliationStatus>,
}

impl TenantDb {
    /// Adds a reconciliation and the job that makes its plan.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_reconciliation(
        &self,
        new: &NewReconciliation<'_>,
        now: OffsetDateTime,
        audit: Option<&AuditEntry<'_>>,
    ) -> Result<(), StoreError> {
        let mut tx = self.pool.begin().await?;
        sqlx::query!(
            "INSERT INTO reconciliations (environment_id, integrated_account_id, reconciliation_id, job_id, status,
                 options, rule_set_id, inverse_of, new_workspaces, desired_users, row_errors, summary, created_by,
                 created_at)
             VALUES ($1, $2, $3, $4, 'planning', $5, $6, $7, $8, $9, $10, $11, $12, $13)",
            self.environment_id as EnvironmentId,
            new.account_id as IntegratedAccountId,
            new.id as ReconciliationId,
            new.job_id as JobId,
            Json(new.options) as _,
            new.rule_set_id as Option<RuleSetId>,
            new.inverse_of as Option<ReconciliationId>,
            Json(new.new_workspaces) as _,
            i64::try_from(new.desired_users).unwrap_or(i64::MAX),
            Json(new.row_errors) as _,
            Json(PlanSummary::default()) as _,
            new.created_by,
            now,
        )
        .execute(&mut *tx)
        .await?;
        let account = (self.environment_id, new.account_id);
        jobs::enqueue(&mut tx, account, new.job_id, JobKind::Plan, now).await?;
        if let Some(audit) = audit {
            audit::append(&mut *tx, self.environment_id, audit).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Returns the reconciliation with this id.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn reconciliation(
        &self,
        id: ReconciliationId,
        now: OffsetDateTime,
    ) -> Result<Option<Reconciliation>, StoreError> {
        let filter = ReconciliationFilter::default();
        let found = self.select_reconciliations(Some(id), filter, None, 1, now).await?;
        Ok(found.into_iter().next())
    }

    /// Returns up to `limit` reconciliations before `before`, newest first.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn reconciliations(
        &self,
        filter: ReconciliationFilter,
        before: Option<ReconciliationId>,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<Reconciliation>, StoreError> {
        self.select_reconciliations(None, filter, before, limit, now).await
    }

    async fn select_reconciliations(
        &self,
        id: Option<ReconciliationId>,
        filter: ReconciliationFilter,
        before: Option<ReconciliationId>,
        limit: i64,
        now: OffsetDateTime,
    ) -> Result<Vec<Reconciliation>, StoreError> {
        let rows = sqlx::query_as!(
            StoredReconciliation,
            r#"SELECT reconciliation_id AS "id: ReconciliationId",
                      integrated_account_id AS "account_id: IntegratedAccountId", job_id AS "job_id: JobId",
                      CASE WHEN status = 'planned' AND expires_at <= $6 THEN 'expired' ELSE status END AS "status!",
                      options AS "options: Json<ReconciliationOptions>", rule_set_id AS "rule_set_id: RuleSetId",
                      inverse_of AS "inverse_of: ReconciliationId", desired_users,
                      row_errors AS "row_errors: Json<Vec<RowError>>", hash, summary AS "summary: Json<PlanSummary>",
                      removals AS "removals: Json<_>", pending, applied, unchanged, conflict, failed, skipped,
                      provider_calls, eta_s, base_synced_at, problem AS "problem: Json<_>", created_by, applied_by,
                      created_at, planned_at, expires_at, started_at, ended_at
               FROM reconciliations
               WHERE environment_id = $1 AND ($2::text IS NULL OR reconciliation_id = $2)
                 AND ($3::text IS NULL OR integrated_account_id = $3)
                 AND ($4::text IS NULL OR $4 =
                     CASE WHEN status = 'planned' AND expires_at <= $6 THEN 'expired' ELSE status END)
                 AND ($5::text IS NULL OR reconciliation_id < $5)
               ORDER BY reconciliation_id DESC LIMIT $7"#,
            self.environment_id as EnvironmentId,
            id as Option<ReconciliationId>,
            filter.account_id as Option<IntegratedAccountId>,
            filter.status.map(ReconciliationStatus::name),
            before as Option<ReconciliationId>,
            now,
            limit,
        )
        .fetch_all(&self.pool)
        .await?;
        rows.into_iter().map(StoredReconciliation::read).collect()
    }

    /// Cancels a reconciliation: immediately unless its steps are being carried out, otherwise after the current step.
    /// Returns `false` if it has ended.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn cancel_reconciliation(
        &self,
        id: ReconciliationId,
        now: OffsetDateTime,
        audit: &AuditEntry<'_>,
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        let Some(job_id) = self.lock_job_of(&mut tx, id).await? else { return Ok(false) };
        let status = sqlx::query_scalar!(
            "UPDATE reconciliations SET
                 control = CASE status WHEN 'applying' THEN 'cancel' END,
                 status = CASE status WHEN 'applying' THEN status ELSE 'cancelled' END,
                 ended_at = CASE status WHEN 'applying' THEN ended_at ELSE $3 END
             WHERE environment_id = $1 AND reconciliation_id = $2 AND job_id = $4
               AND (status IN ('planning', 'applying', 'paused')
                    OR status = 'planned' AND expires_at > $3)
             RETURNING status",
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
            now,
            job_id as JobId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(status) = status else { return Ok(false) };
        let job = (self.environment_id, job_id);
        if status == ReconciliationStatus::Cancelled.name() {
            jobs::end(&mut tx, job, JobStatus::Cancelled, None, now).await?;
        } else {
            // It may wait for its next attempt.
            jobs::hasten(&mut tx, job).await?;
        }
        audit::append(&mut *tx, self.environment_id, audit).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Locks the job of a reconciliation, and returns its id.
    async fn lock_job_of(
        &self,
        connection: &mut TimedConnection,
        id: ReconciliationId,
    ) -> Result<Option<JobId>, StoreError> {
        let job_id = sqlx::query_scalar!(
            r#"SELECT job_id AS "job_id: JobId" FROM reconciliations
               WHERE environment_id = $1 AND reconciliation_id = $2"#,
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
        )
        .fetch_optional(&mut *connection)
        .await?;
        if let Some(job_id) = job_id {
            jobs::lock(connection, (self.environment_id, job_id)).await?;
        }
        Ok(job_id)
    }
}

/// Deletes a batch of reconciliations that ended, or whose plan expired, long ago.
pub(super) async fn purge(
    connection: &mut TimedConnection,
    now: OffsetDateTime,
    limit: i64,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"WITH gone AS (
               DELETE FROM reconciliations WHERE ctid = ANY (ARRAY(
                   SELECT ctid FROM reconciliations WHERE ended_at < $1 OR status = 'planned' AND expires_at < $1
                   LIMIT $2 FOR UPDATE SKIP LOCKED))
               RETURNING 1)
           SELECT count(*) AS "count!" FROM gone"#,
        now - RETENTION,
        limit,
    )
    .fetch_one(connection)
    .await
}
