//! Adds and removes members of workspaces.

use async_trait::async_trait;

use super::SlackConnector;
use crate::connectors::{CallContext, ConnectorError, MembershipRequest, MembershipWrites};
use crate::domain::patch::WriteOutcome;
use crate::domain::user::UserType;

const ASSIGN: &str = "admin.users.assign";
const REMOVE: &str = "admin.users.remove";

#[async_trait]
impl MembershipWrites for SlackConnector {
    async fn add(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        membership: MembershipRequest<'_>,
    ) -> Result<WriteOutcome, ConnectorError> {
        let channels = membership.channel_ids.join(",");
        let mut arguments = vec![
            ("user_id", user_id),
            ("team_id", membership.workspace_id),
            ("channel_ids", &*channels),
        ];
        arguments.extend(guest_flags(membership.user_type));
        self.web(cx, ASSIGN, &arguments).await.map(|_| WriteOutcome::Applied)
    }

    async fn remove(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        workspace_id: &str,
    ) -> Result<WriteOutcome, ConnectorError> {
        let arguments = [("user_id", user_id), ("team_id", workspace_id)];
        self.web(cx, REMOVE, &arguments).await.map(|_| WriteOutcome::Applied)
    }
}

/// Returns the arguments that make a user a guest.
pub(super) fn guest_flags(kind: UserType) -> &'static [(&'static str, &'static str)] {
    match kind {
        UserType::Member | UserType::Bot => &[],
        UserType::GuestMultiChannel => &[("is_restricted", "true")],
        UserType::GuestSingleChannel => {
            &[("is_restricted", "true"), ("is_ultra_restricted", "true")]
        }
    }
}
