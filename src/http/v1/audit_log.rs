//! `/audit-log`: who did what to which account, for whoever has to answer for it.

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

use super::answers::List;
use crate::domain::audit::{AuditKind, AuditRow, Outcome};
use crate::domain::ids::{AuditId, IntegratedAccountId};
use crate::domain::page::Page;
use crate::http::cursor::Cursors;
use crate::http::extract::{
    Access, Admin, PageQuery, Params, account_filter, contradicting, moment,
};
use crate::http::openapi::Problems;
use crate::http::problem::Problem;
use crate::http::state::AppState;
use crate::store::{AuditFilter, Noted};

/// So many rows of an export are in memory at a time.
const EXPORTED_AT_ONCE: u16 = 1_000;

/// Which rows.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(in crate::http) struct FilterQuery {
    /// `change` for what was changed, `use` for calls that used an account's token.
    kind: Option<AuditKind>,
    /// Those of this key, by its id, or of a part of the program.
    actor: Option<String>,
    /// Those of this action, such as `user.deactivated`.
    action: Option<String>,
    /// Those about this account. The header `X-Integrated-Account-Id` does the same.
    #[param(value_type = Option<String>)]
    integrated_account_id: Option<IntegratedAccountId>,
    /// Calls of this method of the provider.
    provider_method: Option<String>,
    /// Those of this request.
    request_id: Option<String>,
    /// Those that ended so.
    outcome: Option<Outcome>,
    /// Not before this moment (RFC 3339).
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<OffsetDateTime>,
    /// Before this moment (RFC 3339).
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
            from: moment(params, "from")?,
            to: moment(params, "to")?,
        };
        if from.zip(to).is_some_and(|(from, to)| from >= to) {
            return Err(contradicting(["from", "to"], "`from` must be before `to`"));
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

/// Lists who did what to which account in this environment, the newest first. Rows of kind `use` come within a second after the call that they tell of.
#[utoipa::path(get, path = "/audit-log", tag = "Administration", params(PageQuery, FilterQuery),
    responses((status = 200, description = "A page", body = List<AuditRow>), Problems))]
pub(in crate::http) async fn list_audit_log(
    State(state): State<AppState>,
    access: Access<Admin>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Json<List<AuditRow>>, Problem> {
    let mut params = Params::of(&uri);
    let page = PageQuery::take(&mut params)?;
    let filter = FilterQuery::take(&mut params, &headers)?;
    params.finish()?;
    let cursors = Cursors::of(&state.cursors, &access.caller, "audit-log", &filter);
    note_read(&access, &state, "audit_log.read");
    let before = page.next_cursor.map(|cursor| cursors.open(&cursor)).transpose()?;
    let mut items = access.db.audit_log(&filter, before, i64::from(page.limit) + 1).await?;
    let limit = usize::from(page.limit);
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| cursors.seal(&last.id));
    Ok(Json(List::of(Page { items, next }, page.limit)))
}

/// Notes that the log is read.
fn note_read(access: &Access<Admin>, state: &AppState, action: &'static str) {
    state.uses.note(&Noted {
        environment_id: access.caller.environment_id,
        actor: &access.caller.key_id,
        action,
        reason: None,
        account_id: None,
        request_id: access.request_id(),
        status: 200,
    });
}

/// Exports the audit log as NDJSON, a row a line, the newest first; a failure on the way is the last line, `{"error": problem}`.
#[utoipa::path(get, path = "/audit-log/export", tag = "Administration", params(FilterQuery),
    responses((status = 200, description = "The rows, one a line", body = AuditRow,
        content_type = "application/x-ndjson"), Problems))]
pub(in crate::http) async fn export_audit_log(
    State(state): State<AppState>,
    access: Access<Admin>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut params = Params::of(&uri);
    let filter = FilterQuery::take(&mut params, &headers)?;
    params.finish()?;
    note_read(&access, &state, "audit_log.exported");
    let export = Export { access, filter };
    // The first page is read before anything is answered: what fails at once is a problem like any other.
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

/// An export on its way.
struct Export {
    access: Access<Admin>,
    filter: AuditFilter,
}

/// A page of it, and the row to go on behind; `None` at the end.
struct ExportedPage {
    lines: Vec<u8>,
    last: Option<AuditId>,
}

impl Export {
    async fn page(&self, before: Option<AuditId>) -> Result<ExportedPage, Problem> {
        let limit = i64::from(EXPORTED_AT_ONCE);
        let rows = self.access.db.audit_log(&self.filter, before, limit).await?;
        let is_full = rows.len() == usize::from(EXPORTED_AT_ONCE);
        let last = rows.last().filter(|_| is_full).map(|row| row.id);
        let mut lines = Vec::new();
        for row in &rows {
            serde_json::to_writer(&mut lines, row).map_err(|_| Problem::internal())?;
            lines.push(b'\n');
        }
        Ok(ExportedPage { lines, last })
    }

    /// The line that tells of a failure on the way.
    fn failure(&self, problem: &Problem) -> Vec<u8> {
        let request_id = self.access.request_id();
        problem.log(request_id);
        format!("{}\n", json!({ "error": problem.to_json(request_id) })).into_bytes()
    }
}
