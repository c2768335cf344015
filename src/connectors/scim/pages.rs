//! Pages of SCIM lists, and single resources: their rows, read one by one where one of them can't be.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ScimConnector;
use super::list::{ParsedListResponse, read_list};
use super::list_call::{ListCall, ListPageResponse};
use super::list_step::{ListStep, ListWindow, next_step};
use super::position::{Position, ReadMode, RowDigest, digest};
use super::wire::{Identified, ResourceId};
use crate::connectors::paging::EndlessList;
use crate::connectors::parse::{ParseError, parse, parse_text};
use crate::connectors::response::{SuccessBody, not_found_as_none};
use crate::connectors::{CallContext, ConnectorError, ErrorKind, IncompleteList, UnreadableRow};

/// The member of a list response with the rows.
const ROWS: &str = "Resources";
/// Maximum number of calls for one page: at the end of a list, three more find out whether it is the end.
const MAX_CALLS: u32 = 8;
/// Maximum length of a reported id, in bytes. Ids of servers are shorter.
const MAX_ID_BYTES: usize = 128;

/// A resource, with the provider's object when it was requested.
pub(super) type ScimRecord<W> = (W, Option<Box<RawValue>>);

/// A page of a list.
pub(super) struct ResourcePage<W> {
    /// The rows.
    pub(super) rows: Vec<ScimRecord<W>>,
    /// The start of the next page; `None` at the end.
    pub(super) next: Option<Position>,
}

/// A wire type of resources.
pub(super) trait WireResource: for<'a> Deserialize<'a> + Identified + Send {}

impl<W: for<'a> Deserialize<'a> + Identified + Send> WireResource for W {}

/// What a response gave.
enum ListResult<W> {
    Page(ResourcePage<W>),
    ReadAgain(Position),
}

/// A row of a response.
enum Row<'a, W> {
    Parsed(W),
    Raw(&'a RawValue),
}

/// The rows of a response.
struct Rows<'a, W> {
    total: Option<u64>,
    rows: Option<Vec<Row<'a, W>>>,
}

impl ScimConnector {
    /// Reads a page of at most `limit` rows.
    pub(super) async fn read_page<W: WireResource>(
        &self,
        cx: &CallContext<'_>,
        call: &ListCall<'_>,
        mut at: Position,
        limit: u16,
    ) -> Result<ResourcePage<W>, ConnectorError> {
        for _ in 0..MAX_CALLS {
            let (is_recount, returned) = (at.mode == ReadMode::Recount, at.returned);
            let response = match self.call_list(cx, call, &mut at, limit).await {
                Err(error) if is_recount && is_of_server(&error) => {
                    return Ok(uncertain_end(cx, call.method, returned));
                }
                response => response?,
            };
            match read_response(cx, &response, at, limit)? {
                ListResult::Page(page) => return Ok(page),
                ListResult::ReadAgain(again) => at = again,
            }
        }
        Err(cx.invalid_response(call.method, EndlessList::Repeated.reason()))
    }

    /// Reads the resource with that id; `None` when there is none.
    pub(super) async fn read_resource<W: WireResource>(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        endpoint: &str,
        id: &str,
    ) -> Result<Option<ScimRecord<W>>, ConnectorError> {
        // Not a path segment: the URL would drop it, or a part of it.
        if matches!(id, "" | "." | "..") || id.contains(char::is_control) {
            return Ok(None);
        }
        let response = self.get(cx, method, &[endpoint, id], &[]).await;
        let Some(response) = not_found_as_none(response)? else { return Ok(None) };
        read_single(cx, &response).map(Some)
    }
}

/// Whether a server failed, or rejected a call.
fn is_of_server(error: &ConnectorError) -> bool {
    matches!(error.kind, ErrorKind::ProviderError | ErrorKind::InvalidArgument)
}

/// Returns the end of a list that may have more rows, and records it.
fn uncertain_end<W>(cx: &CallContext<'_>, method: &'static str, returned: u64) -> ResourcePage<W> {
    cx.unreadable_rows.record_incomplete(IncompleteList { method, returned });
    ResourcePage { rows: Vec::new(), next: None }
}

/// Reads a response with one resource. A list with one resource is accepted as well.
pub(super) fn read_single<W: WireResource>(
    cx: &CallContext<'_>,
    response: &SuccessBody,
) -> Result<ScimRecord<W>, ConnectorError> {
    let odd = match parse(&response.body) {
        Ok(resource) => return Ok((resource, cx.include_remote.then(|| response.remote()))),
        Err(odd) => odd,
    };
    let rows = read_list(&response.body).ok().and_then(|list| list.resources);
    if let Some(rows) = rows
        && let [row] = &*rows.0
        && let Ok(resource) = parse_text(row.get())
    {
        return Ok((resource, cx.include_remote.then(|| (*row).to_owned())));
    }
    Err(cx.invalid_response(response.method, odd.to_string()))
}

