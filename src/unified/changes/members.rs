//! Changes of workspace members: add, remove.

use super::Changes;
use crate::connectors::{ConnectorError, MembershipRequest, MembershipWrites};
use crate::domain::patch::{Comparison, WriteOutcome};
use crate::domain::user::{User, UserStatus};
use crate::unified::UnifiedError;

impl Changes<'_> {
    /// Adds a user to a workspace.
    ///
    /// # Errors
    ///
    /// `Unsupported`, or the provider's error. An existing member of another kind, or perhaps without the channels, is
    /// a conflict.
    pub async fn add_member(
        &self,
        user_id: &str,
        membership: MembershipRequest<'_>,
    ) -> Result<WriteOutcome, UnifiedError> {
        Ok(self.add_membership(user_id, membership, PriorMembership::Unknown).await??)
    }

    /// Removes a user from a workspace.
    ///
    /// # Errors
    ///
    /// `Unsupported`, or the provider's error.
    pub async fn remove_member(
        &self,
        user_id: &str,
        workspace_id: &str,
    ) -> Result<WriteOutcome, UnifiedError> {
        let send = self.membership_writes()?.remove(&self.directory.cx, user_id, workspace_id);
        let state = self
            .compare(user_id, |user: &User| Comparison::of_equality(!is_in(user, workspace_id)));
        let subject = format!("{user_id}@{workspace_id}");
        Ok(self.update_step("membership.removed", &subject, send, state).await??)
    }

    pub(super) async fn add_membership(
        &self,
        user_id: &str,
        membership: MembershipRequest<'_>,
        before: PriorMembership,
    ) -> Result<Result<WriteOutcome, ConnectorError>, UnifiedError> {
        let MembershipRequest { workspace_id, user_type, channel_ids } = membership;
        let send = self.membership_writes()?.add(&self.directory.cx, user_id, membership);
        let state = self.compare(user_id, |user: &User| {
            let is_member = is_in(user, workspace_id) && user.status != UserStatus::Inactive;
            // The provider does not return the channels of an existing membership.
            let shows_channels = channel_ids.is_empty() || before == PriorMembership::NotMember;
            Comparison::all([
                Comparison::of_equality(is_member && user.user_type == user_type),
                Comparison::or_unknown(shows_channels),
            ])
        });
        let subject = format!("{user_id}@{workspace_id}");
        self.update_step("membership.added", &subject, send, state).await
    }

    fn membership_writes(&self) -> Result<&dyn MembershipWrites, UnifiedError> {
        let writer = self.directory.connector.membership_writes();
        let writer = writer.ok_or_else(|| self.unsupported("changes of workspaces' members"))?;
        writer.check_workspaces(&self.directory.cx)?;
        Ok(writer)
    }
}

/// What is known about a user's membership before the user is added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PriorMembership {
    /// The user is not a member: the account is new.
    NotMember,
    /// The user may be a member.
    Unknown,
}

fn is_in(user: &User, workspace_id: &str) -> bool {
    user.workspaces.iter().any(|one| one.id == workspace_id)
}
