//! Calls of a SCIM server: lists, single resources, and their errors.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::ScimConnector;
use super::classify::{ScimClassifier, parse_base_url};
use super::wire::{ScimErrorBody, ScimListResponse};
use crate::connectors::page_token::{decode, encode};
use crate::connectors::paging::ScimPage;
use crate::connectors::parse::parse;
use crate::connectors::path::uri;
use crate::connectors::response::{SuccessBody, not_found_as_none, reject_reserved};
use crate::connectors::rows::ResponseRows;
use crate::connectors::{CallContext, ConnectorError, ErrorKind, ListRequest, PageToken, Unified};
use crate::domain::filter::Filterable;
use crate::domain::page::Page;
use crate::upstream::{Idempotency, ProviderRequest, RequestBody, RequestToken};

/// Accepted media types (RFC 7644 §3.1).
const MEDIA_TYPE: &str = "application/scim+json, application/json;q=0.9";

/// The start index of the first row: SCIM counts from one.
const FIRST_INDEX: u64 = 1;

/// Returns the idempotency of an HTTP method, which SCIM uses as defined by HTTP.
pub(super) fn idempotency(method: &Method) -> Idempotency {
    if method.is_idempotent() { Idempotency::Idempotent } else { Idempotency::NonIdempotent }
}

impl ScimConnector {
    /// A page of a kind of thing.
    pub(super) async fn list_page<W: for<'a> Deserialize<'a> + Send, T: Filterable>(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        kind: &str,
        request: ListRequest<'_, T>,
        read: impl Fn(W) -> T,
    ) -> Result<Page<Unified<T>, PageToken>, ConnectorError> {
        let ListRequest { page, remote_query, .. } = request;
        reject_reserved(cx, method, remote_query, &["startIndex", "count", "cursor"])?;
        let at: Option<u64> = decode(cx, method, page.token.as_ref())?;
        let start = at.unwrap_or(FIRST_INDEX);
        let (from, count) = (start.to_string(), page.limit.to_string());
        let ours = [("startIndex", &*from), ("count", &*count)];
        let theirs = remote_query.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query: Vec<(&str, &str)> = ours.into_iter().chain(theirs).collect();
        let response = self.get(cx, method, &[kind], &query).await?;
        let list: ScimListResponse<'_> = response.read(cx)?;
        let sent = list.resources.as_ref().map(|rows| rows.0.len());
        let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
        let rows = ResponseRows { method, list: "Resources", max_rows: page.limit.into(), rows };
        let items = rows.read(cx, |wire, remote| Some(Unified::new(read(wire), remote)))?;
        let next = ScimPage { start, rows: sent, total: list.total_results }.next();
        let next = next.map_err(|odd| cx.invalid_response(method, odd))?;
        Ok(Page { items, next: next.map(|next| encode(&next)) })
    }

    /// The thing of a kind with that id; `None` when there is none.
    pub(super) async fn get_by_id<W: for<'a> Deserialize<'a> + Send, T>(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        kind: &str,
        id: &str,
        read: impl Fn(W) -> T,
    ) -> Result<Option<Unified<T>>, ConnectorError> {
        // Not a path segment: the URL would drop it, or a part of it.
        if matches!(id, "" | "." | "..") || id.contains(char::is_control) {
            return Ok(None);
        }
        let Some(response) = not_found_as_none(self.get(cx, method, &[kind, id], &[]).await)?
        else {
            return Ok(None);
        };
        let remote = cx.include_remote.then(|| response.remote());
        Ok(Some(Unified::new(read(response.read(cx)?), remote)))
    }

    /// Sends a GET request to a path below the account's base URL.
    async fn get(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<SuccessBody, ConnectorError> {
        let internal = || cx.error(method, ErrorKind::Internal);
        let mut url = parse_base_url(cx.account.base_url.as_deref()).ok_or_else(internal)?;
        url.path_segments_mut().map_err(|()| internal())?.pop_if_empty().extend(segments);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let headers =
            HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(MEDIA_TYPE))]);
        let request = Box::new(ProviderRequest {
            name: method.into(),
            method: Method::GET,
            uri: uri(&url).ok_or_else(internal)?,
            headers,
            body: RequestBody::Empty,
            buckets: self.budgets(),
            idempotency: Idempotency::Idempotent,
            token: RequestToken::AccessToken,
        });
        let response = cx.fetch(request, &ScimClassifier).await?;
        let (status, retry_after) = (response.status, response.retry_after);
        let body = response.into_body();
        if status.is_success() {
            return Ok(SuccessBody { method, body });
        }
        let failure = parse::<ScimErrorBody>(&body).ok();
        let code = failure
            .and_then(|failure| failure.scim_type)
            .unwrap_or_else(|| format!("http_{}", status.as_u16()));
        Err(ConnectorError { retry_after, ..cx.error(method, error_kind(status)).with_code(code) })
    }
}

/// Returns the kind of an error status (RFC 7644 §3.12).
fn error_kind(status: StatusCode) -> ErrorKind {
    match status {
        // An invalid token was detected before: this one lacks the permission.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Forbidden,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => ErrorKind::Conflict,
        StatusCode::TOO_MANY_REQUESTS => ErrorKind::RateLimited,
        // From a proxy in front of the server.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => ErrorKind::ProviderError,
        status if status.is_client_error() => ErrorKind::InvalidArgument,
        _ => ErrorKind::ProviderError,
    }
}
