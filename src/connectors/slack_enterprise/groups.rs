//! Groups of the customer's identity provider, as SCIM lists them: one call a page, one for a group.

use async_trait::async_trait;

use super::api::{found, is_id, refuse_reserved};
use super::{SlackEnterprise, map, wire};
use crate::connectors::paging::ScimPage;
use crate::connectors::position::{encode, position};
use crate::connectors::rows::Listed;
use crate::connectors::{CallContext, ConnectorError, Position, Question, Reads, Record};
use crate::domain::group::Group;
use crate::domain::page::Page;

const LIST: &str = "scim.groups.list";
const GET: &str = "scim.groups.get";
/// SCIM counts from one.
const FIRST: u64 = 1;

#[async_trait]
impl Reads<Group> for SlackEnterprise {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        question: Question<'_, Group>,
    ) -> Result<Page<Record<Group>, Position>, ConnectorError> {
        let Question { page, remote_query, .. } = question;
        let names: Vec<&str> = remote_query.names().collect();
        refuse_reserved(cx, LIST, remote_query, &names)?;
        let at: Option<u64> = position(cx, LIST, page.position.as_ref())?;
        let start = at.unwrap_or(FIRST);
        let (from, count) = (start.to_string(), page.limit.to_string());
        let query = [("startIndex", &*from), ("count", &*count)];
        let answer = self.scim_list(cx, LIST, "v2", "Groups", &query).await?;
        let list: wire::ScimList<'_> = answer.read(cx)?;
        let sent = list.resources.as_ref().map(|rows| rows.0.len());
        let rows = list.resources.map(|rows| rows.0).unwrap_or_default();
        let rows = Listed { method: LIST, list: "Resources", most: page.limit.into(), rows };
        let items = rows.read(cx, |group, remote| Some(Record::new(map::group(group), remote)))?;
        let next = ScimPage { start, rows: sent, total: list.total_results }.next();
        let next = next.map_err(|odd| cx.unreadable(LIST, odd))?;
        Ok(Page { items, next: next.map(|next| encode(&next)) })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<Group>>, ConnectorError> {
        if !is_id(id) {
            return Ok(None);
        }
        let Some(answer) = found(self.scim_get(cx, GET, &format!("Groups/{id}")).await)? else {
            return Ok(None);
        };
        let remote = cx.wants_remote.then(|| answer.remote());
        Ok(Some(Record::new(map::group(answer.read(cx)?), remote)))
    }
}
