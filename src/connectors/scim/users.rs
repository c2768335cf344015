//! People, as RFC 7644 lists them: one call a page, one for a person.

use async_trait::async_trait;

use super::{Scim, map};
use crate::connectors::{CallContext, ConnectorError, Position, Question, Reads, Record};
use crate::domain::page::Page;
use crate::domain::user::User;

#[async_trait]
impl Reads<User> for Scim {
    async fn list(
        &self,
        cx: &CallContext<'_>,
        question: Question<'_, User>,
    ) -> Result<Page<Record<User>, Position>, ConnectorError> {
        self.page(cx, "scim.users.list", "Users", question, map::user).await
    }

    async fn get(
        &self,
        cx: &CallContext<'_>,
        id: &str,
    ) -> Result<Option<Record<User>>, ConnectorError> {
        self.one(cx, "scim.users.get", "Users", id, map::user).await
    }
}
