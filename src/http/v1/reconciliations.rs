//! `/reconciliations`: plans that bring a directory to a desired state, read and applied.

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use utoipa::IntoParams;

use super::integrated_accounts::visible_account;
use super::reconciliation_view::ReconciliationView;
use super::response::{EnvelopeSchema, ItemResponse, ListResponse};
use crate::domain::ids::{IntegratedAccountId, ReconciliationId};
use crate::domain::page::Page;
use crate::domain::reconciliation::{
    PlanStep, Reconciliation, ReconciliationStatus, StepOutcome, step_text, summary_text,
};
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, NoQuery, PageQuery, Params, Read, account_filter};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::{ReconciliationFilter, StepFilter, TenantDb};

type ReconciliationList = EnvelopeSchema<ListResponse<ReconciliationView>>;
pub(super) type ReconciliationResponse = EnvelopeSchema<ItemResponse<ReconciliationView>>;
type PlanStepList = EnvelopeSchema<ListResponse<PlanStep>>;

/// Number of steps in a reconciliation, and in a part of its text.
const SHOWN_STEPS: i64 = 100;
/// Number of steps in a part of the text.
const TEXT_PAGE: i64 = 1_000;

/// Filter of reconciliations.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Integrated account. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// Status.
    status: Option<ReconciliationStatus>,
}

/// Filter of steps.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct StepQuery {
    /// What became of them.
    outcome: Option<StepOutcome>,
    /// Whether they take access from people.
    is_removal: Option<bool>,
}

/// List reconciliations
///
/// Returns reconciliations, newest first, without their steps. An account token sees those of its own account.
#[utoipa::path(get, path = "/reconciliations", tag = "Reconciliations", params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page of reconciliations", body = ReconciliationList), Problems))]
pub(in crate::http) async fn list_reconciliations(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ListResponse<ReconciliationView>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let query = FilterQuery {
        integrated_account_id: account_filter(&mut params, &headers)?,
        status: params.parse("status")?,
    };
    params.finish()?;
    let account_id = visible_account(&access, query.integrated_account_id, "reconciliations")?;
    let filter = ReconciliationFilter { account_id, status: query.status };
    let list = (account_id, query.status.map(ReconciliationStatus::name));
    let cursors = Cursors::of(&state.cursors, &access.caller, "reconciliations", &list);
    let before: Option<ReconciliationId> =
        page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let (now, most) = (state.clock.now(), i64::from(page.limit) + 1);
    let mut items = access.db.reconciliations(filter, before, most, now).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    let items = items.into_iter().map(|one| ReconciliationView::of(one, now)).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Get a reconciliation
///
/// Returns the plan with its first steps: those that take access from people, and all in their order. With
/// `Accept: text/plain` it returns the whole plan as text.
#[utoipa::path(get, path = "/reconciliations/{id}", tag = "Reconciliations",
    params(("id" = ReconciliationId, Path, description = "The reconciliation's id")),
    responses((status = 200, description = "The reconciliation", content(
        (ReconciliationResponse = "application/json"),
        (String = "text/plain", example = json!("  +    1  grace@example.com (Grace Hopper)  create the person\n\nPlan: 1 to create, 0 to update, 0 to deactivate, 0 to add, 0 to remove, 0 skipped.\n")))), Problems))]
pub(in crate::http) async fn get_reconciliation(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    headers: HeaderMap,
    _: NoQuery,
) -> Result<Response, Problem> {
    let found = find(&access, &state, &id).await?;
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let mut response = if accept.is_some_and(|accept| accept.trim_start().starts_with("text/plain"))
    {
        text_response(access.db, &found)
    } else {
        let view = with_first_steps(&access.db, found, &state).await?;
        Json(ItemResponse::of(view)).into_response()
    };
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    Ok(response)
}

/// List steps of a plan
///
/// Returns the steps in the order in which they are carried out: everything that gives access comes before everything
/// that takes it.
#[utoipa::path(get, path = "/reconciliations/{id}/steps", tag = "Reconciliations",
    params(("id" = ReconciliationId, Path, description = "The reconciliation's id"), PageQuery, StepQuery),
    responses((status = 200, description = "A page of steps", body = PlanStepList), Problems))]
