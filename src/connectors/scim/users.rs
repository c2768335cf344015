//! Reads SCIM users: one call per page, one per user.

use async_trait::async_trait;

use super::{ScimConnector, map};
use crate::connectors::{
    CallContext, ConnectorError, ListRequest, PageToken, ReadResource, Unified,
};
use crate::domain::page::Page;
use crate::domain::user::User;

#[async_trait]
impl ReadResource<User> for ScimConnector {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        request: ListRequest<'_, User>,
    ) -> Result<Page<Unified<User>, PageToken>, ConnectorError> {
        self.list_page(cx, "scim.users.list", "Users", request, map::user).await
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Unified<User>>, ConnectorError> {
        self.get_by_id(cx, "scim.users.get", "Users", id, map::user).await
    }
}
