//! Calls: a path below the account's address goes out, an answer of that kind comes back.

use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::Scim;
use super::dialect::{ScimDialect, base};
use super::wire::{Failure, List};
use crate::connectors::paging::ScimPage;
use crate::connectors::parse::parse;
use crate::connectors::path::uri;
use crate::connectors::position::{encode, position};
use crate::connectors::reading::{Okay, found, refuse_reserved};
use crate::connectors::rows::Listed;
use crate::connectors::{CallContext, ConnectorError, Kind, Position, Question, Record};
use crate::domain::filter::Filtered;
use crate::domain::page::Page;
use crate::upstream::{Carried, ProviderRequest, RequestBody, Safety};

/// What SCIM's bodies are (RFC 7644 §3.1).
const MEDIA_TYPE: &str = "application/scim+json, application/json;q=0.9";

/// SCIM counts from one.
const FIRST: u64 = 1;

/// Whether a call may be repeated: SCIM's verbs mean what HTTP says of them.
pub(super) fn safety(method: &Method) -> Safety {
    if method.is_idempotent() { Safety::Repeatable } else { Safety::Once }
}

impl Scim {
    /// A page of a kind of thing.
    pub(super) async fn page<W: for<'a> Deserialize<'a> + Send, T: Filtered>(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        kind: &str,
        question: Question<'_, T>,
        read: impl Fn(W) -> T,
    ) -> Result<Page<Record<T>, Position>, ConnectorError> {
        let Question { page, remote_query, .. } = question;
        refuse_reserved(cx, method, remote_query, &["startIndex", "count", "cursor"])?;
        let at: Option<u64> = position(cx, method, page.position.as_ref())?;
        let start = at.unwrap_or(FIRST);
        let (from, count) = (start.to_string(), page.limit.to_string());
        let ours = [("startIndex", &*from), ("count", &*count)];
        let theirs = remote_query.0.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let query: Vec<(&str, &str)> = ours.into_iter().chain(theirs).collect();
        let answer = self.get(cx, method, &[kind], &query).await?;
        let list: List<'_> = answer.read(cx)?;
        let sent = list.resources.as_ref().map(|rows| rows.0.len());
        let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
        let rows = Listed { method, list: "Resources", most: page.limit.into(), rows };
        let items = rows.read(cx, |wire, remote| Some(Record::new(read(wire), remote)))?;
        let next = ScimPage { start, rows: sent, total: list.total_results }.next();
        let next = next.map_err(|odd| cx.unreadable(method, odd))?;
        Ok(Page { items, next: next.map(|next| encode(&next)) })
    }

    /// The thing of a kind with that id; `None` when there is none.
    pub(super) async fn one<W: for<'a> Deserialize<'a> + Send, T>(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        kind: &str,
        id: &str,
        read: impl Fn(W) -> T,
    ) -> Result<Option<Record<T>>, ConnectorError> {
        // Such a segment would not be one: the URL would lose it, or a part of it.
        if matches!(id, "" | "." | "..") || id.contains(char::is_control) {
            return Ok(None);
        }
        let Some(answer) = found(self.get(cx, method, &[kind, id], &[]).await)? else {
            return Ok(None);
        };
        let remote = cx.wants_remote.then(|| answer.remote());
        Ok(Some(Record::new(read(answer.read(cx)?), remote)))
    }

    /// Reads what is at these segments below the account's address.
    async fn get(
        &self,
        cx: &CallContext<'_>,
        method: &'static str,
        segments: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Okay, ConnectorError> {
        let internal = || cx.error(method, Kind::Internal);
        let mut url = base(cx.account.base_url.as_deref()).ok_or_else(internal)?;
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
            budgets: self.budgets(),
            safety: Safety::Repeatable,
            carried: Carried::AccessToken,
        });
        let answer = cx.fetch(request, &ScimDialect).await?;
        let (status, retry_after) = (answer.status, answer.retry_after);
        let body = answer.into_body();
        if status.is_success() {
            return Ok(Okay { method, body });
        }
        let failure = parse::<Failure>(&body).ok();
        let code = failure
            .and_then(|failure| failure.scim_type)
            .unwrap_or_else(|| format!("http_{}", status.as_u16()));
        Err(ConnectorError { retry_after, ..cx.error(method, kind(status)).with_code(code) })
    }
}

/// RFC 7644 §3.12.
fn kind(status: StatusCode) -> Kind {
    match status {
        // A token that is invalid was found out before: this one is not for what was asked.
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Kind::Forbidden,
        StatusCode::NOT_FOUND => Kind::NotFound,
        StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => Kind::Conflict,
        StatusCode::TOO_MANY_REQUESTS => Kind::RateLimited,
        // A proxy before the server asks who we are.
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => Kind::Trouble,
        status if status.is_client_error() => Kind::InvalidArgument,
        _ => Kind::Trouble,
    }
}
