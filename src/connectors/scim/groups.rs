//! Groups, as RFC 7644 lists them: one call a page, one for a group.

use async_trait::async_trait;

use super::{Scim, map};
use crate::connectors::{CallContext, ConnectorError, Position, Question, Reads, Record};
use crate::domain::group::Group;
use crate::domain::page::Page;

#[async_trait]
impl Reads<Group> for Scim {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        question: Question<'_, Group>,
    ) -> Result<Page<Record<Group>, Position>, ConnectorError> {
        self.page(cx, "scim.groups.list", "Groups", question, map::group).await
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<Group>>, ConnectorError> {
        self.one(cx, "scim.groups.get", "Groups", id, map::group).await
    }
}
