//! `/audit-log`: the environment's audit log, as pages and as an NDJSON export.

use std::convert::Infallible;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use time::OffsetDateTime;
use utoipa::IntoParams;

use super::response::{EnvelopeSchema, ListResponse};
use crate::domain::audit::{AuditKind, AuditOutcome, AuditRow};
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::domain::page::Page;
use crate::http::cursor::Cursors;
use crate::http::extract::{
    Access, Admin, PageQuery, Params, account_filter, contradicting_parameters, take_timestamp,
};
use crate::http::problem::{Problem, Problems};
use crate::http::state::AppState;
use crate::store::{AuditFilter, CountedEntry};

type AuditEntryList = EnvelopeSchema<ListResponse<AuditRow>>;

/// Number of rows of an export in memory at a time.
const EXPORT_PAGE_SIZE: u16 = 1_000;

/// A line of an export, for the OpenAPI document.
const EXPORT_EXAMPLE: &str = concat!(
    r#"{"id":"aud_01J8ZQ5V9Y3M7T2K4N6P8R0S1T","at":"2026-01-15T09:30:00Z","kind":"change","#,
    r#""actor":"key_01J8ZQ5V9Y3M7T2K4N6P8R0S1T","action":"user.deactivated","#,
    r#""integrated_account_id":"acc_01J8ZQ5V9Y3M7T2K4N6P8R0S1T","subject":"U0EXAMPLE","#,
    r#""provider_method":null,"status":null,"duration_ms":null,"calls":1,"#,
    r#""request_id":"req_01J8ZQ5V9Y3M7T2K4N6P8R0S1T","outcome":"done","reason":null}"#,
    "\n",
);

/// Filter of the audit log.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// `change` for changes, `use` for calls with an account's token.
    kind: Option<AuditKind>,
    /// Actor: the id of a key, or a component of the program.
    actor: Option<String>,
    /// Action, such as `user.deactivated`.
    action: Option<String>,
    /// Integrated account. The header `X-Integrated-Account-Id` is equivalent.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// Provider method.
    provider_method: Option<String>,
    /// Request id.
    request_id: Option<String>,
    /// Outcome.
    outcome: Option<AuditOutcome>,
    /// Earliest time, inclusive (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<OffsetDateTime>,
    /// Latest time, exclusive (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<OffsetDateTime>,
}

impl FilterQuery {
    fn take(params: &mut Params, headers: &HeaderMap) -> Result<AuditFilter, Problem> {
        let Self {
            kind,
            actor,
            action,
            integrated_account_id,
            provider_method,
            request_id,
            outcome,
            from,
            to,
        } = Self {
            kind: params.parse("kind")?,
            actor: params.take("actor")?,
            action: params.take("action")?,
            integrated_account_id: account_filter(params, headers)?,
            provider_method: params.take("provider_method")?,
            request_id: params.take("request_id")?,
            outcome: params.parse("outcome")?,
            from: take_timestamp(params, "from")?,
            to: take_timestamp(params, "to")?,
        };
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(contradicting_parameters(["from", "to"], "`from` must be before `to`"));
        }
        let account_id = integrated_account_id;
        Ok(AuditFilter {
            kind,
            actor,
            action,
            account_id,
            provider_method,
            request_id,
            outcome,
            from,
            to,
        })
    }
}

/// List audit entries
///
/// Returns entries of the environment, newest first. Entries of kind `use` appear within one second after the call.
#[utoipa::path(get, path = "/audit-log", tag = "Administration", params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page of audit entries", body = AuditEntryList), Problems))]
pub(in crate::http) async fn list_audit_log(
    State(state): State<AppState>,
    access: Access<Admin>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<ListResponse<AuditRow>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let filter = FilterQuery::take(&mut params, &headers)?;
    params.finish()?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "audit-log", &filter);
    record_read(&access, &state, "audit_log.read");
    let before = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let mut items = access.db.audit_log(&filter, before, i64::from(page.limit) + 1).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    Ok(Json(ListResponse::of(Page { items, next }, page.limit)))
}

/// Records the read of the audit log.
fn record_read(access: &Access<Admin>, state: &AppState, action: &'static str) {
    state.uses.count_entry(&CountedEntry {
        environment_id: access.caller.environment_id,
        actor: &access.caller.key_id,
        action,
        reason: None,
        account_id: None,
        request_id: access.request_id(),
        status: 200,
    });
}

/// Export the audit log
///
/// Returns NDJSON, one entry a line, newest first. An error during the export is the last line: `{"error": PROBLEM}`.
#[utoipa::path(get, path = "/audit-log/export", tag = "Administration", params(FilterQuery),
    responses((status = 200, description = "The entries, one a line, each as in `GET /audit-log`", body = String,
        content_type = "application/x-ndjson", example = json!(EXPORT_EXAMPLE)), Problems))]
pub(in crate::http) async fn export_audit_log(
    State(state): State<AppState>,
    access: Access<Admin>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::of(&uri);
    let filter = FilterQuery::take(&mut params, &headers)?;
    params.finish()?;
    record_read(&access, &state, "audit_log.exported");
    let export = Export { access, filter };
    // The first page is read before the response starts, so that an early error is an ordinary problem.
    let first = export.page(None).await?;
    let pages = stream::unfold((Some(first), export), |(page, export)| async move {
        let ExportedPage { mut lines, last } = page?;
        let Some(last) = last else { return Some((Bytes::from(lines), (None, export))) };
        let next = match export.page(Some(last)).await {
            Ok(next) => Some(next),
            Err(problem) => {
                lines.extend(export.failure(&problem));
                None
            }
        };
        Some((lines.into(), (next, export)))
    });
    let pages = futures_util::StreamExt::map(pages, Ok::<Bytes, Infallible>);
    let mut response = Response::new(Body::from_stream(pages));
    let kind = HeaderValue::from_static("application/x-ndjson");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    Ok(response)
}

/// An export in progress.
struct Export {
    access: Access<Admin>,
    filter: AuditFilter,
}

/// A page of an export, and the row to continue after; `None` at the end.
struct ExportedPage {
    lines: Vec<u8>,
    last: Option<AuditId>,
}

impl Export {
    async fn page(&self, before: Option<AuditId>) -> Result<ExportedPage, Problem> {
        let limit = i64::from(EXPORT_PAGE_SIZE);
        let rows = self.access.db.audit_log(&self.filter, before, limit).await?;
        let is_full = rows.len() == usize::from(EXPORT_PAGE_SIZE);
        let last = rows.last().filter(|_| is_full).map(|row| row.id);
        let mut lines = Vec::new();
        for row in &rows {
            serde_json::to_writer(&mut lines, row).map_err(|_| Problem::internal())?;
            lines.push(b'\n');
        }
        Ok(ExportedPage { lines, last })
    }

    /// Returns the last line of an export that failed.
    fn failure(&self, problem: &Problem) -> Vec<u8> {
        let request_id = self.access.request_id();
        problem.log(request_id);
        format!("{}\n", json!({ "error": problem.to_json(request_id) })).into_bytes()
    }
}
