//! `/events`: changes of the environment's accounts and in their directories, in one feed for polling.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, Uri};
use utoipa::IntoParams;

use super::integrated_accounts::visible_account;
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

/// List events
///
/// Returns events of the last 30 days, oldest first: changes of accounts, runs of the directory sync, and every change
/// in a synced directory. A page with events always has a `next_cursor`: store it and request newer events with it
/// later. An empty page has none, and the cursor of the request stays valid; only if no event has matched the filter
/// for a day, it has one that replaces it. A cursor expires (410) when events after it are older than 30 days: start
/// again without it.
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
    filter.account_id = visible_account(&access, filter.account_id, "events")?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "events", &filter);
    let after = page.next_cursor.map(|cursor| cursors.open::<i64>(&cursor)).transpose()?;
    let now = state.clock.now();
    if let Some(after) = after
        && access.db.has_purged_events(after, now).await?
    {
        return Err(cursor_expired());
    }
    // Read before the events: those that are appended meanwhile come after it.
    let end = match after {
        Some(after) if filter != EventFilter::default() => {
            access.db.end_after_old_events(after, now).await?
        }
        Some(_) | None => None,
    };
    let limit = i64::from(page.limit);
    let events = access.db.events(&filter, after.unwrap_or(0), limit, now).await?;
    let last = events.last().map(|(position, _)| *position);
    let next = last.or(end).map(|position| cursors.seal(&position));
    let items = events.into_iter().map(|(_, event)| event).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Returns the problem of a cursor after which events are missing.
fn cursor_expired() -> Problem {
    Problem::new(
        ProblemKind::CursorExpired,
        "Events after this cursor were deleted after 30 days. Start again without `next_cursor`, at the oldest \
         stored event, and read the current state of the directories.",
    )
    .with_error("next_cursor", "precedes the oldest stored event")
}
