//! Members of workspaces: put in, taken out, invited.

use async_trait::async_trait;

use super::SlackEnterprise;
use crate::connectors::{CallContext, ConnectorError, Membership, MembershipWrites};
use crate::domain::input::Done;
use crate::domain::user::UserType;

const ASSIGN: &str = "admin.users.assign";
const REMOVE: &str = "admin.users.remove";

#[async_trait]
impl MembershipWrites for SlackEnterprise {
    async fn add(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        membership: Membership<'_>,
    ) -> Result<Done, ConnectorError> {
        let channels = membership.channel_ids.join(",");
        let mut arguments = vec![
            ("user_id", user_id),
            ("team_id", membership.workspace_id),
            ("channel_ids", &*channels),
        ];
        arguments.extend(guest_flags(membership.user_type));
        self.web(cx, ASSIGN, &arguments).await.map(|_| Done::Done)
    }

    async fn remove(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        workspace_id: &str,
    ) -> Result<Done, ConnectorError> {
        let arguments = [("user_id", user_id), ("team_id", workspace_id)];
        self.web(cx, REMOVE, &arguments).await.map(|_| Done::Done)
    }
}

/// What tells Slack that somebody is to be a guest.
pub(super) fn guest_flags(kind: UserType) -> &'static [(&'static str, &'static str)] {
    match kind {
        UserType::Member | UserType::Bot => &[],
        UserType::GuestMultiChannel => &[("is_restricted", "true")],
        UserType::GuestSingleChannel => {
            &[("is_restricted", "true"), ("is_ultra_restricted", "true")]
        }
    }
}
