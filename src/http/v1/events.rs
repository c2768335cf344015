//! `/events`: what happened to the environment's accounts, for whoever asks again and again.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use utoipa::IntoParams;

use super::answers::List;
use crate::domain::event::{Event, EventKind};
use crate::domain::ids::IntegratedAccountId;
use crate::domain::page::Page;
use crate::http::cursor::Cursors;
use crate::http::extract::{Access, PageQuery, Params, Read, account_filter};
use crate::http::openapi::Problems;
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::AppState;
use crate::store::EventFilter;

/// Which events.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// Those of this type.
    #[param(rename = "type")]
    kind: Option<EventKind>,
    /// Those of this account. The header `X-Integrated-Account-Id` does the same.
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

/// Lists what happened to the environment's accounts in the last 30 days, the oldest first. A page with events always has a `next_cursor`: keep it, and ask with it later for what is new. An empty page has none: the cursor you asked with stays good.
#[utoipa::path(get, path = "/events", tag = "Events", params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page", body = List<Event>), Problems))]
pub(in crate::http) async fn list_events(
    State(state): State<AppState>,
    access: Access<Read>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<List<Event>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let mut filter = FilterQuery::take(&mut params, &headers)?;
    params.finish()?;
    if let Some(own) = access.caller.account_id {
        if filter.account_id.is_some_and(|wanted| wanted != own) {
            return Err(Problem::new(
                ProblemKind::AccountNotFound,
                "An account token sees the events of its own account alone.",
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
    Ok(Json(List::of(Page { items, next }, page.limit)))
}
