//! `/syncs`: runs of the directory sync. These routes queue, continue and end runs; a background job reads the
//! directory.

use std::collections::BTreeSet;
use std::fmt::Display;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

use super::integrated_accounts::{find as find_account, sync_settings, visible_account};
use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::domain::account::AccountStatus;
use crate::domain::ids::{IntegratedAccountId, JobId, SyncRunId};
use crate::domain::page::Page;
use crate::domain::patch::ValidationError;
use crate::domain::sync::{SyncResource, SyncSettings, SyncStatus};
use crate::domain::sync_run::SyncRun;
use crate::http::cursor::Cursors;
use crate::http::extract::{
    Access, NoQuery, OptionalJsonBody, PageQuery, Params, Read, Write, account_filter,
    differing_parameters,
};
use crate::http::problem::{Problem, ProblemKind, Problems, account_disconnected, needs_reauth};
use crate::http::state::AppState;
use crate::store::{NewSyncRun, ONE_RUN_CONSTRAINT, StoreError};

type SyncRunList = EnvelopeSchema<ListResponse<SyncRun>>;
type SyncRunResponse = EnvelopeSchema<ItemResponse<SyncRun>>;

/// The statuses of runs that can be resumed.
const RESUMABLE: [SyncStatus; 2] = [SyncStatus::Failed, SyncStatus::Cancelled];

/// Filter of the runs.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Integrated account. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// Status.
    status: Option<SyncStatus>,
}

impl FilterQuery {
    fn take(params: &mut Params, headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            integrated_account_id: account_filter(params, headers)?,
            status: params.parse("status")?,
        })
    }
}

/// List sync runs
///
/// Returns runs of the directory sync, newest first. An account token sees those of its own account.
#[utoipa::path(get, path = "/syncs", tag = "Syncs", params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page of runs", body = SyncRunList), Problems))]
pub(in crate::http) async fn list_syncs(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ListResponse<SyncRun>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let FilterQuery { integrated_account_id, status } = FilterQuery::take(&mut params, &headers)?;
    params.finish()?;
    let account_id = visible_account(&access, integrated_account_id, "sync runs")?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "syncs", &(account_id, status));
    let before = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let most = i64::from(page.limit) + 1;
    let mut items = access.db.sync_runs(account_id, status, before, most).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    let now = state.clock.now();
    let items = items.into_iter().map(|run| with_estimate(run, now)).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Get a sync run
///
/// Returns its status, its progress and the numbers of changes so far.
#[utoipa::path(get, path = "/syncs/{id}", tag = "Syncs",
    params(("id" = SyncRunId, Path, description = "The run's id")),
    responses((status = 200, description = "The run", body = SyncRunResponse), Problems))]
pub(in crate::http) async fn get_sync(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<SyncRun>>, Problem> {
    Ok(Json(ItemResponse::of(find(&access, &state, &id).await?)))
}

/// Request body for starting a run.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[schema(example = json!({"integrated_account_id": "acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T", "resources": ["workspaces", "users"]}))]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct StartSyncRequest {
    /// Account id; required unless the header `X-Integrated-Account-Id` or an account token names the account.
    integrated_account_id: Option<IntegratedAccountId>,
    /// Resources to read, at least one; by default all those of the account's settings.
    resources: Option<Vec<SyncResource>>,
}

/// Run a directory sync
///
/// Queues a run that reads the directory in full. The sync must be enabled in the account's settings, and no other run
/// of the account may be queued or running.
#[utoipa::path(post, path = "/syncs", tag = "Syncs", request_body = Option<StartSyncRequest>,
    responses((status = 202, description = "The queued run", body = SyncRunResponse), Problems))]
pub(in crate::http) async fn start_sync(
    State(state): State<AppState>,
    access: Access<Write>,
    headers: HeaderMap,
    _: NoQuery,
    OptionalJsonBody(StartSyncRequest { integrated_account_id, resources }): OptionalJsonBody<
        StartSyncRequest,
    >,
) -> Result<(StatusCode, Json<ItemResponse<SyncRun>>), Problem> {
    let account_id = requested_account(&access, &headers, integrated_account_id)?;
    let settings = enabled_settings(&access, account_id).await?;
    let resources = requested_resources(resources, &settings)?;
    let run = NewSyncRun {
        id: SyncRunId::generate(&*state.clock, &*state.entropy),
        job_id: JobId::generate(&*state.clock, &*state.entropy),
        account_id,
        resources: &resources,
        started_by: &access.caller.key_id,
    };
    let subject = run.id.text();
    let entry = access.audit_entry(&state, "sync.requested", (Some(account_id), Some(&subject)));
    let requested = access.db.request_sync(&run, state.clock.now(), Some(&entry)).await;
    if let Err(running) = requested.map_err(run_problem)? {
        return Err(in_progress(&format!("The run {running} of this account is in progress.")));
    }
    let run = find(&access, &state, &subject).await?;
    Ok((StatusCode::ACCEPTED, Json(ItemResponse::of(run))))
}

