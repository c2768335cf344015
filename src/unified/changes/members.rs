//! Members of workspaces, put in and taken out.

use super::Changes;
use crate::connectors::{ConnectorError, Membership, MembershipWrites};
use crate::domain::input::{Comparison, Done};
use crate::domain::user::{User, UserStatus};
use crate::unified::UnifiedError;

impl Changes<'_> {
    /// Puts a user into a workspace.
    ///
    /// # Errors
    ///
    /// What the provider said; `Unsupported` when it has no workspaces to join. A user who is there as
    /// another kind of member, or perhaps without the channels, is a conflict.
    pub async fn add_member(
        &self,
        user_id: &str,
        membership: Membership<'_>,
    ) -> Result<Done, UnifiedError> {
        Ok(self.join(user_id, membership, Before::Unknown).await??)
    }

    /// Takes a user out of a workspace.
    ///
    /// # Errors
    ///
    /// What the provider said; `Unsupported` when it has no workspaces to leave.
    pub async fn remove_member(
        &self,
        user_id: &str,
        workspace_id: &str,
    ) -> Result<Done, UnifiedError> {
        let send = self.membership_writes()?.remove(&self.directory.cx, user_id, workspace_id);
        let state = self.compare(user_id, |user: &User| Comparison::of(!is_in(user, workspace_id)));
        let subject = format!("{user_id}@{workspace_id}");
        Ok(self.reach("membership.removed", &subject, send, state).await??)
    }

    pub(super) async fn join(
        &self,
        user_id: &str,
        membership: Membership<'_>,
        before: Before,
    ) -> Result<Result<Done, ConnectorError>, UnifiedError> {
        let Membership { workspace_id, user_type, channel_ids } = membership;
        let send = self.membership_writes()?.add(&self.directory.cx, user_id, membership);
        let state = self.compare(user_id, |user: &User| {
            let is_member = is_in(user, workspace_id) && user.status != UserStatus::Inactive;
            // Of a membership that was there before, the provider does not show the channels.
            let shows_channels = channel_ids.is_empty() || before == Before::Outside;
            Comparison::all([
                Comparison::of(is_member && user.user_type == user_type),
                Comparison::or_unknown(shows_channels),
            ])
        });
        let subject = format!("{user_id}@{workspace_id}");
        self.reach("membership.added", &subject, send, state).await
    }

    fn membership_writes(&self) -> Result<&dyn MembershipWrites, UnifiedError> {
        let facet = self.directory.connector.membership_writes();
        facet.ok_or_else(|| self.unsupported("changes of workspaces' members"))
    }
}

/// What is known of a user and a workspace before the user is put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// The user is not in it: the account is new.
    Outside,
    /// The user may be in it.
    Unknown,
}

fn is_in(user: &User, workspace_id: &str) -> bool {
    user.workspaces.iter().any(|one| one.id == workspace_id)
}
