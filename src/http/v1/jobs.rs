//! `/jobs`: background jobs of the environment's accounts.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use utoipa::IntoParams;

use super::integrated_accounts::visible_account;
use super::response::{EnvelopeSchema, ListResponse};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::job::{Job, JobStatus};
use crate::domain::page::Page;
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, PageQuery, Params, Read, account_filter};
use crate::http::problem::{Problem, Problems};
use crate::http::state::AppState;

type JobList = EnvelopeSchema<ListResponse<Job>>;

/// Filter of the jobs.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Integrated account. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// Status.
    status: Option<JobStatus>,
}

impl FilterQuery {
    fn take(params: &mut Params, headers: &HeaderMap) -> Result<Self, Problem> {
        Ok(Self {
            integrated_account_id: account_filter(params, headers)?,
            status: params.parse("status")?,
        })
    }
}

/// List background jobs
///
/// Returns jobs that wait, run or have ended, newest first. An account token sees those of its own account.
#[utoipa::path(get, path = "/jobs", tag = "Jobs", params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page of jobs", body = JobList), Problems))]
pub(in crate::http) async fn list_jobs(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ListResponse<Job>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let FilterQuery { integrated_account_id, status } = FilterQuery::take(&mut params, &headers)?;
    params.finish()?;
    let account_id = visible_account(&access, integrated_account_id, "jobs")?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "jobs", &(account_id, status));
    let before = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let most = i64::from(page.limit) + 1;
    let mut items = access.db.jobs(account_id, status, before, most, state.clock.now()).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}
