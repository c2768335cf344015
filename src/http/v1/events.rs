//! `/events`: status changes of the environment's accounts, for polling.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use utoipa::IntoParams;

use super::response::{EnvelopeSchema, ListResponse};
use crate::domain::event::{Event, EventKind};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::page::Page;
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, PageQuery, Params, Read, account_filter};
use crate::http::problem::{Problem, ProblemKind, Problems};
use crate::http::state::AppState;
use crate::store::EventFilter;

type EventList = EnvelopeSchema<ListResponse<Event>>;

/// Filter of the events.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Type.
    #[param(rename = "type")]
    kind: Option<EventKind>,
    /// Integrated account. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
}

impl FilterQuery {
    fn take(params: &mut Params, headers: &HeaderMap) -> Result<EventFilter, Problem> {
        let Self { kind, integrated_account_id: account_id } = Self {
            kind: params.parse("type")?,
            integrated_account_id: account_filter(params, headers)?,
        };
        Ok(EventFilter { kind, account_id })
    }
}

/// List account events
///
/// Returns events of the last 30 days, oldest first. A page with events always has a `next_cursor`: store it and
/// request newer events with it later. An empty page has none; the cursor of the request stays valid.
#[utoipa::path(get, path = "/events", tag = "Events", params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page of events", body = EventList), Problems))]
pub(in crate::http) async fn list_events(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ListResponse<Event>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let mut filter = FilterQuery::take(&mut params, &headers)?;
    params.finish()?;
    if let Some(own) = access.caller.account_id {
        if filter.account_id.is_some_and(|requested| requested != own) {
            return Err(Problem::new(
                ProblemKind::AccountNotFound,
                "An account token can read the events of its own account only.",
            ));
        }
        filter.account_id = Some(own);
    }
    let cursors = Cursors::of(&state.cursors, &access.caller, "events", &filter);
    let behind = page.next_cursor.map_or(Ok(0), |cursor| cursors.open::<i64>(&cursor))?;
    let limit = i64::from(page.limit);
    let events = access.db.events(&filter, behind, limit, state.clock.now()).await?;
    let next = events.last().map(|(position, _)| cursors.seal(position));
    let items = events.into_iter().map(|(_, event)| event).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}
