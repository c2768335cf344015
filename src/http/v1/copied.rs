//! Lists and resources of the synced copy, and their history.

use axum::Json;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse as _, Response};
use time::OffsetDateTime;

use super::response::{ItemResponse, ListResponse};
use crate::domain::account::IntegratedAccount;
use crate::domain::page::Page;
use crate::domain::sync::CopyKind;
use crate::http::cursor::Cursors;
use crate::http::extract::{
    Access, Account, ListQuery, PageOnlyQuery, Read, ResourceQuery, Source, TakeFilter,
    contradicting_parameters,
};
use crate::http::problem::{Problem, ProblemKind};
use crate::http::state::Services;
use crate::sync::{
    CopiedResource, CopyError, CopyFilter, CopyPageRequest, HistoryEntry, SyncedCopy,
};
use crate::unified::{RenderOptions, ResponseFormat};

/// Returns a list from the copy, if the request asks for it; `None` for the provider.
pub(super) async fn list<T: TakeFilter>(
    services: &Services,
    account: &Account<Read>,
    query: &ListQuery<T>,
) -> Result<Option<Response>, Problem> {
    let Some(resource) = resource::<T>() else { return Ok(None) };
    let copy = account.copy(services);
    if !is_wanted(&copy, resource, query.source).await? {
        return Ok(None);
    }
    let request = &query.request;
    let page = CopyPageRequest { limit: request.limit, cursor: request.cursor.as_deref() };
    let text = serde_json::to_string(&request.filter).unwrap_or_default();
    let filter = (&request.filter, &*text);
    let page = copy.list(resource, page, filter, &query.options, &query.shape).await;
    let page = page.map_err(|error| shaped_problem(error, query.source, &query.shape))?;
    let list = ListResponse {
        total_count: page.total,
        synced_at: Some(page.synced_at),
        warnings: page.warnings,
        ..ListResponse::of(Page { items: page.items, next: page.next }, request.limit)
    };
    Ok(Some(with_age(list.into_json_response(), page.synced_at, copy.now)))
}

/// Returns one resource from the copy, if the request asks for it; `None` for the provider.
pub(super) async fn get<T: TakeFilter>(
    services: &Services,
    account: &Account<Read>,
    id: &str,
    query: &ResourceQuery,
) -> Result<Option<Response>, Problem> {
    let Some(resource) = resource::<T>() else { return Ok(None) };
    let copy = account.copy(services);
    if !is_wanted(&copy, resource, query.source).await? {
        return Ok(None);
    }
    let found = copy.get(resource, id, query.as_of, &query.shape).await;
    let (result, synced_at, warnings) =
        found.map_err(|error| shaped_problem(error, query.source, &query.shape))?;
    let item = ItemResponse { result, synced_at: Some(synced_at), warnings };
    Ok(Some(with_age(Json(item).into_response(), synced_at, copy.now)))
}

/// Handles the history of a resource.
pub(super) async fn history<T: TakeFilter>(
    services: &Services,
    account: &Account<Read>,
    id: &str,
    PageOnlyQuery(page): PageOnlyQuery,
) -> Result<Json<ListResponse<HistoryEntry>>, Problem> {
    let resource = resource::<T>().ok_or_else(Problem::internal)?;
    let entries = account.copy(services).history(resource, id).await;
    let entries = entries.map_err(|error| problem(error, Source::Synced))?;
    let list = (account.id(), resource.name, id);
    let cursors = Cursors::of(&services.cursors, account.caller(), "history", &list);
    let skip = page.next_cursor.map_or(Ok(0), |cursor| cursors.open::<usize>(&cursor))?;
    let end = skip.saturating_add(page.limit.into());
    let next = (entries.len() > end).then(|| cursors.seal(&end));
    let items = entries.into_iter().skip(skip).take(page.limit.into()).collect();
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Whether a request reads the copy.
async fn is_wanted(
    copy: &SyncedCopy<'_>,
    resource: CopiedResource,
    source: Source,
) -> Result<bool, Problem> {
    Ok(match source {
        Source::Live => false,
        Source::Synced => true,
        Source::MaxAge(seconds) => {
            let freshness = copy.freshness(resource.kind).await?;
            let oldest = copy.now - time::Duration::seconds(seconds.into());
            freshness.is_some_and(|freshness| freshness.synced_at >= oldest)
        }
    })
}

fn resource<T: TakeFilter>() -> Option<CopiedResource> {
    let kind = <T::Filter as CopyFilter>::KIND?;
    Some(CopiedResource { kind, name: T::NAME, singular: T::SINGULAR })
}

/// Adds the header `Age` (RFC 9111), in seconds.
pub(super) fn with_age(
    mut response: Response,
    synced_at: OffsetDateTime,
    now: OffsetDateTime,
) -> Response {
    let seconds = (now - synced_at).whole_seconds().max(0);
    response.headers_mut().insert(header::AGE, HeaderValue::from(seconds));
    response
}

/// Fails unless the account has a complete copy of its users, and the state at `as_of`.
pub(super) async fn check_copy<P>(
    services: &Services,
    access: &Access<P>,
    account: &IntegratedAccount,
    as_of: Option<OffsetDateTime>,
) -> Result<(), Problem> {
    let copy = SyncedCopy {
        db: &access.db,
        account,
        signer: &services.cursors,
        mappings: &[],
        expressions: &services.expressions,
        now: services.clock.now(),
    };
    let users = CopiedResource { kind: CopyKind::User, name: "users", singular: "user" };
    let checked = copy.check_time(users, as_of).await;
    checked.map(|_| ()).map_err(|error| problem(error, Source::Synced))
}

/// Describes why the copy was not read.
pub(super) fn problem(error: CopyError, source: Source) -> Problem {
    shaped_problem(error, source, &RenderOptions::default())
}

/// Describes why the copy was not read for a request with this format.
fn shaped_problem(error: CopyError, source: Source, shape: &RenderOptions) -> Problem {
    match error {
        CopyError::NotSynced(resource) => Problem::new(
            ProblemKind::NotSynced,
            format!("The account has no complete synced copy of {resource} yet."),
        ),
        CopyError::OutOfRange { from, to } => {
            let time = |at: OffsetDateTime| {
                at.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
            };
            let message = format!("must be between {} and {}", time(from), time(to));
            Problem::new(ProblemKind::AsOfOutOfRange, "The copy has no state of that time.")
                .with_error("as_of", message)
        }
        CopyError::InvalidCursor => Problem::new(
            ProblemKind::InvalidCursor,
            "The cursor was not issued for this list and filter.",
        )
        .with_error("next_cursor", "was not issued for this list and filter"),
        CopyError::NoRemoteData => {
            let source = if source == Source::Synced { "source" } else { "max_age_s" };
            let is_raw = shape.format == ResponseFormat::Raw;
            let format = if is_raw { "response_format" } else { "include_remote_data" };
            contradicting_parameters(
                [source, format],
                "the synced copy does not have the provider's own objects",
            )
        }
        CopyError::NotFound(resource) => crate::unified::UnifiedError::NotFound { resource }.into(),
        CopyError::Store(error) => error.into(),
    }
}
