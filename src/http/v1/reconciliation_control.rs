//! Requests to apply a plan, to pause, resume and cancel a reconciliation, and to plan its inverse.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::reconciliation_view::ReconciliationView;
use super::reconciliations::{ReconciliationResponse, find};
use super::response::ItemResponse;
use crate::domain::ids::{JobId, ReconciliationId};
use crate::domain::reconciliation::{Reconciliation, ReconciliationOptions, ReconciliationStatus};
use crate::http::extract::{Access, JsonBody, NoQuery, Write};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::{ApplyRefused, ApplyRequest, NewReconciliation};

/// Request body for applying a plan.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({"hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ApplyPlanRequest {
    /// Hash of the plan that was reviewed.
    hash: String,
    /// Exact number of removals, for a plan that removes more than its guards allow; absent for any other plan.
    #[serde(default)]
    override_removals: Option<u64>,
}

/// Apply a plan
///
/// Queues the steps. Each step looks at the person first: one that is done already is `unchanged`, one whose person
/// changed after the plan was made is a `conflict` and not carried out. A failed step does not stop the others. One plan
/// of an account is applied at a time.
#[utoipa::path(post, path = "/reconciliations/{id}/apply", tag = "Reconciliations", request_body = ApplyPlanRequest,
    params(("id" = ReconciliationId, Path, description = "The reconciliation's id")),
    responses((status = 202, description = "The reconciliation, which is applied", body = ReconciliationResponse), Problems))]
pub(in crate::http) async fn apply_reconciliation(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
    JsonBody(body): JsonBody<ApplyPlanRequest>,
) -> Result<(StatusCode, Json<ItemResponse<ReconciliationView>>), Problem> {
    let found = find(&access, &state, &id).await?;
    let request = ApplyRequest {
        id: found.id,
        hash: &body.hash,
        override_removals: body.override_removals,
        job_id: JobId::generate(&*state.clock, &*state.entropy),
        applied_by: &access.caller.key_id,
    };
    let subject = match body.override_removals {
        Some(count) => format!("{} override_removals={count}", found.id),
        None => found.id.text(),
    };
    let about = (Some(found.integrated_account_id), Some(subject.as_str()));
    let entry = access.audit_entry(&state, "reconciliation.applied", about);
    let requested = access.db.request_apply(&request, state.clock.now(), &entry).await?;
    requested.map_err(refused)?;
    let view = ReconciliationView::of(find(&access, &state, &id).await?, state.clock.now());
    Ok((StatusCode::ACCEPTED, Json(ItemResponse::of(view))))
}

/// Pause the application of a plan
///
/// The steps that are being carried out end; the others wait until it is resumed.
#[utoipa::path(post, path = "/reconciliations/{id}/pause", tag = "Reconciliations",
    params(("id" = ReconciliationId, Path, description = "The reconciliation's id")),
    responses((status = 200, description = "The reconciliation; `applying` until the current steps end", body = ReconciliationResponse), Problems))]
pub(in crate::http) async fn pause_reconciliation(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<ReconciliationView>>, Problem> {
    let found = find(&access, &state, &id).await?;
    let subject = found.id.text();
    let about = (Some(found.integrated_account_id), Some(subject.as_str()));
    let entry = access.audit_entry(&state, "reconciliation.paused", about);
    let is_done = access.db.pause_reconciliation(found.id, &entry).await?;
    after_control(&access, &state, &id, is_done, "applying").await
}

/// Resume the application of a plan
///
/// Continues a paused reconciliation as a new job.
#[utoipa::path(post, path = "/reconciliations/{id}/resume", tag = "Reconciliations",
    params(("id" = ReconciliationId, Path, description = "The reconciliation's id")),
    responses((status = 200, description = "The reconciliation, which is applied again", body = ReconciliationResponse), Problems))]
pub(in crate::http) async fn resume_reconciliation(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<ReconciliationView>>, Problem> {
    let found = find(&access, &state, &id).await?;
    let subject = found.id.text();
    let about = (Some(found.integrated_account_id), Some(subject.as_str()));
    let entry = access.audit_entry(&state, "reconciliation.resumed", about);
    let job_id = JobId::generate(&*state.clock, &*state.entropy);
    let now = state.clock.now();
    let is_done = access.db.resume_reconciliation(found.id, job_id, now, &entry).await?;
    after_control(&access, &state, &id, is_done, "paused").await
}

/// Cancel a reconciliation
///
/// A plan that is not applied yet is cancelled immediately; one that is being applied, after its current steps. What was
/// carried out stays as it is: `POST /reconciliations/{id}/inverse` makes the plan that undoes it.
#[utoipa::path(post, path = "/reconciliations/{id}/cancel", tag = "Reconciliations",
    params(("id" = ReconciliationId, Path, description = "The reconciliation's id")),
    responses((status = 200, description = "The reconciliation; `applying` until the current steps end", body = ReconciliationResponse), Problems))]
