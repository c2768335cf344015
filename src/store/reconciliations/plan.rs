//! The making of plans: the desired state is read, and the steps are written, by the job that holds the lease.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::audit::AuditEntry;
use super::super::change_events::{append_changes, lock_feed};
use super::super::connections::TimedConnection;
use super::super::jobs::{self, JobLease};
use super::super::{StoreError, TenantDb};
use super::apply::ApplyRequest;
use super::events::{SOURCE, event};
use crate::domain::entropy::Entropy;
use crate::domain::event::EventKind;
use crate::domain::ids::{EnvironmentId, IntegratedAccountId, JobId, ReconciliationId, RuleSetId};
use crate::domain::job::JobStatus;
use crate::domain::reconciliation::{
    NewWorkspace, PlanOperation, PlanSummary, ReconciliationOptions, RemovalLimit, RowError,
    StepPhase, StepSubject,
};
use crate::domain::sync_run::SyncProblem;

/// The room for the positions of a phase.
const PHASE_ROOM: i64 = 1 << 32;

/// A reconciliation whose plan is to be made.
#[derive(Debug)]
pub struct ClaimedPlan {
    /// The id.
    pub id: ReconciliationId,
    /// What was requested.
    pub options: ReconciliationOptions,
    /// The rule set that the desired state follows from.
    pub rule_set_id: Option<RuleSetId>,
    /// The reconciliation that this one undoes.
    pub inverse_of: Option<ReconciliationId>,
    /// The workspaces that are to exist.
    pub new_workspaces: Vec<NewWorkspace>,
    /// The rows of the desired state that were left out.
    pub row_errors: Vec<RowError>,
    /// Who requested it.
    pub created_by: String,
}

/// A step to write.
#[derive(Debug, Clone, PartialEq)]
pub struct NewStep {
    /// Its phase.
    pub phase: StepPhase,
    /// Its number within the phase.
    pub number: i64,
    /// The operation.
    pub operation: PlanOperation,
    /// Whom or what it changes.
    pub subject: StepSubject,
    /// The values before, as JSON.
    pub before: serde_json::Map<String, serde_json::Value>,
    /// The values afterwards, as JSON.
    pub after: serde_json::Map<String, serde_json::Value>,
    /// Why it is in the plan.
    pub reason: String,
    /// Whether it takes access from a person.
    pub is_removal: bool,
    /// The estimated number of provider calls.
    pub provider_calls: u32,
    /// Why it is not carried out.
    pub skipped: Option<String>,
    /// The key by which other steps refer to the object that it creates.
    pub new_key: Option<String>,
}

/// How the making of a plan ended.
#[derive(Debug)]
pub struct PlanEnd<'a> {
    /// The SHA-256 of the plan, as hexadecimal digits.
    pub hash: &'a str,
    /// The number of the first step of each phase, by rank.
    pub first_numbers: &'a [i64],
    /// What the plan changes.
    pub summary: PlanSummary,
    /// The limit of removals.
    pub removals: RemovalLimit,
    /// The number of people of the desired state.
    pub desired_users: u64,
    /// The rows of the desired state that were left out.
    pub row_errors: &'a [RowError],
    /// The estimated number of provider calls.
    pub provider_calls: u64,
    /// The estimated seconds.
    pub eta_s: u64,
    /// When the copy was last complete.
    pub base_synced_at: Option<OffsetDateTime>,
    /// When the plan can no longer be applied.
    pub expires_at: OffsetDateTime,
}

/// The application of a plan that was approved when it was requested.
#[derive(Debug)]
pub struct PlanApproval<'a> {
    /// The request to apply it.
    pub request: ApplyRequest<'a>,
    /// The entry of the audit log.
    pub audit: AuditEntry<'a>,
}

