//! What can be changed at a provider: one facet a resource, each of single steps. Several steps in
//! one request are put together above, in `unified`.
//!
//! Every write says the truth: `Ok` when the provider confirmed it, [`Kind::Timeout`] or
//! [`Kind::Trouble`] when it may or may not have been done. [`Done::Already`] says that all that was
//! requested was so before; where a provider only refuses because of the present state, the refusal is
//! passed on and judged above by reading.
//!
//! [`Kind::Timeout`]: super::Kind::Timeout
//! [`Kind::Trouble`]: super::Kind::Trouble

use async_trait::async_trait;
use time::OffsetDateTime;

use super::{CallContext, ConnectorError};
use crate::domain::group::GroupWish;
use crate::domain::input::{Done, Flaw};
use crate::domain::user::UserType;
use crate::domain::user_input::UserInput;
use crate::domain::workspace_input::{WorkspaceSetting, WorkspaceWish};

/// Somebody to be asked by e-mail into a workspace.
#[derive(Debug, Clone, Copy)]
pub struct Invitation<'a> {
    /// Where the mail goes.
    pub email: &'a str,
    /// The whole name, where it is known.
    pub name: Option<&'a str>,
    /// Into which workspace, and as what.
    pub membership: Membership<'a>,
    /// When a guest's access ends.
    pub expires_at: Option<OffsetDateTime>,
}

/// Users that can be made, changed, switched on and off.
#[async_trait]
pub trait UserWrites: Send + Sync {
    /// What of a wish this provider can't grant; `new` when it is for somebody new.
    fn flaws(&self, wish: &UserInput, new: bool) -> Vec<Flaw>;

    /// Makes an account, in no workspace yet. Gives its id.
    async fn create(
        &self,
        cx: &CallContext<'_>,
        wish: &UserInput,
    ) -> Result<String, ConnectorError>;

    /// Asks somebody by e-mail. The provider tells no id. Somebody who was invited before is a conflict.
    async fn invite(
        &self,
        cx: &CallContext<'_>,
        invitation: Invitation<'_>,
    ) -> Result<Done, ConnectorError>;

    /// Changes the profile, the kind of member, and whether the user can sign in.
    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        wish: &UserInput,
    ) -> Result<Done, ConnectorError>;

    /// Sets when a guest's access to a workspace ends; `None` for no end.
    async fn set_expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_id: &str,
        at: Option<OffsetDateTime>,
    ) -> Result<Done, ConnectorError>;

    /// Lets a guest of several channels stay without an end, everywhere.
    async fn lift_expiry(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError>;

    /// Deactivates a user everywhere; [`Done::Already`] when that was so. The account stays and can be
    /// reactivated.
    async fn deactivate(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError>;

    /// Reads when a guest's access to a workspace ends; `None` for no end.
    async fn expiry(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_id: &str,
    ) -> Result<Option<OffsetDateTime>, ConnectorError>;

    /// Whether a user is signed in anywhere.
    async fn has_sessions(&self, cx: &CallContext<'_>, id: &str) -> Result<bool, ConnectorError>;

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
    /// Puts a user into a workspace. A user who is there already is a conflict.
    async fn add(
        &self,
        cx: &CallContext<'_>,
        user_id: &str,
        membership: Membership<'_>,
    ) -> Result<Done, ConnectorError>;

    /// Takes a user out of a workspace. One who is not there is a conflict, or not found.
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
    /// Whether a role can be given in a place, as far as that is known before anything is sent.
    ///
    /// # Errors
    ///
    /// Why it can't.
    fn check(&self, cx: &CallContext<'_>, holding: &Holding) -> Result<(), ConnectorError>;

    /// Gives roles; one outcome for each, in order, and [`Done::Already`] for one that was held. The provider's own batches are formed here.
    async fn assign(
        &self,
        cx: &CallContext<'_>,
        holdings: &[Holding],
    ) -> Vec<Result<Done, ConnectorError>>;

    /// Takes roles away; one outcome for each, in order, and [`Done::Already`] for one that was not held.
    async fn revoke(
        &self,
        cx: &CallContext<'_>,
        holdings: &[Holding],
    ) -> Vec<Result<Done, ConnectorError>>;
}

/// Workspaces that can be made and set up.
#[async_trait]
pub trait WorkspaceWrites: Send + Sync {
    /// Makes a workspace with its name, address, description and discoverability. Gives its id.
    async fn create(
        &self,
        cx: &CallContext<'_>,
        wish: &WorkspaceWish,
    ) -> Result<String, ConnectorError>;

    /// Changes one setting.
    async fn set(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        setting: WorkspaceSetting<'_>,
    ) -> Result<Done, ConnectorError>;
}

/// Groups that can be made, changed and deleted.
#[async_trait]
pub trait GroupWrites: Send + Sync {
    /// Makes a group with its members. Gives its id.
    async fn create(
        &self,
        cx: &CallContext<'_>,
        wish: &GroupWish,
    ) -> Result<String, ConnectorError>;

    /// Changes the name and the members.
    async fn update(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        wish: &GroupWish,
    ) -> Result<Done, ConnectorError>;

    /// Lets a group bring its members into workspaces.
    async fn link(
        &self,
        cx: &CallContext<'_>,
        id: &str,
        workspace_ids: &[String],
    ) -> Result<Done, ConnectorError>;

    /// Deletes a group for good.
    async fn delete(&self, cx: &CallContext<'_>, id: &str) -> Result<Done, ConnectorError>;
}
