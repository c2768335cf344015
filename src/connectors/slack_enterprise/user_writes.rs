//! Users switched off and signed out.

use async_trait::async_trait;
use http::Method;

use super::SlackEnterprise;
use super::api::is_id;
use crate::connectors::{CallContext, ConnectorError, Kind, UserWrites};
use crate::domain::input::Done;

const DELETE: &str = "scim.users.delete";
const RESET: &str = "admin.users.session.reset";

#[async_trait]
impl UserWrites for SlackEnterprise {
    async fn deactivate(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError> {
        if !is_id(id) {
            return Err(cx.error(DELETE, Kind::NotFound).with_code("no_such_user"));
        }
        let path = format!("Users/{id}");
        // Slack answers the same for an account that was off already.
        self.scim(cx, DELETE, Method::DELETE, &path, None).await.map(|_| Done::Done)
    }

    async fn end_sessions(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError> {
        self.web(cx, RESET, &[("user_id", id)]).await.map(|_| Done::Done)
    }
}
