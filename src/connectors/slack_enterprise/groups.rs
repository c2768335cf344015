//! Reads groups of the customer's identity provider by SCIM: one call per page, one per group.

use async_trait::async_trait;

use super::api::{is_id, not_found_as_none, reject_reserved};
use super::{SlackConnector, map};
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::group::Group;
use crate::domain::page::Page;

const LIST: &str = "scim.groups.list";
const GET: &str = "scim.groups.get";

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
        let map = |group, remote| Some(Unified::new(map::group(group), remote));
        self.scim_page(cx, (LIST, "Groups"), page, map).await
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