/// Reads the response to a read at `at`.
fn read_response<W: WireResource>(
    cx: &CallContext<'_>,
    response: &ListPageResponse,
    at: Position,
    limit: u16,
) -> Result<ListResult<W>, ConnectorError> {
    let method = response.body.method;
    let invalid = |odd: String| cx.invalid_response(method, odd);
    let Rows { total, rows } =
        read_rows::<W>(cx, &response.body).map_err(|odd| invalid(odd.to_string()))?;
    let has_list = rows.is_some();
    let rows = rows.unwrap_or_default();
    let digests: Vec<RowDigest> = rows.iter().map(Row::digest).collect();
    let window = ListWindow { rows: &digests, total, has_list, count: response.count };
    let is_start = at.is_start();
    match next_step(at, window, limit.into()).map_err(invalid)? {
        ListStep::ReadAgain(again) => Ok(ListResult::ReadAgain(again)),
        ListStep::UncertainEnd { returned } => {
            Ok(ListResult::Page(uncertain_end(cx, method, returned)))
        }
        ListStep::Page { rows: taken, next } => {
            let mut rows: Vec<Option<Row<'_, W>>> = rows.into_iter().map(Some).collect();
            let taken =
                taken.into_iter().filter_map(|index| Some((index, rows.get_mut(index)?.take()?)));
            let is_only = is_start && next.is_none();
            let rows = parse_rows(cx, method, taken.collect(), (is_start, is_only))?;
            Ok(ListResult::Page(ResourcePage { rows, next }))
        }
    }
}

/// Reads the rows of a response. They are parsed with it where all of them can be, and no raw rows are requested.
fn read_rows<'a, W: WireResource>(
    cx: &CallContext<'_>,
    response: &'a SuccessBody,
) -> Result<Rows<'a, W>, ParseError> {
    if !cx.include_remote
        && let Ok(list) = parse::<ParsedListResponse<W>>(&response.body)
    {
        let rows = list.resources.map(|rows| rows.0.into_iter().map(Row::Parsed).collect());
        return Ok(Rows { total: list.total_results, rows });
    }
    let list = read_list(&response.body)?;
    let rows = list.resources.map(|rows| rows.0.into_iter().map(Row::Raw).collect());
    Ok(Rows { total: list.total_results, rows })
}

impl<W: WireResource> Row<'_, W> {
    /// Returns the digest of its id, or of all of it where it has none.
    fn digest(&self) -> RowDigest {
        match self {
            Self::Parsed(row) => digest(row.id()),
            Self::Raw(raw) => id_of(raw).map_or_else(|| digest(raw.get()), |id| digest(&id)),
        }
    }
}

/// Parses the rows of a page. An unreadable row is recorded and left out. Whether the page is the first one, and the
/// only one, decides about a page of unreadable rows alone.
fn parse_rows<W: WireResource>(
    cx: &CallContext<'_>,
    method: &'static str,
    rows: Vec<(usize, Row<'_, W>)>,
    (is_first, is_only): (bool, bool),
) -> Result<Vec<ScimRecord<W>>, ConnectorError> {
    let (mut all, sent) = (Vec::with_capacity(rows.len()), rows.len());
    let mut unreadable = Vec::new();
    for (index, row) in rows {
        match row {
            Row::Parsed(row) => all.push((row, None)),
            Row::Raw(raw) => match parse_text(raw.get()) {
                Ok(row) => all.push((row, cx.include_remote.then(|| raw.to_owned()))),
                Err(ParseError { field, reason }) => {
                    let id = id_of(raw).filter(|id| id.len() <= MAX_ID_BYTES);
                    unreadable.push(UnreadableRow { method, list: ROWS, index, id, field, reason });
                }
            },
        }
    }
    // A list that begins with unreadable rows alone has another format, and is not empty.
    if ((is_first && sent > 1) || is_only)
        && unreadable.len() == sent
        && let Some(UnreadableRow { index, field, reason, .. }) = unreadable.first()
    {
        let dot = if field.is_empty() { "" } else { "." };
        let odd = format!("`{ROWS}[{index}]{dot}{field}` {reason}");
        return Err(cx.invalid_response(method, odd));
    }
    for row in unreadable {
        cx.unreadable_rows.record(row);
    }
    Ok(all)
}

/// Returns the id of a row.
fn id_of(raw: &RawValue) -> Option<String> {
    parse_text::<ResourceId>(raw.get()).ok().map(|row| row.id)
}
