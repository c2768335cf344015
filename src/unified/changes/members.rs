//! Members of workspaces, put in and taken out.

use super::{Changes, done_if};
use crate::connectors::{ConnectorError, Membership, MembershipWrites};
use crate::domain::input::Done;
use crate::domain::user::User;
use crate::unified::UnifiedError;

impl Changes<'_> {
    /// Puts a user into a workspace.
    ///
    /// # Errors
    ///
    /// What the provider said; `Unsupported` when it has no workspaces to join.
    pub async fn add_member(
        &self,
        user_id: &str,
        membership: Membership<'_>,
    ) -> Result<Done, UnifiedError> {
        Ok(self.join(user_id, membership).await??)
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
        let seen = async { Ok(done_if(!self.is_in(user_id, workspace_id).await?)) };
        let subject = format!("{user_id}@{workspace_id}");
        Ok(self.step("membership.removed", &subject, send, seen).await??)
    }

    pub(super) async fn join(
        &self,
        user_id: &str,
        membership: Membership<'_>,
    ) -> Result<Result<Done, ConnectorError>, UnifiedError> {
        let send = self.membership_writes()?.add(&self.directory.cx, user_id, membership);
        let seen = async { Ok(done_if(self.is_in(user_id, membership.workspace_id).await?)) };
        let subject = format!("{user_id}@{}", membership.workspace_id);
        self.step("membership.added", &subject, send, seen).await
    }

    async fn is_in(&self, user_id: &str, workspace_id: &str) -> Result<bool, ConnectorError> {
        let user = self.read::<User>(user_id).await?;
        Ok(user.is_some_and(|user| user.workspaces.iter().any(|one| one.id == workspace_id)))
    }

    fn membership_writes(&self) -> Result<&dyn MembershipWrites, UnifiedError> {
        let facet = self.directory.connector.membership_writes();
        facet.ok_or_else(|| self.unsupported("changes of workspaces' members"))
    }
}
