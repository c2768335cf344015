//! Reads groups of the customer's identity provider by SCIM: one call per page, one per group.

use async_trait::async_trait;

use super::api::{is_id, not_found_as_none, reject_reserved};
use super::{SlackConnector, map, wire};
use crate::connectors::page_token::{decode, encode};
use crate::connectors::paging::ScimPage;
use crate::connectors::rows::ResponseRows;
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::group::Group;
use crate::domain::page::Page;

const LIST: &str = "scim.groups.list";
const GET: &str = "scim.groups.get";
/// The start index of the first row: SCIM counts from one.
const FIRST: u64 = 1;

#[async_trait]
impl ReadResource<Group> for SlackConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, Group>,
    ) -> Result<Page<Unified<Group>, PageToken>, ConnectorError> {
        let ListRequest { page, remote_query, .. } = request;
        let names: Vec<&str> = remote_query.names().collect();
        reject_reserved(cx, LIST, remote_query, &names)?;
        let at: Option<u64> = decode(cx, LIST, page.token.as_ref())?;
        let start = at.unwrap_or(FIRST);
        let (from, count) = (start.to_string(), page.limit.to_string());
        let query = [("startIndex", &*from), ("count", &*count)];
        let response = self.scim_list(cx, LIST, "v2", "Groups", &query).await?;
        let list: wire::SlackScimList<'_> = response.read(cx)?;
        let sent = list.resources.as_ref().map(|rows| rows.0.len());
        let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
        let rows =
            ResponseRows { method: LIST, list: "Resources", max_rows: page.limit.into(), rows };
        let items = rows.read(cx, |group, remote| Some(Unified::new(map::group(group), remote)))?;
        let next = ScimPage { start, rows: sent, total: list.total_results }.next();
        let next = next.map_err(|odd| cx.invalid_response(LIST, odd))?;
        Ok(Page { items, next: next.map(|next| encode(&next)) })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<Group>>, ConnectorError> {
        if !is_id(id) {
            return Ok(None);
        }
        let Some(response) =
            not_found_as_none(self.scim_get(cx, GET, &format!("Groups/{id}")).await)?
        else {
            return Ok(None);
        };
        let remote = cx.include_remote.then(|| response.remote());
        Ok(Some(Unified::new(map::group(response.read(cx)?), remote)))
    }
}
