//! A reconciliation as the API returns it.

use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::domain::ids::{IntegratedAccountId, JobId, ReconciliationId, RuleSetId};
use crate::domain::reconciliation::{
    MatchBy, OwnershipMode, PlanStep, PlanSummary, Reconciliation, ReconciliationGuards,
    ReconciliationStatus, RemovalLimit, RowError, Scope, StepCounts,
};
use crate::domain::sync_run::SyncProblem;

/// A reconciliation of a directory with a desired state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Reconciliation)]
pub(in crate::http) struct ReconciliationView {
    /// Id.
    id: ReconciliationId,
    /// Account.
    integrated_account_id: IntegratedAccountId,
    /// What the desired state is called: the name of its file.
    #[schema(required = true, example = "hr-export.csv")]
    name: Option<String>,
    /// Status.
    status: ReconciliationStatus,
    /// Job that makes or applies the plan.
    job_id: JobId,
    /// Rule set that the desired state follows from.
    #[schema(required = true)]
    rule_set_id: Option<RuleSetId>,
    /// Reconciliation that this one undoes.
    #[schema(required = true)]
    inverse_of: Option<ReconciliationId>,
    /// Field by which people are matched.
    match_by: MatchBy,
    /// Mode of what the desired state names and `scope` does not.
    mode: OwnershipMode,
    /// Modes of single workspaces, roles and groups.
    scope: Scope,
    /// Whether people who are not in the desired state are deactivated.
    #[schema(example = false)]
    prune: bool,
    /// What the plan must not do.
    guards: ReconciliationGuards,
    /// After how many failed steps applying stops.
    #[schema(example = 10)]
    max_errors: u32,
    /// Number of people in the desired state.
    #[schema(example = 120)]
    desired_users: u64,
    /// Rows of the desired state that can't be used, the first 100.
    row_errors: Vec<RowError>,
    /// SHA-256 of the plan, to be sent when it is applied; `null` until it is made.
    #[schema(
        required = true,
        example = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    )]
    hash: Option<String>,
    /// What the plan changes.
    summary: PlanSummary,
    /// Limit of removals; `null` until the plan is made.
    #[schema(required = true)]
    removals: Option<RemovalLimit>,
    /// Steps that take access from people, the first 100.
    #[serde(skip_serializing_if = "Option::is_none")]
    removals_first: Option<Vec<PlanStep>>,
    /// Steps in their order, the first 100; `GET /reconciliations/{id}/steps` has all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<PlanStep>>,
    /// Numbers of steps by their outcome.
    counts: StepCounts,
    /// Estimated number of provider calls.
    #[schema(example = 40)]
    provider_calls: u64,
    /// Estimated seconds that the provider's rate limits require; while it is applied, those that are left.
    #[schema(required = true, example = 120)]
    eta_s: Option<u64>,
    /// Time of the copy that the plan is based on.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    base_synced_at: Option<OffsetDateTime>,
    /// Why the plan could not be made, or why applying stopped.
    #[schema(required = true)]
    problem: Option<SyncProblem>,
    /// Key that requested it.
    #[schema(example = "key_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")]
    created_by: String,
    /// Key that applied it.
    #[schema(required = true, example = "key_01J8ZQ5V9Y3M7T2K4N6P8R0S1T")]
    applied_by: Option<String>,
    /// Creation time.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Time at which the plan was made.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    planned_at: Option<OffsetDateTime>,
    /// Time after which the plan can't be applied.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    expires_at: Option<OffsetDateTime>,
    /// Time at which applying began.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    started_at: Option<OffsetDateTime>,
    /// Time at which it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    #[schema(required = true)]
    ended_at: Option<OffsetDateTime>,
}

impl ReconciliationView {
    /// Returns a reconciliation without its steps.
    pub(in crate::http) fn of(reconciliation: Reconciliation, now: OffsetDateTime) -> Self {
        let eta_s = eta(&reconciliation, now);
        let Reconciliation { options, .. } = reconciliation;
        Self {
            id: reconciliation.id,
            integrated_account_id: reconciliation.integrated_account_id,
            name: options.name,
            status: reconciliation.status,
            job_id: reconciliation.job_id,
            rule_set_id: reconciliation.rule_set_id,
            inverse_of: reconciliation.inverse_of,
            match_by: options.match_by,
            mode: options.mode,
            scope: options.scope,
            prune: options.prune,
            guards: options.guards,
            max_errors: options.max_errors,
            desired_users: reconciliation.desired_users,
            row_errors: reconciliation.row_errors,
            hash: reconciliation.hash,
            summary: reconciliation.summary,
            removals: reconciliation.removals,
            removals_first: None,
            steps: None,
            counts: reconciliation.counts,
            provider_calls: reconciliation.provider_calls,
            eta_s,
            base_synced_at: reconciliation.base_synced_at,
            problem: reconciliation.problem,
            created_by: reconciliation.created_by,
            applied_by: reconciliation.applied_by,
            created_at: reconciliation.created_at,
            planned_at: reconciliation.planned_at,
            expires_at: reconciliation.expires_at,
            started_at: reconciliation.started_at,
            ended_at: reconciliation.ended_at,
        }
    }

    /// Returns the reconciliation with its first steps.
    pub(in crate::http) fn with_steps(
        self,
        removals_first: Vec<PlanStep>,
        steps: Vec<PlanStep>,
    ) -> Self {
        Self { removals_first: Some(removals_first), steps: Some(steps), ..self }
    }
}

/// Returns the estimated seconds until the end: of the plan, or of the steps that are left.
fn eta(reconciliation: &Reconciliation, now: OffsetDateTime) -> Option<u64> {
    let (planned, counts) = (reconciliation.eta_s?, reconciliation.counts);
    match reconciliation.status {
        ReconciliationStatus::Applying | ReconciliationStatus::Paused => {}
        ReconciliationStatus::Planning
        | ReconciliationStatus::Planned
        | ReconciliationStatus::Applied
        | ReconciliationStatus::PartiallyApplied
        | ReconciliationStatus::Failed
        | ReconciliationStatus::Cancelled
        | ReconciliationStatus::Expired => return Some(planned),
    }
    let total = counts.total().max(1);
    let by_plan = planned.saturating_mul(counts.pending) / total;
    let elapsed = reconciliation.started_at.map(|started| (now - started).whole_seconds());
    let elapsed = elapsed.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or_default();
    let by_rate = elapsed.saturating_mul(counts.pending) / counts.ended().max(1);
    Some(if counts.ended() == 0 { by_plan } else { by_rate })
}