/// Cancel a sync run
///
/// A queued run is cancelled immediately, a running one after its current page. The changes that it has read so far
/// stay in the copy; nothing is removed from it.
#[utoipa::path(post, path = "/syncs/{id}/cancel", tag = "Syncs",
    params(("id" = SyncRunId, Path, description = "The run's id")),
    responses((status = 200, description = "The run; `running` until its current page ends", body = SyncRunResponse),
        Problems))]
pub(in crate::http) async fn cancel_sync(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<SyncRun>>, Problem> {
    let run = find_managed(&access, &state, &id).await?;
    let (account_id, subject) = (run.integrated_account_id, run.id.text());
    let entry = access.audit_entry(&state, "sync.cancelled", (Some(account_id), Some(&subject)));
    let is_cancelled = access.db.cancel_sync(run.id, state.clock.now(), &entry).await?;
    let run = find(&access, &state, &id).await?;
    if is_cancelled {
        return Ok(Json(ItemResponse::of(run)));
    }
    let detail =
        format!("The run is `{}`; only a queued or running one can be cancelled.", run.status);
    Err(Problem::new(ProblemKind::SyncNotActive, detail))
}

/// Resume a sync run
///
/// Continues a failed or cancelled run where it ended, as a new job.
#[utoipa::path(post, path = "/syncs/{id}/resume", tag = "Syncs",
    params(("id" = SyncRunId, Path, description = "The run's id")),
    responses((status = 200, description = "The run, queued again", body = SyncRunResponse), Problems))]
pub(in crate::http) async fn resume_sync(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<SyncRun>>, Problem> {
    continue_run(&access, &state, &id, "sync.resumed", &RESUMABLE).await
}

/// Accept the removals of a run
///
/// Continues a held run: the objects that it did not find are removed from the copy, although they are more than
/// `max_removed` allows.
#[utoipa::path(post, path = "/syncs/{id}/accept", tag = "Syncs",
    params(("id" = SyncRunId, Path, description = "The run's id")),
    responses((status = 200, description = "The run, queued again", body = SyncRunResponse), Problems))]
pub(in crate::http) async fn accept_sync(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<SyncRun>>, Problem> {
    continue_run(&access, &state, &id, "sync.accepted", &[SyncStatus::Held]).await
}

/// Reject the removals of a run
///
/// Ends a held run: nothing is removed from the copy.
#[utoipa::path(post, path = "/syncs/{id}/reject", tag = "Syncs",
    params(("id" = SyncRunId, Path, description = "The run's id")),
    responses((status = 200, description = "The cancelled run", body = SyncRunResponse), Problems))]
pub(in crate::http) async fn reject_sync(
    State(state): State<AppState>,
    access: Access<Write>,
    Path(id): Path<String>,
    _: NoQuery,
) -> Result<Json<ItemResponse<SyncRun>>, Problem> {
    let run = find_managed(&access, &state, &id).await?;
    let (account_id, subject) = (run.integrated_account_id, run.id.text());
    let entry = access.audit_entry(&state, "sync.rejected", (Some(account_id), Some(&subject)));
    let is_rejected = access.db.reject_sync(run.id, state.clock.now(), &entry).await?;
    let run = find(&access, &state, &id).await?;
    if is_rejected {
        return Ok(Json(ItemResponse::of(run)));
    }
    Err(wrong_status(&run, &[SyncStatus::Held]))
}

/// Continues a run that has one of the statuses `from`, as a new job.
async fn continue_run(
    access: &Access<Write>,
    state: &AppState,
    id: &str,
    action: &str,
    from: &[SyncStatus],
) -> Result<Json<ItemResponse<SyncRun>>, Problem> {
    let run = find_managed(access, state, id).await?;
    if !from.contains(&run.status) {
        return Err(wrong_status(&run, from));
    }
    let (account_id, subject) = (run.integrated_account_id, run.id.text());
    enabled_settings(access, account_id).await?;
    let job_id = JobId::generate(&*state.clock, &*state.entropy);
    let entry = access.audit_entry(state, action, (Some(account_id), Some(&subject)));
    let continued = access.db.continue_sync(run.id, from, job_id, state.clock.now(), &entry).await;
    let is_continued = continued.map_err(run_problem)?;
    let run = find(access, state, id).await?;
    if is_continued { Ok(Json(ItemResponse::of(run))) } else { Err(wrong_status(&run, from)) }
}

