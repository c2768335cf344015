//! Single changes: a role, a membership, an account. What the provider confirmed is read back, so that
//! an answer shows what is there and not what was wished.

use serde_json::value::RawValue;

use super::{Directory, Shape, UnifiedError};
use crate::connectors::{AssignmentWrites, ConnectorError, Holding, Kind, Membership};
use crate::domain::assignment::RoleAssignment;
use crate::domain::input::Done;
use crate::domain::user::User;

/// Whether a user who is switched off is signed out as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignOut {
    /// The provider ends the sessions when it sees fit.
    Later,
    /// At once.
    Now,
}

impl Directory<'_> {
    /// The holding of a role by a user: in a channel, in a workspace, or else in the organization.
    #[must_use]
    pub fn holding(
        &self,
        role_id: String,
        user_id: String,
        workspace_id: Option<String>,
        channel_id: Option<String>,
    ) -> Holding {
        let place = channel_id.or(workspace_id);
        let place_id = place.unwrap_or_else(|| self.cx.account.organization.id.clone());
        Holding { role_id, user_id, place_id }
    }

    /// Gives a role. It may have been held already.
    ///
    /// # Errors
    ///
    /// What the provider said; `Unsupported` when it can't give roles.
    pub async fn give_role(
        &self,
        holding: Holding,
        shape: &Shape,
    ) -> Result<Box<RawValue>, UnifiedError> {
        let holdings = [holding];
        let outcomes = self.assignment_writes()?.assign(&self.cx, &holdings).await;
        self.first(outcomes)?;
        let [Holding { role_id, user_id, place_id }] = holdings;
        self.get::<RoleAssignment>(&format!("{role_id}.{user_id}.{place_id}"), shape).await
    }

    /// Takes a role away by the id of its assignment. It may have been gone already.
    ///
    /// # Errors
    ///
    /// `NotFound` when that is no id of an assignment; else what the provider said.
    pub async fn take_role(&self, id: &str) -> Result<Done, UnifiedError> {
        let mut parts = id.split('.').map(str::to_owned);
        let (Some(role_id), Some(user_id), Some(place_id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(UnifiedError::NotFound { resource: "role assignment" });
        };
        let holding = Holding { role_id, user_id, place_id };
        let outcomes = self.assignment_writes()?.revoke(&self.cx, &[holding]).await;
        self.first(outcomes)
    }

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
        let facet = self.connector.membership_writes();
        let facet = facet.ok_or_else(|| self.unsupported("changes of workspaces' members"))?;
        Ok(facet.add(&self.cx, user_id, membership).await?)
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
        let facet = self.connector.membership_writes();
        let facet = facet.ok_or_else(|| self.unsupported("changes of workspaces' members"))?;
        Ok(facet.remove(&self.cx, user_id, workspace_id).await?)
    }

    /// Switches a user off everywhere.
    ///
    /// # Errors
    ///
    /// What the provider said. When the sessions can't be ended, the user is switched off all the same.
    pub async fn deactivate(
        &self,
        id: &str,
        sign_out: SignOut,
        shape: &Shape,
    ) -> Result<Box<RawValue>, UnifiedError> {
        let facet = self.connector.user_writes();
        let facet = facet.ok_or_else(|| self.unsupported("changes of users"))?;
        facet.deactivate(&self.cx, id).await?;
        if sign_out == SignOut::Now {
            facet.end_sessions(&self.cx, id).await?;
        }
        self.get::<User>(id, shape).await
    }

    fn assignment_writes(&self) -> Result<&dyn AssignmentWrites, UnifiedError> {
        let facet = self.connector.assignment_writes();
        facet.ok_or_else(|| self.unsupported("changes of role assignments"))
    }

    fn unsupported(&self, resource: &'static str) -> UnifiedError {
        UnifiedError::Unsupported { provider: self.connector.provider(), resource }
    }

    /// What came of the only wish.
    fn first(&self, outcomes: Vec<Result<Done, ConnectorError>>) -> Result<Done, UnifiedError> {
        let silent = || {
            let provider = self.connector.provider();
            Err(ConnectorError::new(provider, "role-assignments", Kind::Internal))
        };
        Ok(outcomes.into_iter().next().unwrap_or_else(silent)?)
    }
}
