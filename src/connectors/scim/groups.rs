//! Reads SCIM groups: one call per page, one per group.

use async_trait::async_trait;

use super::{ScimConnector, map};
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::group::Group;
use crate::domain::page::Page;

#[async_trait]
impl ReadResource<Group> for ScimConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, Group>,
    ) -> Result<Page<Unified<Group>, PageToken>, ConnectorError> {
        self.list_page(cx, "scim.groups.list", "Groups", request, map::group).await
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<Group>>, ConnectorError> {
        self.get_by_id(cx, "scim.groups.get", "Groups", id, map::group).await
    }
}
