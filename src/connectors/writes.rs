//! What can be changed at a provider: one facet a resource, each of single steps. Several steps in
//! one request are put together above, in `unified`.
//!
//! Every write says the truth: `Ok` when the provider confirmed it, [`Kind::Timeout`] or
//! [`Kind::Trouble`] when it may or may not have been done. "Already so" is [`Done::Already`].
//!
//! [`Kind::Timeout`]: super::Kind::Timeout
//! [`Kind::Trouble`]: super::Kind::Trouble

use async_trait::async_trait;

use super::{CallContext, ConnectorError};
use crate::domain::input::Done;
use crate::domain::user::UserType;

/// Users that can be switched on and off.
#[async_trait]
pub trait UserWrites: Send + Sync {
    /// Switches a user off everywhere. The account stays and can be switched on again.
    async fn deactivate(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError>;

    /// Signs a user out everywhere.
    async fn end_sessions(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError>;
}

/// A place in a workspace.
#[derive(Debug, Clone, Copy)]
pub struct Membership<'a> {
    /// The workspace.
    pub workspace_id: &'a str,
    /// The kind of member.
    pub user_type: UserType,
    /// A guest's channels.
    pub channel_ids: &'a [String],
}

/// Workspaces whose members can be changed.
#[async_trait]
pub trait MembershipWrites: Send + Sync {
    /// Puts a user into a workspace.
    async fn add(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        membership: Membership<'_>,
    ) -> Result<Done, ConnectorError>;

    /// Takes a user out of a workspace.
    async fn remove(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        workspace_id: &str,
    ) -> Result<Done, ConnectorError>;
}

/// A role held by a user in a place.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Holding {
    /// The role.
    pub role_id: String,
    /// Who holds it.
    pub user_id: String,
    /// The organization, workspace or channel.
    pub place_id: String,
}

/// Role assignments that can be changed.
#[async_trait]
pub trait AssignmentWrites: Send + Sync {
    /// Gives roles; one answer for each, in order. The provider's own batches are formed here.
    async fn assign(
        &self,
        cx: &CallContext<'_>,
        holdings: &[Holding],
    ) -> Vec<Result<Done, ConnectorError>>;

    /// Takes roles away; one answer for each, in order.
    async fn revoke(
        &self,
        cx: &CallContext<'_>,
        holdings: &[Holding],
    ) -> Vec<Result<Done, ConnectorError>>;
}
