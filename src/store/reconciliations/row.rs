//! A stored reconciliation.

use sqlx::types::Json;
use time::OffsetDateTime;

use super::super::StoreError;
use super::super::columns::parse_name;
use crate::domain::ids::{IntegratedAccountId, JobId, ReconciliationId, RuleSetId};
use crate::domain::reconciliation::{
    PlanSummary, Reconciliation, ReconciliationOptions, RemovalLimit, RowError, StepCounts,
};
use crate::domain::sync_run::SyncProblem;

/// A row of the table.
pub(super) struct StoredReconciliation {
    pub(super) id: ReconciliationId,
    pub(super) account_id: IntegratedAccountId,
    pub(super) job_id: JobId,
    pub(super) status: String,
    pub(super) options: Json<ReconciliationOptions>,
    pub(super) rule_set_id: Option<RuleSetId>,
    pub(super) inverse_of: Option<ReconciliationId>,
    pub(super) desired_users: i64,
    pub(super) row_errors: Json<Vec<RowError>>,
    pub(super) hash: Option<String>,
    pub(super) summary: Json<PlanSummary>,
    pub(super) removals: Option<Json<RemovalLimit>>,
    pub(super) pending: i64,
    pub(super) applied: i64,
    pub(super) unchanged: i64,
    pub(super) conflict: i64,
    pub(super) failed: i64,
    pub(super) skipped: i64,
    pub(super) provider_calls: i64,
    pub(super) eta_s: Option<i64>,
    pub(super) base_synced_at: Option<OffsetDateTime>,
    pub(super) problem: Option<Json<SyncProblem>>,
    pub(super) created_by: String,
    pub(super) applied_by: Option<String>,
    pub(super) created_at: OffsetDateTime,
    pub(super) planned_at: Option<OffsetDateTime>,
    pub(super) expires_at: Option<OffsetDateTime>,
    pub(super) started_at: Option<OffsetDateTime>,
    pub(super) ended_at: Option<OffsetDateTime>,
}

impl StoredReconciliation {
    pub(super) fn read(self) -> Result<Reconciliation, StoreError> {
        Ok(Reconciliation {
            id: self.id,
            integrated_account_id: self.account_id,
            job_id: self.job_id,
            status: parse_name("reconciliations", "status", &self.status)?,
            options: self.options.0,
            rule_set_id: self.rule_set_id,
            inverse_of: self.inverse_of,
            desired_users: count(self.desired_users),
            row_errors: self.row_errors.0,
            hash: self.hash,
            summary: self.summary.0,
            counts: StepCounts {
                pending: count(self.pending),
                applied: count(self.applied),
                unchanged: count(self.unchanged),
                conflict: count(self.conflict),
                failed: count(self.failed),
                skipped: count(self.skipped),
            },
            removals: self.removals.map(|removals| removals.0),
            provider_calls: count(self.provider_calls),
            eta_s: self.eta_s.map(count),
            base_synced_at: self.base_synced_at,
            problem: self.problem.map(|problem| problem.0),
            created_by: self.created_by,
            applied_by: self.applied_by,
            created_at: self.created_at,
            planned_at: self.planned_at,
            expires_at: self.expires_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
        })
    }
}

/// Returns a stored number, which is never negative.
fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
