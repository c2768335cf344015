//! Pages of SCIM lists: by the index of their first row.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{SlackConnector, wire};
use crate::connectors::page_token::{decode, encode};
use crate::connectors::paging::ScimPage;
use crate::connectors::rows::ResponseRows;
use crate::connectors::{CallContext, ConnectorError, PageToken};
use crate::domain::page::{Page, PageRequest};

/// The start index of the first row: SCIM counts from one.
const FIRST: u64 = 1;

impl SlackConnector {
    /// Reads a page of a SCIM list, and maps its rows by `map`, which also gets the raw row when requested. One call.
    pub(super) async fn scim_page<W: for<'w> Deserialize<'w> + Send, T>(
        &self,
        cx: &CallContext<'_>,
        (method, path): (&'static str, &str),
        page: PageRequest<PageToken>,
        map: impl FnMut(W, Option<Box<RawValue>>) -> Option<T>,
    ) -> Result<Page<T, PageToken>, ConnectorError> {
        let at: Option<u64> = decode(cx, method, page.token.as_ref())?;
        let start = at.unwrap_or(FIRST);
        let (from, count) = (start.to_string(), page.limit.to_string());
        let query = [("startIndex", &*from), ("count", &*count)];
        let response = self.scim_list(cx, method, "v2", path, &query).await?;
        let list: wire::SlackScimList<'_> = response.read(cx)?;
        let sent = list.resources.as_ref().map(|rows| rows.0.len());
        let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
        let rows = ResponseRows { method, list: "Resources", max_rows: page.limit.into(), rows };
        let items = rows.read(cx, map)?;
        let next = ScimPage { start, rows: sent, total: list.total_results }.next();
        let next = next.map_err(|odd| cx.invalid_response(method, odd))?;
        Ok(Page { items, next: next.map(|next| encode(&next)) })
    }
}