/// Returns the account of a new run: that of the body, of the header, or of the account token.
pub(super) fn requested_account<P>(
    access: &Access<P>,
    headers: &HeaderMap,
    in_body: Option<IntegratedAccountId>,
) -> Result<IntegratedAccountId, Problem> {
    let in_header = account_filter(&mut Params::read(None), headers)?;
    if in_body.zip(in_header).is_some_and(|(one, other)| one != other) {
        let names = ["integrated_account_id", "X-Integrated-Account-Id"];
        return Err(differing_parameters(names, "names another account"));
    }
    in_body.or(in_header).or(access.caller.account_id).ok_or_else(|| {
        Problem::new(
            ProblemKind::AccountRequired,
            "Send the account id: `integrated_account_id` in the body, or the header `X-Integrated-Account-Id`.",
        )
    })
}

/// Returns the settings of an account that can be synced; fails if it is not active or its sync is not enabled.
pub(super) async fn enabled_settings(
    access: &Access<Write>,
    account_id: IntegratedAccountId,
) -> Result<SyncSettings, Problem> {
    let account = find_account(access, &account_id.text()).await?;
    match account.status {
        AccountStatus::Active => {}
        AccountStatus::NeedsReauth => return Err(needs_reauth(account.status_reason.as_deref())),
        AccountStatus::Disconnected => return Err(account_disconnected()),
    }
    let settings = sync_settings(access, account_id).await?;
    if settings.enabled {
        return Ok(settings);
    }
    let detail = format!(
        "The directory sync of this account is not enabled. Enable it with PATCH \
         /integrated-accounts/{account_id} {{\"sync\": {{\"enabled\": true}}}}."
    );
    Err(Problem::new(ProblemKind::SyncDisabled, detail))
}

/// Returns the resources of a new run: each must be among those of the settings.
fn requested_resources(
    requested: Option<Vec<SyncResource>>,
    settings: &SyncSettings,
) -> Result<Vec<SyncResource>, Problem> {
    let Some(requested) = requested else {
        return Ok(settings.resources.iter().copied().collect());
    };
    if requested.is_empty() {
        let message = "must name a resource; omit it for all";
        return Err(Problem::invalid(vec![ValidationError::at("/resources", message)]));
    }
    let enabled = listed(&settings.resources);
    let others = requested.iter().enumerate();
    let others = others.filter(|(_, resource)| !settings.resources.contains(*resource));
    let errors: Vec<ValidationError> = others
        .map(|(index, _)| {
            let message = format!("must be one of the account's synced resources: {enabled}");
            ValidationError::at(format!("/resources/{index}"), message)
        })
        .collect();
    if !errors.is_empty() {
        return Err(Problem::invalid(errors));
    }
    let unique: BTreeSet<SyncResource> = requested.into_iter().collect();
    Ok(unique.into_iter().collect())
}

/// Returns the run; fails if it does not exist or the caller has no access to it.
async fn find<P>(access: &Access<P>, state: &AppState, id: &str) -> Result<SyncRun, Problem> {
    let not_found =
        || Problem::new(ProblemKind::NotFound, "No such sync run exists in this environment.");
    let id: SyncRunId = id.parse().map_err(|_| not_found())?;
    let run = access.db.sync_run(id).await?.ok_or_else(not_found)?;
    if access.caller.account_id.is_some_and(|own| own != run.integrated_account_id) {
        return Err(not_found());
    }
    Ok(with_estimate(run, state.clock.now()))
}

/// Returns the run, for callers that manage it; fails for account tokens.
async fn find_managed(
    access: &Access<Write>,
    state: &AppState,
    id: &str,
) -> Result<SyncRun, Problem> {
    let run = find(access, state, id).await?;
    if access.caller.account_id.is_some() {
        return Err(Problem::new(
            ProblemKind::InsufficientScope,
            "An account token can't change runs of its account; use an API key.",
        ));
    }
    Ok(run)
}

fn with_estimate(run: SyncRun, now: OffsetDateTime) -> SyncRun {
    SyncRun { eta_s: run.estimate(now), ..run }
}

/// Returns `sync_in_progress` where two runs of an account would be under way.
fn run_problem(error: StoreError) -> Problem {
    if matches!(&error, StoreError::Conflict(constraint) if constraint == ONE_RUN_CONSTRAINT) {
        return in_progress("Another run of this account is in progress.");
    }
    error.into()
}

fn in_progress(which: &str) -> Problem {
    let detail =
        format!("{which} Wait until it ends, or cancel it with POST /syncs/{{id}}/cancel.");
    Problem::new(ProblemKind::SyncInProgress, detail)
}

/// Returns the problem of a run that has none of the valid statuses.
fn wrong_status(run: &SyncRun, valid: &[SyncStatus]) -> Problem {
    let detail =
        format!("The run is `{}`. Valid statuses for this request: {}.", run.status, listed(valid));
    Problem::new(ProblemKind::SyncWrongStatus, detail)
}

/// Returns the names as a list for a text.
fn listed<T: Display>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}