impl TenantDb {
    /// Returns how much an automatic rule set took from people since a time, without a request to.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn rule_set_removals_since(
        &self,
        account_id: IntegratedAccountId,
        rule_set_id: RuleSetId,
        since: OffsetDateTime,
    ) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM reconciliations r
               JOIN reconciliation_steps s ON s.environment_id = r.environment_id
                 AND s.integrated_account_id = r.integrated_account_id
                 AND s.reconciliation_id = r.reconciliation_id
               WHERE r.environment_id = $1 AND r.integrated_account_id = $2 AND r.rule_set_id = $3
                 AND r.applied_by = r.created_by AND (r.ended_at IS NULL OR r.ended_at > $4)
                 AND s.is_removal AND s.started_at > $4"#,
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            rule_set_id as RuleSetId,
            since,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(u64::try_from(count).unwrap_or_default())
    }

    /// Returns the reconciliation whose plan a claimed job makes, without steps of an earlier attempt; `None` when there
    /// is nothing left to do.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn start_plan(&self, lease: &JobLease) -> Result<Option<ClaimedPlan>, StoreError> {
        let mut tx = self.pool.begin().await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(None);
        }
        let row = sqlx::query!(
            r#"SELECT reconciliation_id AS "id: ReconciliationId", options AS "options: Json<ReconciliationOptions>",
                      rule_set_id AS "rule_set_id: RuleSetId", inverse_of AS "inverse_of: ReconciliationId",
                      new_workspaces AS "new_workspaces: Json<Vec<NewWorkspace>>",
                      row_errors AS "row_errors: Json<Vec<RowError>>", created_by
               FROM reconciliations WHERE environment_id = $1 AND job_id = $2 AND status = 'planning'
               FOR UPDATE"#,
            self.environment_id as EnvironmentId,
            lease.job_id as JobId,
        )
        .fetch_optional(&mut *tx)
        .await?;
        let Some(row) = row else { return Ok(None) };
        sqlx::query!(
            "DELETE FROM reconciliation_steps WHERE environment_id = $1 AND reconciliation_id = $2",
            self.environment_id as EnvironmentId,
            row.id as ReconciliationId,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(ClaimedPlan {
            id: row.id,
            options: row.options.0,
            rule_set_id: row.rule_set_id,
            inverse_of: row.inverse_of,
            new_workspaces: row.new_workspaces.0,
            row_errors: row.row_errors.0,
            created_by: row.created_by,
        }))
    }

    /// Writes steps. Returns `false` when another worker has claimed the job.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn insert_steps(
        &self,
        lease: &JobLease,
        id: ReconciliationId,
        steps: &[NewStep],
    ) -> Result<bool, StoreError> {
        let mut tx = self.pool.begin().await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(false);
        }
        let positions: Vec<i64> =
            steps.iter().map(|step| step.phase.rank() * PHASE_ROOM + step.number).collect();
        let texts =
            |of: &dyn Fn(&NewStep) -> String| -> Vec<String> { steps.iter().map(of).collect() };
        let json = |value: serde_json::Result<String>| value.unwrap_or_default();
        let phases = texts(&|step| step.phase.name().to_owned());
        let operations = texts(&|step| json(serde_json::to_string(&step.operation)));
        let types = texts(&|step| step.operation.name().to_owned());
        let subjects = texts(&|step| json(serde_json::to_string(&step.subject)));
        let before = texts(&|step| json(serde_json::to_string(&step.before)));
        let after = texts(&|step| json(serde_json::to_string(&step.after)));
        let reasons = texts(&|step| step.reason.clone());
        let removals: Vec<bool> = steps.iter().map(|step| step.is_removal).collect();
        let calls: Vec<i32> = steps
            .iter()
            .map(|step| i32::try_from(step.provider_calls).unwrap_or(i32::MAX))
            .collect();
        let details: Vec<Option<String>> = steps.iter().map(|step| step.skipped.clone()).collect();
        let keys: Vec<Option<String>> = steps.iter().map(|step| step.new_key.clone()).collect();
        sqlx::query!(
            "INSERT INTO reconciliation_steps (environment_id, integrated_account_id, reconciliation_id, position,
                 phase, operation, operation_type, subject, before, after, reason, is_removal, provider_calls,
                 outcome, detail, new_key)
             SELECT $1, $2, $3, s.position, s.phase, s.operation::jsonb, s.operation_type, s.subject::jsonb,
                 s.before::jsonb, s.after::jsonb, s.reason, s.is_removal, s.provider_calls,
                 CASE WHEN s.detail IS NULL THEN 'pending' ELSE 'skipped' END, s.detail, s.new_key
             FROM UNNEST($4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::text[],
                 $11::text[], $12::bool[], $13::int[], $14::text[], $15::text[])
                 AS s (position, phase, operation, operation_type, subject, before, after, reason, is_removal,
                     provider_calls, detail, new_key)",
            self.environment_id as EnvironmentId,
            lease.account_id as IntegratedAccountId,
            id as ReconciliationId,
            &positions,
            &phases,
            &operations,
            &types,
            &subjects,
            &before,
            &after,
            &reasons,
            &removals,
            &calls,
            &details as &[Option<String>],
            &keys as &[Option<String>],
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Numbers the steps, ends the job and appends the event; with `approval`, also queues the application, so that none
    /// is lost. Returns `false` when another worker has claimed the job, or the reconciliation was cancelled.
    ///
    /// # Errors
    ///
    /// `Conflict` for an approved plan while another reconciliation of the account is under way: nothing is written.
    /// Otherwise when the database fails.
    pub async fn finish_plan(
        &self,
        lease: &JobLease,
        id: ReconciliationId,
        (end, approval): (&PlanEnd<'_>, Option<&PlanApproval<'_>>),
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<bool, StoreError> {
        let account = (self.environment_id, lease.account_id);
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, account, now).await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(false);
        }
        let done = sqlx::query!(
            "WITH numbered AS (
                 UPDATE reconciliation_steps SET n = position % $14 + ($15::bigint[])[(position / $14)::int + 1]
                 WHERE environment_id = $1 AND integrated_account_id = $13 AND reconciliation_id = $2
                 RETURNING outcome),
             counts AS (
                 SELECT count(*) FILTER (WHERE outcome = 'pending') AS pending,
                        count(*) FILTER (WHERE outcome = 'skipped') AS skipped
                 FROM numbered)
             UPDATE reconciliations r SET status = 'planned', hash = $3, summary = $4, removals = $5,
                 desired_users = $6, row_errors = $7, provider_calls = $8, eta_s = $9, base_synced_at = $10,
                 planned_at = $11, expires_at = $12, pending = counts.pending, skipped = counts.skipped
             FROM counts
             WHERE r.environment_id = $1 AND r.reconciliation_id = $2 AND r.status = 'planning'",
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
            end.hash,
            Json(end.summary) as _,
            Json(end.removals) as _,
            i64::try_from(end.desired_users).unwrap_or(i64::MAX),
            Json(end.row_errors) as _,
            i64::try_from(end.provider_calls).unwrap_or(i64::MAX),
            i64::try_from(end.eta_s).unwrap_or(i64::MAX),
            end.base_synced_at,
            now,
            end.expires_at,
            lease.account_id as IntegratedAccountId,
            PHASE_ROOM,
            end.first_numbers,
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.drop_desired(&mut tx, lease.account_id, id).await?;
        let job = (self.environment_id, lease.job_id);
        jobs::end(&mut tx, job, JobStatus::Succeeded, None, now).await?;
        let event = event(EventKind::ReconciliationPlanned, id, end.summary, Some(end.hash), None);
        append_changes(&mut tx, &feed, SOURCE, &[event], entropy).await?;
        if let Some(PlanApproval { request, audit }) = approval {
            self.begin_apply(&mut tx, lease.account_id, (request, audit), now).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Ends a plan that could not be made. Returns `false` when another worker has claimed the job, or the
    /// reconciliation was cancelled.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn fail_plan(
        &self,
        lease: &JobLease,
        id: ReconciliationId,
        (problem, row_errors): (&SyncProblem, &[RowError]),
        now: OffsetDateTime,
        entropy: &dyn Entropy,
    ) -> Result<bool, StoreError> {
        let account = (self.environment_id, lease.account_id);
        let mut tx = self.pool.begin().await?;
        let feed = lock_feed(&mut tx, account, now).await?;
        if !jobs::holds_lease(&mut tx, lease).await? {
            return Ok(false);
        }
        let done = sqlx::query!(
            "UPDATE reconciliations SET status = 'failed', problem = $3, row_errors = $4, ended_at = $5
             WHERE environment_id = $1 AND reconciliation_id = $2 AND status = 'planning'",
            self.environment_id as EnvironmentId,
            id as ReconciliationId,
            Json(problem) as _,
            Json(row_errors) as _,
            now,
        )
        .execute(&mut *tx)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(false);
        }
        self.drop_desired(&mut tx, lease.account_id, id).await?;
        let job = (self.environment_id, lease.job_id);
        let stored = serde_json::to_value(problem).ok();
        jobs::end(&mut tx, job, JobStatus::Failed, stored.as_ref(), now).await?;
        let summary = PlanSummary::default();
        let event = event(EventKind::ReconciliationFailed, id, summary, None, Some(problem));
        append_changes(&mut tx, &feed, SOURCE, &[event], entropy).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Deletes the desired state and the steps that an account's plan no longer needs.
    async fn drop_desired(
        &self,
        connection: &mut TimedConnection,
        account_id: IntegratedAccountId,
        id: ReconciliationId,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "DELETE FROM reconciliation_rows
             WHERE environment_id = $1 AND integrated_account_id = $2 AND reconciliation_id = $3",
            self.environment_id as EnvironmentId,
            account_id as IntegratedAccountId,
            id as ReconciliationId,
        )
        .execute(connection)
        .await?;
        Ok(())
    }
}