pub(in crate::http) async fn list_reconciliation_steps(
    State(state): State<AppState>,
    access: Access<Read>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<ListResponse<PlanStep>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let StepQuery { outcome, is_removal } =
        StepQuery { outcome: params.parse("outcome")?, is_removal: params.parse("is_removal")? };
    params.finish()?;
    let filter = StepFilter { outcome, is_removal };
    let found = find(&access, &state, &id).await?;
    let list = (found.id, filter.outcome.map(StepOutcome::name), filter.is_removal);
    let cursors = Cursors::of(&state.cursors, &access.caller, "steps", &list);
    let after: Option<i64> = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let most = i64::from(page.limit) + 1;
    let mut steps = if found.hash.is_none() {
        // The plan is being made.
        Vec::new()
    } else {
        access.db.steps(found.id, filter, after.unwrap_or(-1), most).await?
    };
    let limit = usize::from(page.limit);
    let more = steps.len() > limit;
    steps.truncate(limit);
    let next = steps.last().filter(|_| more).map(|last| cursors.seal(&last.position));
    let items = steps.into_iter().map(|stored| stored.step).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Returns the reconciliation; fails if it does not exist or the caller has no access to it.
pub(super) async fn find<P>(
    access: &Access<P>,
    state: &AppState,
    id: &str,
) -> Result<Reconciliation, Problem> {
    let not_found = || {
        Problem::new(ProblemKind::NotFound, "No such reconciliation exists in this environment.")
    };
    let id: ReconciliationId = id.parse().map_err(|_| not_found())?;
    let found = access.db.reconciliation(id, state.clock.now()).await?.ok_or_else(not_found)?;
    let own = access.caller.account_id;
    let is_visible = own.is_none_or(|own| own == found.integrated_account_id);
    is_visible.then_some(found).ok_or_else(not_found)
}

async fn with_first_steps(
    db: &TenantDb,
    found: Reconciliation,
    state: &AppState,
) -> Result<ReconciliationView, Problem> {
    let (id, is_planned) = (found.id, found.hash.is_some());
    let view = ReconciliationView::of(found, state.clock.now());
    if !is_planned {
        return Ok(view.with_steps(Vec::new(), Vec::new()));
    }
    let removals = StepFilter { outcome: None, is_removal: Some(true) };
    let removals = db.steps(id, removals, -1, SHOWN_STEPS).await?;
    let steps = db.steps(id, StepFilter::default(), -1, SHOWN_STEPS).await?;
    let [removals, steps] =
        [removals, steps].map(|steps| steps.into_iter().map(|stored| stored.step).collect());
    Ok(view.with_steps(removals, steps))
}

/// Streams a plan as text: the removals, all steps, and the summary.
fn text_response(db: TenantDb, found: &Reconciliation) -> Response {
    let head = format!(
        "Reconciliation {} of {} is {}.\n\n",
        found.id, found.integrated_account_id, found.status
    );
    let tail = format!("\n{}", summary_text(found.summary, found.provider_calls, found.eta_s));
    let limit = found.removals.and_then(|limit| limit.override_removals.map(|_| limit));
    let tail = match limit {
        Some(limit) => format!(
            "{tail}It has {} removals, and {} are allowed: applying it needs `override_removals` {}.\n",
            limit.removals, limit.allowed, limit.removals
        ),
        None => tail,
    };
    let problem = found.problem.as_ref();
    let tail = problem
        .map_or(tail.clone(), |problem| format!("{tail}{}: {}\n", problem.code, problem.detail));
    let (id, is_planned) = (found.id, found.hash.is_some());
    let lists = if is_planned { vec![Some(true), None] } else { Vec::new() };
    let parts = stream::iter(lists).flat_map(move |is_removal| {
        let title = if is_removal.is_some() { "Who loses access:\n" } else { "\nAll steps:\n" };
        let filter = StepFilter { outcome: None, is_removal };
        let pages = stream::unfold((db.clone(), -1_i64), move |(db, after)| async move {
            match db.steps(id, filter, after, TEXT_PAGE).await {
                Ok(steps) => {
                    let last = steps.last()?.position;
                    let text: String = steps.iter().map(|stored| step_text(&stored.step)).collect();
                    Some((Ok(text), (db, last)))
                }
                // The end of the connection shows that the text is incomplete.
                Err(_) => Some((
                    Err(std::io::Error::other("the steps could not be read")),
                    (db, i64::MAX),
                )),
            }
        });
        stream::once(async move { Ok(title.to_owned()) }).chain(pages)
    });
    let whole = stream::once(async move { Ok(head) })
        .chain(parts)
        .chain(stream::once(async move { Ok::<_, std::io::Error>(tail) }));
    let mut response = Response::new(Body::from_stream(whole));
    let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}
