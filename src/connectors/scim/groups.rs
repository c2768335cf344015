//! Reads SCIM groups: one call per page, one per group.

use async_trait::async_trait;

use super::features::ScimFeatures;
use super::memberships::LIST_GROUPS;
use super::position::Position;
use super::{ScimConnector, map};
use crate::connectors::page_token::{decode, encode};
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
        let ListRequest { page, filter, remote_query, .. } = request;
        let features = ScimFeatures::of(cx.account);
        let at: Position = decode(cx, LIST_GROUPS, page.token.as_ref())?;
        let page = self.find_groups(cx, &features, (filter, remote_query), at, page.limit).await?;
        let rows = page.rows.into_iter();
        let items = rows.map(|(row, remote)| Unified::new(map::group(row), remote)).collect();
        Ok(Page { items, next: page.next.map(|next| encode(&next)) })
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<Group>>, ConnectorError> {
        let features = ScimFeatures::of(cx.account);
        let group = self.read_group(cx, &features, id).await?;
        Ok(group.map(|(row, remote)| Unified::new(map::group(row), remote)))
    }
}