pub(in crate::http) async fn cancel_reconciliation(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<ReconciliationView>>, Problem> {
    let found = find(&access, &state, &id).await?;
    let subject = found.id.text();
    let about = (Some(found.integrated_account_id), Some(subject.as_str()));
    let entry = access.audit_entry(&state, "reconciliation.cancelled", about);
    let now = state.clock.now();
    let is_done = access.db.cancel_reconciliation(found.id, now, &entry).await?;
    after_control(&access, &state, &id, is_done, "planning, planned, applying or paused").await
}

/// Plan the inverse of a reconciliation
///
/// Makes the plan that undoes the applied steps, from the values before them. A person who changed since is skipped.
#[utoipa::path(post, path = "/reconciliations/{id}/inverse", tag = "Reconciliations",
    params(("id" = ReconciliationId, Path, description = "The reconciliation's id")),
    responses((status = 202, description = "The new reconciliation, whose plan is being made", body = ReconciliationResponse), Problems))]
pub(in crate::http) async fn invert_reconciliation(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<(StatusCode, Json<ItemResponse<ReconciliationView>>), Problem> {
    let found = find(&access, &state, &id).await?;
    if found.counts.applied == 0 || found.status == ReconciliationStatus::Applying {
        return Err(wrong_status(&found, "ended or paused, with applied steps"));
    }
    // It is reviewed and applied as any other plan, whatever the undone one was approved for.
    let options = ReconciliationOptions {
        approve: None,
        only_users: None,
        prune: false,
        ..found.options.clone()
    };
    let new = NewReconciliation {
        id: ReconciliationId::generate(&*state.clock, &*state.entropy),
        job_id: JobId::generate(&*state.clock, &*state.entropy),
        account_id: found.integrated_account_id,
        options: &options,
        rule_set_id: None,
        inverse_of: Some(found.id),
        new_workspaces: &[],
        desired_users: 0,
        row_errors: &[],
        created_by: &access.caller.key_id,
    };
    let subject = new.id.text();
    let about = (Some(found.integrated_account_id), Some(subject.as_str()));
    let entry = access.audit_entry(&state, "reconciliation.requested", about);
    access.db.insert_reconciliation(&new, state.clock.now(), Some(&entry)).await?;
    let view = ReconciliationView::of(find(&access, &state, &subject).await?, state.clock.now());
    Ok((StatusCode::ACCEPTED, Json(ItemResponse::of(view))))
}

/// Returns the reconciliation after a request to the job; fails if its status was another one.
async fn after_control(
    access: &Access<Write>,
    state: &AppState,
    id: &str,
    is_done: bool,
    valid: &str,
) -> Result<Json<ItemResponse<ReconciliationView>>, Problem> {
    let found = find(access, state, id).await?;
    if !is_done {
        return Err(wrong_status(&found, valid));
    }
    Ok(Json(ItemResponse::of(ReconciliationView::of(found, state.clock.now()))))
}

fn wrong_status(found: &Reconciliation, valid: &str) -> Problem {
    let detail =
        format!("The reconciliation is `{}`. Valid for this request: {valid}.", found.status);
    Problem::new(ProblemKind::ReconciliationWrongStatus, detail)
}

fn refused(why: ApplyRefused) -> Problem {
    match why {
        ApplyRefused::NotFound => Problem::new(
            ProblemKind::NotFound,
            "No such reconciliation exists in this environment.",
        ),
        ApplyRefused::NotPlanned(status) => {
            let detail = format!(
                "The reconciliation is `{status}`. Only a `planned` one can be applied: request another one with \
                 POST /reconciliations."
            );
            Problem::new(ProblemKind::ReconciliationWrongStatus, detail)
        }
        ApplyRefused::OtherHash => {
            let detail =
                "`hash` is not that of this plan. Read the plan again, and send its `hash`.";
            Problem::new(ProblemKind::PlanHashMismatch, detail)
                .with_error("/hash", "is not that of this plan")
        }
        ApplyRefused::UnderWay => {
            let detail = "Another reconciliation of this account is `applying` or `paused`. Wait until it ends, or \
                          cancel it.";
            Problem::new(ProblemKind::ReconciliationInProgress, detail)
        }
        ApplyRefused::TooManyRemovals(limit) => {
            let (detail, message) = match limit.override_removals {
                Some(count) => (
                    format!(
                        "The plan has {} removals, and {} are allowed. Nothing was applied. Review the steps with \
                         `is_removal`; to apply the plan, send `override_removals` with exactly {count}.",
                        limit.removals, limit.allowed
                    ),
                    format!("must be {count}"),
                ),
                None => (
                    format!(
                        "The plan has {} removals, which is within the limit of {}. Leave `override_removals` out.",
                        limit.removals, limit.allowed
                    ),
                    "must be absent".to_owned(),
                ),
            };
            Problem::new(ProblemKind::TooManyRemovals, detail)
                .with_error("/override_removals", message)
        }
    }
}
